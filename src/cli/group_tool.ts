/**
 * Shows the groups of an app, has it begin again, or removes it.
 *
 * @module
 */
import { systemClock } from "../core/clock.ts";
import { counted } from "../core/counted.ts";
import { UsageError } from "../core/errors.ts";
import type { GroupAdmin } from "../connectors/kafka_tasks/group_admin.ts";
import type { GroupPlace } from "../connectors/kafka_tasks/join_group.ts";
import { silentLog } from "../core/log.ts";
import { flowName, refuseNesting, spawnFacts } from "../runtime/nesting.ts";
import { FlowDescriber } from "../runtime/process/group/flow_describer.ts";
import { permissionFlags } from "../runtime/process/worker_flags.ts";
import { locateFlow } from "./flow_location.ts";
import { LOG_MODULE, printToStderr } from "./group_process.ts";
import { groupJson, groupText } from "./group_text.ts";
import type { GroupToolCommand } from "./group_tool_arguments.ts";
import type { Confirm } from "./recovery.ts";

/** What the command works with. */
export interface GroupToolOptions {
  /** Asks the user; `null` if nobody can be asked. */
  readonly confirm: Confirm;
  /** Opens the cluster. @default The Kafka cluster that the command names. */
  readonly open?: (command: GroupToolCommand) => Promise<OpenedCluster>;
}

/** A cluster, and what has to be closed with it. */
export interface OpenedCluster extends AsyncDisposable {
  readonly admin: GroupAdmin;
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
  await using cluster = await open(command);
  const { admin } = cluster;
  if (action === "show") {
    const { appStatus } = await import("../connectors/kafka_tasks/group_status.ts");
    const status = await explained(app, action, () => appStatus(admin, app));
    return json ? groupJson(status) : groupText(status);
  }
  return await explained(app, action, () => remove(admin, { ...command, action }, confirm));
}

async function openCluster(command: GroupToolCommand): Promise<OpenedCluster> {
  const { brokers, properties, flow } = command;
  if (flow !== null) return await openClusterOf(flow, command);
  const { groupAdminAt } = await import("../connectors/kafka_tasks/group_admin.ts");
  try {
    const admin = groupAdminAt({ brokers, properties });
    return { admin, [Symbol.asyncDispose]: () => admin[Symbol.asyncDispose]() };
  } catch (cause) {
    if (!(cause instanceof TypeError)) throw cause;
    throw new UsageError(cause.message, { cause });
  }
}

/** Only the flow's own code knows its cluster, so it is loaded in a process of its own. */
async function openClusterOf(
  flow: string,
  { flowArgs: args }: GroupToolCommand,
): Promise<OpenedCluster> {
  const { moduleUrl, exportName } = locateFlow(flow);
  const name = flowName(moduleUrl, exportName);
  const facts = spawnFacts();
  refuseNesting(name, facts);
  const { groupAdminIn } = await import("../connectors/kafka_tasks/group_admin.ts");
  await using opened = new AsyncDisposableStack();
  const describer = opened.use(
    new FlowDescriber({
      flags: (folder) => permissionFlags(null, { folder, moduleUrl, workers: 0 }),
      args,
      running: [...facts.running, name],
      load: { kind: "locate", moduleUrl, exportName, logModule: LOG_MODULE, logLevel: "warn" },
      taps: { stdout: printToStderr },
      log: silentLog,
      onStopRequested: () => {},
    }),
  );
  const { place, needsTokens } = await describer.locate();
  const token = needsTokens ? () => describer.token() : null;
  const admin = opened.use(groupAdminIn(place as GroupPlace, token)); // as the module makes it
  const kept = opened.move();
  return { admin, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

async function remove(
  admin: GroupAdmin,
  { app, action, yes }: GroupToolCommand & { readonly action: "reset" | "delete" },
  confirm: Confirm,
): Promise<string> {
  const { findApp } = await import("../connectors/kafka_tasks/group_status.ts");
  const removal = await import("../connectors/kafka_tasks/group_removal.ts");
  const parts = await findApp(admin, app);
  await removal.requireNotRun(admin, parts, systemClock);
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
  await removal.remove(action, admin, parts, systemClock);
  const end = action === "reset"
    ? "the app begins again with its next start"
    : `nothing is left of the app in the cluster. The folders ${app} in the --state-dir of its ` +
      "machines may be removed too";
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
