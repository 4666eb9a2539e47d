/**
 * Runs this machine's part of a group.
 *
 * ```text
 *   describe ──▶ join ──▶ run tasks ──signal──▶ commit ──▶ over
 *   (a process     (a member for
 *   of its own)    each worker)
 * ```
 *
 * @module
 */
import { KafkaHandOverBoard } from "../connectors/kafka_tasks/hand_over_board.ts";
import { type GroupPlace, joinGroup } from "../connectors/kafka_tasks/join_group.ts";
import {
  lastFailure,
  type ShutdownOptions,
  tellFailure,
  untilGone,
} from "../connectors/kafka_tasks/shutdown.ts";
import { elapsedOf, systemClock } from "../core/clock.ts";
import { messageOf, type StepError } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import { within } from "../core/promises.ts";
import { partsOf, type TaskId } from "../core/task_id.ts";
import { HAND_OVER_MS } from "../group/hand_over.ts";
import { GroupShutdownError, type Membership } from "../group/membership.ts";
import type { ApiOptions } from "../ops/access.ts";
import { type ApiServer, serveApi } from "../ops/server.ts";
import { flowName, refuseNesting, spawnFacts } from "../runtime/nesting.ts";
import { type DescribedGroup, FlowDescriber } from "../runtime/process/group/flow_describer.ts";
import { HandOver } from "../runtime/process/group/hand_over.ts";
import { NodeMonitor, type NodeStatus } from "../runtime/process/group/node_monitor.ts";
import { FirstLoad, spawnTaskWorker } from "../runtime/process/group/spawn_task_worker.ts";
import { StateSweeper } from "../runtime/process/group/state_sweeper.ts";
import { openStateFolder } from "../runtime/process/group/state_folder.ts";
import { Supervisor } from "../runtime/process/group/supervisor.ts";
import type { OutputTaps } from "../runtime/process/spawn.ts";
import { Telemetry } from "../runtime/process/telemetry.ts";
import { permissionFlags } from "../runtime/process/worker_flags.ts";
import { storedOffsets } from "../recovery/task_cache/stored_offsets.ts";
import { stopMilliseconds } from "../runtime/stop_limit.ts";
import type { RunCommand } from "./arguments.ts";
import type { FlowLocation } from "./flow_location.ts";
import type { GroupCommand } from "./group_arguments.ts";
import { LOG_MODULE, printToStderr } from "./group_process.ts";
import { stoppedText } from "./group_stop.ts";

/** How often workers say how far they are, in milliseconds: else, and where somebody looks. */
const STATUS_MS = 1_000;
const WATCHED_MS = 250;

/** How long telling other machines may take, in milliseconds. */
const TELLING_MS = 5_000;

/** What a machine's part of a group is run with. */
export interface GroupRunOptions extends FlowLocation {
  readonly command: RunCommand;
  readonly group: GroupCommand;
  readonly log: Log;
  /** Stops gracefully when it aborts. */
  readonly signal: AbortSignal;
  /** Ends everything at once when it aborts: the run rejects. */
  readonly killSignal: AbortSignal;
  /** Accept what workers print. */
  readonly taps: OutputTaps;
  /** Called with how the machine stands, a few times a second. */
  readonly onStatus?: (status: NodeStatus) => void;
}

/**
 * Joins a group, and runs the tasks that it gives to this machine, until a signal or a step stops
 * it.
 *
 * @returns The exit code that the flow has set, if any.
 * @throws {StepError} If a step fails.
 * @throws {UsageError} If the state folder cannot be used, or there is no such flow.
 * @throws {Error} If the group cannot run the flow, or refuses this machine.
 */
export async function runGroup(options: GroupRunOptions): Promise<number> {
  const { command, group } = options;
  const monitor = new NodeMonitor({
    app: group.app,
    intervalMs: group.commitIntervalMs,
    now: () => elapsedOf(systemClock),
    onStops: () =>
      log.info("stopping: what has been read is committed", {
        tasks: monitor.view().group!.tasks.length,
      }),
  });
  await using telemetry = Telemetry.open(options.moduleUrl, options.log);
  const log = monitor.log.over(telemetry?.logTo(options.log, command.logLevel) ?? options.log);
  telemetry?.begins();
  telemetry?.watch(monitor);
  await using _server = command.api === undefined ? null : await openApi(command.api, monitor, log);
  try {
    const { exitCode, sessionMs } = await runNode({ ...options, log }, monitor, telemetry);
    monitor.ends();
    const { tasks, protocol } = monitor.view().group!;
    const leaves = group.leaves || group.stateDir === null;
    log.info(stoppedText({ tasks: tasks.length, protocol, leaves, sessionMs }));
    return exitCode;
  } catch (error) {
    monitor.fails(error);
    telemetry?.failed(messageOf(error));
    throw error;
  }
}

async function openApi(options: ApiOptions, monitor: NodeMonitor, log: Log): Promise<ApiServer> {
  const server = await serveApi(options, monitor, log);
  log.info("operations port", { url: server.url });
  return server;
}

