/**
 * A machine's part of a group, for the operations port and the line of status.
 *
 * It reads the supervisor's workers when it is asked. Each of them runs epochs of its own. The one
 * that is shown is of the worker that got no further for the longest time.
 *
 * @module
 */
import type { WorkerIndex } from "../../../core/ids.ts";
import { partsOf, type TaskId } from "../../../core/task_id.ts";
import type { GroupView, TaskState, TaskView } from "../../../ops/group_view.ts";
import { RunLog } from "../../../ops/run_log.ts";
import type {
  EpochView,
  RunOutcome,
  RunPhase,
  RunSource,
  RunView,
  WorkerView,
} from "../../../ops/run_view.ts";
import type { StateAnswer, StateQuestion } from "../../../ops/state_question.ts";
import type { TaskStatus } from "../../group/runner_settings.ts";
import { NO_READINGS } from "../../worker_readings.ts";
import { type RunStatus, runStatusOf } from "../run_status.ts";
import type { Supervisor } from "./supervisor.ts";
import type { SeatReading } from "./task_seat.ts";

/** How many epochs are kept. */
const MOST_EPOCHS = 40;

/**
 * Commits of one epoch number that are less apart than this are the same commit, in milliseconds.
 * Another process begins at the same numbers, but takes longer to start.
 */
const SAME_MS = 500;

/** What is known of the group from the start. */
export interface NodeFacts {
  readonly app: string;
  /** The least length of an epoch, in milliseconds. */
  readonly intervalMs: number;
  /** Returns milliseconds of the clock that nobody sets, as the supervisor has it. */
  readonly now: () => number;
  /** Called once, when the machine is to stop gracefully. */
  readonly onStops?: () => void;
}

/** How a machine of a group stands, for a line of status. */
export interface NodeStatus extends RunStatus {
  readonly tasks: readonly TaskView[];
}

/** Shows a machine of a group. */
export class NodeMonitor implements RunSource {
  readonly now: () => number;
  /** The last lines of the log, and the last errors. */
  readonly log: RunLog = new RunLog(() => Date.now());
  readonly #facts: NodeFacts;
  #joined: { readonly groupId: string; readonly protocol: string } | null = null;
  #readings: () => readonly SeatReading[] = () => [];
  #ask: RunSource["ask"] = () => Promise.reject(new Error("the flow does not run yet"));
  #phase: "open" | "stopping" | "over" = "open";
  #outcome: RunOutcome | null = null;
  #waiting: RunView["waiting"] = null;
  #idleSince: number | null = null;
  #epochs: readonly EpochView[] = [];
  /** What each has committed last, and when. */
  readonly #committed = new Map<WorkerIndex, { readonly epoch: number; readonly at: number }>();

  /** The flow is not loaded yet. */
  constructor(facts: NodeFacts) {
    this.#facts = facts;
    this.now = facts.now;
  }

  /**
   * The machine joins the group.
   *
   * @param workers Knows how its workers stand, and asks them.
   */
  joins(
    joined: { readonly groupId: string; readonly protocol: string },
    workers: Pick<Supervisor, "readings" | "ask">,
  ): void {
    this.#joined = joined;
    this.#readings = () => workers.readings;
    this.#ask = (worker, question) => workers.ask(worker, question);
  }

  /** A worker has said how it stands. */
  onStatus(): void {
    const readings = this.#readings();
    const what = new Set(readings.flatMap(({ status }) => status?.waitingFor ?? []));
    if (what.size === 0) this.#waiting = null;
    else this.#waiting = { what: [...what], since: this.#waiting?.since ?? this.now() };
    const isIdle = readings.every(({ owned }) => owned.size === 0);
    this.#idleSince = isIdle ? this.#idleSince ?? this.now() : null;
    for (const [worker, { status, statusAt }] of readings.entries()) {
      const commit = status?.commit ?? null;
      if (commit === null) continue;
      const at = statusAt - commit.ageMs;
      const known = this.#committed.get(worker);
      // Messages take a moment, so times of one commit differ. A new process counts from 0 again.
      if (known?.epoch === commit.epoch && at - known.at < SAME_MS) continue;
      this.#committed.set(worker, { epoch: commit.epoch, at });
      this.#epochs = [...this.#epochs.slice(-(MOST_EPOCHS - 1)), this.#epochOf(commit, at)];
    }
  }

