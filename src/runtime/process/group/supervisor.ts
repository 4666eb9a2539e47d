/**
 * Runs the workers of one machine in a group.
 *
 * It never runs a flow's code. So its heartbeats go on whatever a step does, and a worker that is
 * busy for a minute stays a member.
 *
 * @module
 */
import type { WorkerIndex } from "../../../core/ids.ts";
import type { StateAnswer, StateQuestion } from "../../../ops/state_question.ts";
import { type SeatReading, type SeatSettings, TaskSeat } from "./task_seat.ts";

/** What a supervisor is made with. */
export interface SupervisorSettings extends
  Omit<
    SeatSettings,
    "worker" | "memberId" | "spawn" | "onFailed" | "onStopRequested" | "onGroupStatus"
  > {
  /** The id of each worker's member. */
  readonly memberIds: readonly string[];
  /** Starts a process of a worker. */
  readonly spawn: (
    worker: number,
    memberId: string,
    listener: Parameters<SeatSettings["spawn"]>[0],
    lateCommits: number,
  ) => ReturnType<SeatSettings["spawn"]>;
}

/** The workers of one machine. */
export class Supervisor {
  readonly #settings: SupervisorSettings;
  readonly #seats: TaskSeat[] = [];
  readonly #statuses = new Map<WorkerIndex, string>(); // what the group says to each worker
  readonly #usual = new Set<string>(); // what it has said to begin with
  #failure: Error | null = null;
  #isStopping = false;

  /** Starts nothing yet. */
  constructor(settings: SupervisorSettings) {
    this.#settings = settings;
  }

  /**
   * Joins the group with all workers. Resolves when a graceful stop is done.
   *
   * @returns The exit code that the flow has set: that of the first worker where it is not 0.
   * @throws {StepError} If a step fails. The other workers have committed what they did before.
   * @throws {Error} If the group refuses a worker, or one cannot be started again.
   */
  async run(): Promise<number> {
    const { memberIds, spawn, ...rest } = this.#settings;
    let telling: Promise<void> | null = null;
    for (const [worker, memberId] of memberIds.entries()) {
      this.#seats.push(
        new TaskSeat({
          ...rest,
          worker,
          memberId,
          spawn: (listener, late) => spawn(worker, memberId, listener, late),
          onFailed: (error, endsGroup) => {
            this.#failure ??= error;
            // A broker remembers that the group has ended for as long as any member stays.
            if (endsGroup) { for (const seat of this.#seats) seat.endWithGroup(error); }
            this.stop();
          },
          onShutDown: (error) => telling ??= this.#settings.onShutDown(error),
          onStopRequested: () => this.stop(),
          onGroupStatus: (text, isUsual) => this.#tellStatus(worker, text, isUsual),
        }),
      );
      if (this.#isStopping) this.#seats.at(-1)!.stop();
    }
    const ends = await Promise.allSettled(this.#seats.map((seat) => seat.over));
    if (this.#failure !== null) throw this.#failure;
    for (const end of ends) if (end.status === "rejected") throw end.reason;
    return this.#seats.map(({ exitCode }) => exitCode).find((code) => code !== 0) ?? 0;
  }

  /** The group says the same to each member: once is enough. */
  #tellStatus(worker: WorkerIndex, text: string | null, isUsual: boolean): void {
    const isKnown = [...this.#statuses.values(), ...this.#usual].some((known) => known === text);
    if (text === null) this.#statuses.delete(worker);
    else this.#statuses.set(worker, text);
    if (text === null || isKnown) return;
    if (isUsual) this.#usual.add(text);
    const { log } = this.#settings;
    if (isUsual) log.info(text);
    else log.warn(text);
  }

  /** How its workers stand, by their index. */
  get readings(): readonly SeatReading[] {
    return this.#seats.map((seat) => seat.reading);
  }

  /**
   * Asks a worker about the state of keys of its tasks.
   *
   * @throws {Error} If it is not there, or ends before it has answered.
   */
  ask(worker: WorkerIndex, question: StateQuestion): Promise<StateAnswer> {
    return this.#seats[worker].ask(question);
  }

  /** Stops gracefully: each worker commits what it has done. */
  stop(): void {
    this.#isStopping = true;
    for (const seat of this.#seats) seat.stop();
  }

  /** Ends all workers at once, without a commit. */
  kill(): void {
    this.#isStopping = true;
    for (const seat of this.#seats) seat.kill();
  }
}
