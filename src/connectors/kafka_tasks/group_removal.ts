/**
 * Begins an app again, or removes it from a cluster.
 *
 * The groups go first. A broker does not delete one that has members, so no machine runs while
 * topics are deleted. If the work stops halfway, machines refuse to start, as positions or topics
 * are missing, and the same command finishes it.
 *
 * @module
 */
import type { Clock } from "../../core/clock.ts";
import { counted } from "../../core/counted.ts";
import { UsageError } from "../../core/errors.ts";
import { sessionText } from "../../group/session_text.ts";
import { controlTopic } from "../../group/topology.ts";
import { ENTERING_MS, isEntering } from "./enter_app.ts";
import type { GroupAdmin } from "./group_admin.ts";
import type { GroupDescription } from "./group_description.ts";
import type { AppGroup, AppParts } from "./group_status.ts";

/**
 * What is done: `reset` keeps what the app is, such as its number of shards; `delete` keeps
 * nothing.
 */
export type Removal = "reset" | "delete";

/** What a removal deletes. */
export interface RemovalPlan {
  readonly groups: readonly string[];
  readonly topics: readonly string[];
}

/** Returns what would be deleted. */
export function removalOf(
  kind: Removal,
  { app, groups, handOvers, topics }: AppParts,
): RemovalPlan {
  const control = controlTopic(app);
  const names = topics.map(({ topic }) => topic);
  const others = names.filter((topic) => topic !== control);
  // Last, as with it machines refuse to begin again while something is missing.
  const last = kind === "delete" && names.includes(control) ? [control] : [];
  return {
    groups: [...handOvers, ...groups.map(({ groupId }) => groupId)],
    topics: [...others, ...last],
  };
}

/**
 * Makes sure that no machine runs the app, or is about to.
 *
 * @throws {UsageError} If one does. The message names it, and the cure.
 */
export async function requireNotRun(
  admin: GroupAdmin,
  { app, settings, groups }: AppParts,
  clock: Clock,
): Promise<void> {
  // It may have entered since the app was found, and is seen in one of the two places.
  const now = settings === null ? null : (await admin.control(app)).group;
  if (now !== null && isEntering(now, ENTERING_MS, clock)) {
    throw new UsageError(
      `a machine has entered app "${app}" a moment ago, and may be about to run it: stop it if it ` +
        `still runs, and try again in ${ENTERING_MS / 1000} s`,
    );
  }
  for (const group of groups) {
    const { members } = await admin.describe(group.groupId, group.protocol);
    if (members.length > 0) throw await stillRuns(admin, group, members);
  }
}

async function stillRuns(
  admin: GroupAdmin,
  { groupId, protocol }: AppGroup,
  members: GroupDescription["members"],
): Promise<UsageError> {
  const hosts = [...new Set(members.map(({ host }) => host.replace(/^\//, "")))].sort();
  const session = sessionText(protocol, await admin.sessionMs(groupId, protocol));
  return new UsageError(
    `group "${groupId}" has ${counted(members.length, "member")} (on ${
      hosts.join(", ")
    }): stop all machines first. One that was stopped without --leave stays a member until its ` +
      `session ends (${session})`,
  );
}

/**
 * Deletes the groups of an app with their positions, and its topics.
 *
 * @throws {UsageError} If a machine runs the app. Nothing is deleted that was not before.
 * @throws {Error} If brokers refuse, or do not answer.
 */
export async function remove(
  kind: Removal,
  admin: GroupAdmin,
  parts: AppParts,
  clock: Clock,
): Promise<void> {
  const { app, groups, handOvers } = parts;
  await requireNotRun(admin, parts, clock);
  for (const groupId of handOvers) await admin.deleteGroup(groupId); // they have no members
  for (const group of groups) {
    if (await admin.deleteGroup(group.groupId)) continue;
    const { members } = await admin.describe(group.groupId, group.protocol);
    throw await stillRuns(admin, group, members);
  }
  for (const topic of removalOf(kind, parts).topics) await admin.deleteTopic(topic);
  if (kind === "reset" && parts.settings !== null) await admin.forgetBegun(app);
}
