/**
 * Shows the groups of an app, has it begin again, or removes it.
 *
 * @module
 */
import { counted } from "../core/counted.ts";
import { UsageError } from "../core/errors.ts";
import type { GroupAdmin } from "../connectors/kafka_tasks/group_admin.ts";
import { groupJson, groupText } from "./group_text.ts";
import type { GroupToolCommand } from "./group_tool_arguments.ts";
import type { Confirm } from "./recovery.ts";

/** What the command works with. */
export interface GroupToolOptions {
  /** Asks the user; `null` if nobody can be asked. */
  readonly confirm: Confirm;
  /** Opens the cluster. @default The Kafka cluster that the command names. */
  readonly open?: (command: GroupToolCommand) => Promise<GroupAdmin & AsyncDisposable>;
}

/**
 * Does what a command says. Returns what to tell.
 *
 * @throws {UsageError} If there is no such app, machines run it, or the user says no.
 * @throws {Error} If brokers refuse, or do not answer.
 */
export async function runGroupTool(
  command: GroupToolCommand,
  { confirm, open = openCluster }: GroupToolOptions,
): Promise<string> {
  const { app, action, json } = command;
  await using admin = await open(command);
  if (action === "show") {
    const { appStatus } = await import("../connectors/kafka_tasks/group_status.ts");
    const status = await explained(app, action, () => appStatus(admin, app));
    return json ? groupJson(status) : groupText(status);
  }
  return await explained(app, action, () => remove(admin, { ...command, action }, confirm));
}

async function openCluster({ brokers, properties }: GroupToolCommand) {
  const { groupAdminAt } = await import("../connectors/kafka_tasks/group_admin.ts");
  try {
    return groupAdminAt({ brokers, properties });
  } catch (cause) {
    if (!(cause instanceof TypeError)) throw cause;
    throw new UsageError(cause.message, { cause });
  }
}

async function remove(
  admin: GroupAdmin,
  { app, action, yes }: GroupToolCommand & { readonly action: "reset" | "delete" },
  confirm: Confirm,
): Promise<string> {
  const { findApp } = await import("../connectors/kafka_tasks/group_status.ts");
  const removal = await import("../connectors/kafka_tasks/group_removal.ts");
  const parts = await findApp(admin, app);
  await removal.requireNoMembers(admin, parts);
  const { groups, topics } = removal.removalOf(action, parts);
  const what = `${counted(groups.length, "group")} (${groups.join(", ") || "none"}) and ` +
    `${counted(topics.length, "topic")} (${topics.join(", ") || "none"})`;
  if (!yes) {
    if (confirm === null) {
      throw new UsageError(
        `group ${app} ${action} deletes ${what}: give --yes too, as nobody can be asked`,
      );
    }
    const then = action === "reset" ? "The app then begins again" : "All that it has is then gone";
    if (!confirm(`Delete ${what}? ${then}.`)) throw new UsageError("nothing was deleted");
  }
  await removal.remove(action, admin, parts);
  const end = action === "reset"
    ? "the app begins again with its next start"
    : "nothing is left of the app";
  return `deleted ${what}: ${end}\n`;
}

/** What the user has to be allowed, for each action. */
const NEEDS: Readonly<Record<GroupToolCommand["action"], string>> = {
  show: "Describe on the groups, and Describe and Read on the topics",
  reset:
    "Describe and Delete on the groups and topics, and Write on the control topic and on the " +
    "transactional id of the same name",
  delete: "Describe and Delete on the groups and topics",
};

/** Names what is not allowed, with the cure. */
async function explained<T>(
  app: string,
  action: GroupToolCommand["action"],
  work: () => Promise<T>,
): Promise<T> {
  const { deniedBy } = await import("../connectors/kafka_tasks/task_log_error.ts");
  try {
    return await work();
  } catch (error) {
    const denial = deniedBy(error);
    if (denial === null) throw error;
    throw new Error(
      `no permission for group ${app} (${denial}): allow ${
        NEEDS[action]
      } that begin with "${app}."`,
      { cause: error },
    );
  }
}
