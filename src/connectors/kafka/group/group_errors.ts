/**
 * What errors and statuses of groups mean for a member, with what to do about them.
 *
 * @module
 */
import { errorOfCode } from "../wire/error_codes.ts";
import { GroupRefusedError } from "../../../group/membership.ts";

/** What a member does about an error code. */
export type Verdict =
  /** The coordinator has not done it, and soon will, or another broker is the coordinator now. */
  | "moved"
  /** The group has expelled the member: it has lost its tasks, and joins again. */
  | "expelled"
  /** Others join: so must this member. Classic groups only. */
  | "rebalance"
  /** The group has given the new member an id to join with. Classic groups only. */
  | "named"
  /** No attempt will succeed. */
  | "refused"
  /** The coordinator may have done it, or not. */
  | "unknown";

const VERDICTS: Readonly<Record<number, Verdict>> = {
  14: "moved", // COORDINATOR_LOAD_IN_PROGRESS
  15: "moved", // COORDINATOR_NOT_AVAILABLE
  16: "moved", // NOT_COORDINATOR
  22: "expelled", // ILLEGAL_GENERATION
  25: "expelled", // UNKNOWN_MEMBER_ID
  110: "expelled", // FENCED_MEMBER_EPOCH
  27: "rebalance",
  79: "named",
};

/** What to do about errors that end a membership, by their codes. */
const CURES: Readonly<Record<number, string>> = {
  23: "its members speak another protocol: choose another group, or the same protocol for all",
  24: "choose another name for the group",
  26:
    "choose a session (--session-timeout) between the broker's group.min.session.timeout.ms and " +
    "group.max.session.timeout.ms",
  29: "allow DESCRIBE on all topics of the flow",
  30: "allow READ on the group",
  31: "allow CREATE on the cluster, or on the names of the flow's own topics",
  35: "let the cluster have streams.version 1 (kafka-features.sh upgrade), or choose the classic " +
    "protocol",
  42:
    "the group runs another topology, which cannot be changed: choose another group, or stop all " +
    "members and delete this one",
  81: "allow more members (group.max.size, group.streams.max.size), or start fewer workers",
  82: "another process has joined with the same member id: does it use a copy of the same disk?",
  130: "the broker does not accept the flow's topology",
  131: "the group runs a newer topology: stop this version",
  132: "the group runs a newer topology: stop this version",
  111: "the group speaks another protocol: choose another group",
  69: "the group was deleted, or speaks another protocol: choose another group",
};

/** What an error code means. */
export function verdictOf(code: number): Verdict {
  return VERDICTS[code] ?? (code in CURES ? "refused" : "unknown");
}

/** The error of a code that ends a membership. `detail` is what the broker says. */
export function refusal(groupId: string, code: number, detail: string | null): GroupRefusedError {
  const cause = errorOfCode(code);
  return new GroupRefusedError(
    `group "${groupId}" refuses the member (${detail ?? cause.message}): ${CURES[code]}`,
    { cause },
  );
}

/** The statuses of a streams group, by their codes in the protocol. */
export const STALE_TOPOLOGY = 0;
export const SHUTDOWN_APPLICATION = 4;
export const WAITS_FOR_MEMBERS = 5;

const STATUSES: Readonly<Record<number, string>> = {
  [STALE_TOPOLOGY]: "runs a newer topology than this member: stop this version of the flow",
  1: "waits for topics that it reads: create them",
  2: "has topics whose numbers of partitions do not fit: delete the flow's own topics that differ",
  3: "waits for its own topics, which the broker creates: does the user have CREATE on them?",
  [SHUTDOWN_APPLICATION]: "was shut down by one of its members: look at the logs of the others",
  [WAITS_FOR_MEMBERS]:
    "waits for more members before it assigns tasks (streams.initial.rebalance.delay.ms)",
};

/** A status as a sentence with its cure. */
export function statusText(groupId: string, code: number, detail: string): string {
  const what = STATUSES[code] ?? `has a status that this version does not know (${code})`;
  return `group "${groupId}" ${what}` + (detail === "" ? "" : ` (${detail})`);
}