/** How a machine has ended. */
interface NodeEnd {
  /** What the flow has set. */
  readonly exitCode: number;
  /** How long the group waits for the machine, in milliseconds; `null` if it was not there. */
  readonly sessionMs: number | null;
}

const NOT_JOINED: NodeEnd = { exitCode: 0, sessionMs: null };

async function runNode(
  options: GroupRunOptions,
  monitor: NodeMonitor,
  telemetry: Telemetry | null,
): Promise<NodeEnd> {
  const { moduleUrl, exportName, command, group, log, taps, onStatus } = options;
  const flow = flowName(moduleUrl, exportName);
  const facts = spawnFacts();
  refuseNesting(flow, facts);
  const { workers, flowArgs: args, workerFlags } = command;
  // The port shows lines that the log itself may not want.
  const logLevel = command.api === undefined
    ? command.logLevel
    : monitor.log.lesser(command.logLevel);
  const { app, shards, guarantee } = group;
  const isWatched = onStatus !== undefined || command.api !== undefined;
  const stop = new StopSwitch(options.signal, options.killSignal);
  using folder = openStateFolder(group.stateDir, app, workers, log);
  const common = {
    flags: (folder: string | null) =>
      permissionFlags(workerFlags ?? null, { folder, moduleUrl, workers: 0 }),
    args,
    running: [...facts.running, flow],
    log,
  };
  const ofFlow = { moduleUrl, exportName, app, shards, guarantee, logModule: LOG_MODULE, logLevel };
  await using describer = new FlowDescriber({
    ...common,
    load: {
      kind: "load",
      ...ofFlow,
      protocol: group.protocol,
      dropSteps: group.dropSteps,
      waits: group.waits,
    },
    taps: { stdout: taps.stderr ?? printToStderr, ...taps.stderr ? { stderr: taps.stderr } : {} },
    onStopRequested: () => stop.request(),
  });
  const described = await stop.before(describer.describe());
  if (described === null) return NOT_JOINED;
  const { topology, groupId, protocol } = described;
  const came: Came = { ...described, cameAt: systemClock.now() };
  const ended = new AbortController();
  const reach: ShutdownOptions = {
    place: described.place as GroupPlace, // of the module that was named above
    token: described.needsTokens ? () => describer.token() : null,
    app,
    log,
    signal: ended.signal,
  };
  const handOverMs = protocol === "streams" ? HAND_OVER_MS : 0;
  await using board = new KafkaHandOverBoard({ ...reach, groupId });
  const stateful = new Set(
    topology.subtopologies.flatMap(({ name, hasState }) => hasState ? [name] : []),
  );
  const hasState = (task: TaskId) => stateful.has(partsOf(task).subtopology);
  const firstLoad = new FirstLoad(); // a wrong address is an error at the start only
  const cacheFolder = group.stateDir === null ? null : folder.path;
  const onDisk = cacheFolder === null ? null : storedOffsets(cacheFolder, app, log);
  const superviseWith = (membership: Membership) =>
    new Supervisor({
      memberIds: folder.memberIds,
      membership,
      spawn: (worker, memberId, listener, lateCommits) =>
        spawnTaskWorker({
          ...common,
          worker,
          env: telemetry?.environmentOf(worker) ?? {},
          load: {
            kind: "load",
            worker,
            ...ofFlow,
            groupId,
            memberId,
            protocol,
            cacheFolder,
            waitsForBrokers: firstLoad.isOver,
            lateCommits,
            commitIntervalMs: group.commitIntervalMs,
            statusMs: isWatched ? WATCHED_MS : STATUS_MS,
          },
          taps,
        }, firstLoad.watch(listener)),
      clock: systemClock,
      log,
      onStatus: () => {
        monitor.onStatus();
        onStatus?.(monitor.status());
      },
      restarts: command.restarts,
      stallMs: group.stallMs,
      stopMs: command.stopMs ?? stopMilliseconds({}),
      handOver: handOverMs === 0 ? null : (memberId) =>
        new HandOver({
          memberId,
          board,
          hasState,
          canPrepare: group.stateDir !== null,
          waitMs: handOverMs,
          clock: systemClock,
          log,
        }),
      // Nobody comes back with ids that are not kept.
      leaves: group.leaves || group.stateDir === null,
      onDisk,
      onShutDown: (error) => tell(error, reach),
    });
  /** Runs tasks of the group. Returns the error if the group was ended before we came. */
  const runTasks = async (): Promise<NodeEnd | GroupShutdownError> => {
    const membership = await stop.before(
      joinGroup({
        ...reach,
        groupId,
        topology,
        protocol,
        standbys: group.standbys,
        handOverMs,
        sessionMs: group.sessionMs,
        processId: folder.processId,
      }),
      () => ended.abort(),
    );
    if (membership === null) return NOT_JOINED;
    // Their tasks would stand still until their sessions end.
    const dismissed = membership.dismiss(folder.formerIds);
    const supervisor = superviseWith(membership);
    const stopNode = () => {
      monitor.stops();
      supervisor.stop();
    };
    try {
      monitor.joins(described, supervisor);
      log.info("joining the group", factsOf(described, workers));
      stop.pass({ stop: stopNode, kill: () => supervisor.kill() });
      await using _sweeper = new StateSweeper({
        folder: folder.path,
        clock: systemClock,
        log,
        readings: () => supervisor.readings,
      });
      const exitCode = await supervisor.run();
      stop.throwIfKilled();
      return { exitCode, sessionMs: membership.sessionTimeoutMs };
    } catch (error) {
      if (!(error instanceof GroupShutdownError)) throw error;
      const hadTasks = supervisor.readings.some(({ moves }) => moves.assigned > 0);
      if (error.waitMs === null || hadTasks) throw await explained(error, came, reach);
      return error;
    } finally {
      await membership.close();
      await dismissed;
    }
  };
  try {
    for (;;) {
      const end = await runTasks();
      if (!(end instanceof GroupShutdownError)) return end;
      const isFree = await stop.before(
        untilFree(end, came, reach).then(() => true),
        () => ended.abort(),
      );
      if (isFree === null) return NOT_JOINED;
    }
  } finally {
    ended.abort();
  }
}