  /** The machine is being stopped. */
  stops(): void {
    if (this.#phase !== "open") return;
    this.#phase = "stopping";
    this.#facts.onStops?.();
  }

  /** The machine has left, or was stopped. */
  ends(): void {
    this.#outcome = "stopped";
    this.#phase = "over";
  }

  /** The machine has failed. */
  fails(error: unknown): void {
    this.log.failed(error);
    this.#outcome = "failed";
    this.#phase = "over";
  }

  ask(worker: WorkerIndex, question: StateQuestion): Promise<StateAnswer> {
    return this.#ask(worker, question);
  }

  /** What a line of status shows. */
  status(): NodeStatus {
    const readings = this.#readings();
    const all = readings.map(({ status }) =>
      status === null
        ? null
        : { steps: status.steps, progress: null, waitingFor: status.waitingFor }
    );
    return { ...runStatusOf(all), tasks: tasksOf(readings) };
  }

  view(): RunView {
    const readings = this.#readings();
    const flow = readings.find(({ flow }) => flow !== null)?.flow ?? null;
    return {
      phase: this.#phaseOf(readings),
      flow: flow?.name ?? null,
      graph: flow,
      restarts: readings.reduce((sum, { restarts }) => sum + restarts, 0),
      stepRestarts: [], // an error of a step ends the machine
      workers: readings.map((each) => this.#workerOf(each)),
      epoch: this.#epochOfAll(readings),
      storeConnections: [],
      waiting: this.#waiting,
      group: this.#groupOf(readings),
      past: {
        outcome: this.#outcome,
        epochs: this.#epochs,
        lines: this.log.lines,
        errors: this.log.errors,
        waitsForChange: false,
      },
    };
  }

  #phaseOf(readings: readonly SeatReading[]): RunPhase {
    if (this.#phase !== "open") return this.#phase;
    if (readings.some(({ isRunning }) => isRunning)) return "running";
    return readings.some(({ restarts }) => restarts > 0) ? "restarting" : "starting";
  }

  #workerOf({ status, isRunning, heardAt }: SeatReading): WorkerView {
    const silentMs = isRunning ? this.now() - heardAt : 0;
    return {
      ...status?.readings ?? NO_READINGS,
      unanswered: Math.floor(silentMs / 1_000),
      steps: status?.steps ?? [],
      memory: status?.memory ?? null,
      measured: status?.measured ?? [],
    };
  }

  /** A worker that runs no task has no epochs. */
  #epochOfAll(readings: readonly SeatReading[]): EpochView | null {
    let oldest: EpochView | null = null;
    for (const { isRunning, status, statusAt } of readings) {
      if (!isRunning || status === null || status.progressAgeMs === null) continue;
      if (!status.tasks.some(({ phase }) => phase !== "restoring")) continue;
      const at = statusAt - status.progressAgeMs;
      if (oldest === null || at < oldest.at) oldest = this.#epochOf(status.commit, at);
    }
    return oldest;
  }

  #epochOf(
    commit: Pick<EpochView, "epoch" | "ms" | "bytes"> & { readonly logMs: number } | null,
    at: number,
  ): EpochView {
    const { intervalMs } = this.#facts;
    const { epoch, ms, logMs, bytes } = commit ?? { epoch: -1, ms: 0, logMs: 0, bytes: 0 };
    return { epoch, at, ms, alignMs: Math.max(0, ms - logMs), storeMs: logMs, bytes, intervalMs };
  }

  #groupOf(readings: readonly SeatReading[]): GroupView {
    return {
      app: this.#facts.app,
      groupId: this.#joined?.groupId ?? null,
      protocol: this.#joined?.protocol ?? null,
      status: readings.find(({ groupStatus }) => groupStatus !== null)?.groupStatus ?? null,
      members: readings.map(({ memberId, moves, status, statusAt }) => {
        const commit = status?.commit ?? null;
        return {
          memberId,
          ...moves,
          commit: commit === null
            ? null
            : { epoch: commit.epoch, at: statusAt - commit.ageMs, ms: commit.ms },
        };
      }),
      tasks: tasksOf(readings),
      standbys: readings.flatMap(({ status, isRunning }, worker) =>
        isRunning ? status?.standbys.map((each) => ({ ...each, worker })) ?? [] : []
      ),
      idleSince: this.#idleSince,
    };
  }
}

/** What the group has assigned to the workers, and what their processes say of it. */
function tasksOf(readings: readonly SeatReading[]): TaskView[] {
  return readings.flatMap(({ owned, revoked, status, isRunning }, worker) => {
    const told = new Map(status?.tasks.map((each) => [each.task, each]));
    return Array.from(owned, (task): TaskView => {
      const known = isRunning ? told.get(task) : undefined;
      return {
        task,
        ...partsOf(task),
        worker,
        state: stateOf(task, revoked, known),
        restored: known?.restored ?? null,
        in: known?.in ?? 0,
        out: known?.out ?? 0,
        inputLag: known?.inputLag ?? 0,
        shuffleLag: known?.lag ?? 0,
      };
    });
  }).sort((a, b) =>
    a.subtopology === b.subtopology
      ? a.partition - b.partition
      : a.subtopology < b.subtopology
      ? -1
      : 1
  );
}

function stateOf(
  task: TaskId,
  revoked: SeatReading["revoked"],
  known: TaskStatus | undefined,
): TaskState {
  if (revoked.has(task) || known?.phase === "stopping") return "revoking";
  return known?.phase ?? "waiting";
}