/** How a machine has found its group. */
interface Came extends Pick<DescribedGroup, "groupId" | "protocol" | "failedAt"> {
  readonly cameAt: number;
}

/** Waits until a group that was ended can begin again. */
async function untilFree(
  error: GroupShutdownError,
  came: Came,
  reach: ShutdownOptions,
): Promise<void> {
  const { message } = await explained(error, came, reach);
  await untilGone(came, reach, (members) => {
    reach.log.warn(
      `${message}. The group begins again when all of its members of then are gone, and this ` +
        "machine waits for that: one that died without leaving stays until its session ends",
      { members, atMostMs: error.waitMs! },
    );
  });
}

/** Tells the other machines why they end. They end without it too. */
async function tell(error: StepError, reach: ShutdownOptions): Promise<void> {
  reach.log.error("a step fails: all machines of the group end", { error: error.message });
  try {
    const isTold = await within(tellFailure(error.message, reach), TELLING_MS);
    if (!isTold) reach.log.warn("the other machines were not told in time why they end");
  } catch (thrown) {
    reach.log.warn("the other machines were not told why they end", { error: messageOf(thrown) });
  }
}

/** The error of a machine that ends because another one has ended the group. */
async function explained(
  error: GroupShutdownError,
  { failedAt, cameAt }: Came,
  reach: ShutdownOptions,
): Promise<Error> {
  try {
    const failure = await lastFailure({ failedAt, cameAt, wasIn: error.waitMs === null }, reach);
    if (failure === null) return error;
    const at = new Date(failure.at).toISOString();
    return new Error(
      `another machine has ended the group "${reach.app}", at ${at}: ${failure.text}`,
      { cause: error },
    );
  } catch (thrown) {
    reach.log.warn("why the group was ended cannot be read", { error: messageOf(thrown) });
    return error;
  }
}

function factsOf({ groupId, protocol, topology }: DescribedGroup, workers: number) {
  const subtopologies = topology.subtopologies.map(({ name }) => name).join();
  return { group: groupId, protocol, workers, subtopologies };
}

/** What can be stopped. */
interface Stoppable {
  stop(): void;
  kill(): void;
}

/** Passes requests to stop on to whatever goes on at the moment. */
class StopSwitch {
  readonly #stops = new AbortController();
  readonly #signal: AbortSignal;
  readonly #killSignal: AbortSignal;

  constructor(signal: AbortSignal, killSignal: AbortSignal) {
    this.#signal = AbortSignal.any([signal, this.#stops.signal, killSignal]);
    this.#killSignal = killSignal;
  }

  /** As a signal does. */
  request(): void {
    this.#stops.abort();
  }

  /**
   * Waits for work that is worth nothing after a stop. Returns `null` if that comes first.
   *
   * @param cancel Ends the work.
   */
  async before<T>(work: Promise<T>, cancel: () => void = () => {}): Promise<T | null> {
    const stopped = Promise.withResolvers<null>();
    const stop = () => stopped.resolve(null);
    this.#signal.addEventListener("abort", stop);
    if (this.#signal.aborted) stop();
    work.catch(() => {}); // nobody waits for it after a stop
    try {
      const done = await Promise.race([work, stopped.promise]);
      if (done === null) cancel();
      this.throwIfKilled();
      return done;
    } finally {
      this.#signal.removeEventListener("abort", stop);
    }
  }

  /** Requests go there from now on. */
  pass({ stop, kill }: Stoppable): void {
    for (const [signal, act] of [[this.#signal, stop], [this.#killSignal, kill]] as const) {
      if (signal.aborted) act();
      else signal.addEventListener("abort", act, { once: true });
    }
  }

  throwIfKilled(): void {
    if (this.#killSignal.aborted) throw new Error("the run was stopped at once");
  }
}
