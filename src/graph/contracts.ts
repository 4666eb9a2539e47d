/**
 * What the engine asks of an input, an output and a stateful step. A connector in a package of its
 * own implements these and nothing else.
 *
 * @module
 */
import type { Epoch, PartitionName, StepId, WorkerIndex } from "../core/ids.ts";
import type { Log } from "../core/log.ts";

/** Where a step runs, and how it reaches the run that it is part of. */
export interface Place {
  /** The step that the input or output belongs to. */
  readonly stepId: StepId;
  /** This worker. */
  readonly workerIndex: WorkerIndex;
  /** How many workers share the work. */
  readonly workerCount: number;
  /** What {@linkcode InputConfig.plan} gave, the same on all workers; `undefined` without one. */
  readonly plan?: unknown;
  /**
   * Whether a step of the flow goes by the time of its values. Then what is in order should stay so: of what
   * several workers read, some may be hours ahead, and the rest come late.
   */
  readonly byTime?: boolean;
  /**
   * Aborted when the run fails, is stopped at once, or ends as a graceful stop took too long; not by the
   * graceful stop itself, which closes.
   */
  readonly signal: AbortSignal;
  /** For what operators need to know. */
  readonly log: Log;
  /**
   * Ends the run with `error`, as if the call in progress had thrown it. For faults that are found
   * in the background, while no call is in progress.
   */
  fail(error: unknown): void;
  /** Asks for a graceful stop of the whole run, as a first SIGINT does. */
  stop(): void;
}

/**
 * How far an input or output has come: for each of its partitions, the state to go on after. Kept
 * in every snapshot, so a state is plain data: anything that structured clone keeps.
 */
export type Positions = ReadonlyMap<PartitionName, unknown>;

/** How much of an input of known length has been read. */
export interface Progress {
  /** Read so far. */
  readonly done: number;
  /** In all, as known when the input was opened. */
  readonly total: number;
  /** What is counted. */
  readonly unit: "bytes" | "records" | "items";
}

/**
 * Where items come from. A config is plain data: building a flow opens nothing, and `open` is
 * called once on every worker when the run starts.
 *
 * @typeParam T The items.
 */
export interface InputConfig<out T> {
  /**
   * Decides, once for all workers, how the input is shared out: workers that each look at a folder, or
   * ask a server, may see different things. Called on one worker before the first `open`.
   *
   * @param at Where this runs.
   * @param resume As for `open`.
   * @returns What `open` finds as {@linkcode Place.plan} on every worker: anything that JSON keeps.
   */
  plan?(at: Place, resume: Positions): Promise<unknown>;
  /**
   * Starts reading this worker's share.
   *
   * @param at Where this runs.
   * @param resume For each partition that has one, the state to go on after: all partitions of the
   * step, those that other workers had too, since the number of workers may have changed. Empty on a
   * first run.
   */
  open(at: Place, resume: Positions): Promise<InputReader<T>>;
}

/**
 * Reads one worker's share of one input. Calls are never concurrent, except that `stop` and `close` may
 * come while `ready` is pending.
 *
 * `next` never waits, so that what it hands out and what `positions` says cannot come apart; the
 * waiting is done by `ready`.
 */
export interface InputReader<out T> {
  /**
   * The next items: `[]` where there are none yet, `null` at the end. The array belongs to the caller.
   *
   * What it throws ends the run, and it is not called again. Items that were taken from outside before the
   * error are best returned first, and the error thrown by the next call.
   *
   * @param limit About how many items there is room for, at least one. It follows the pace of the steps
   * behind. More items than that wait, and so do the end of an epoch and a stop. An input may ignore it
   * and loses nothing. Without a limit, return some hundreds to some thousands.
   */
  next(limit?: number): T[] | null;
  /**
   * Resolves when `next` may have something again, or `idle` would return something else than it did
   * last; called after `next` gave `[]`. A rejection ends the run. May stay pending for ever; then
   * `close` comes.
   */
  ready(): Promise<void>;
  /**
   * For each partition of this share, the state to go on after, given all that `next` handed out. A
   * partition that is not there is forgotten: return its position as `resume` had it, on one worker, if it
   * may come back. The engine takes a copy before it calls anything else.
   */
  positions(): Positions;
  /**
   * The run is being stopped gracefully. For inputs that take from outside what they cannot read again, such
   * as a queue: take no more. `next` is called until it returns `null`: it goes on to hand out what was taken
   * before. Where `ready` is pending, it must resolve when there is something to hand out, or nothing left.
   * Without this method, `next` is not called any more: what was read ahead is read again by the next run.
   */
  stop?(): void;
  /**
   * An epoch has been committed, at whose end the positions were these: for inputs that tell others how
   * far they are. What it rejects with ends the run.
   */
  committed?(positions: Positions): Promise<void>;
  /**
   * Where an item of the batch that `next` gave last came from, in words such as
   * `topic "orders", partition 3, offset 17`, for an error to show.
   */
  locate?(item: unknown): string | null;
  /** How much has been read, where the end is known. */
  progress?(): Progress | null;
  /**
   * Asked when `next` gave `[]`, before `ready`: whether there is nothing to read, rather than something
   * that has not arrived yet or cannot be read yet. While no input has anything to read, time goes on for
   * event-time windows. Not asked in flows without such windows.
   *
   * An input that cannot know returns a number: it counts as idle once it has given nothing for so many
   * milliseconds. Without this method it does so after 10 seconds.
   */
  idle?(): boolean | number;
  /** What the input cannot go on without at the moment, such as `broker`, for people to see. */
  waitingFor?(): string | null;
  /** Frees what is held. Called once, also after an error. */
  close(): Promise<void>;
}

/**
 * Where items go. Like an {@linkcode InputConfig} it is plain data until the run opens it.
 *
 * @typeParam T The items it takes.
 */
export interface OutputConfig<in T> {
  /**
   * Starts writing.
   *
   * @param at Where this runs.
   * @param resume What {@linkcode OutputWriter.prepare} gave for the last committed epoch, on all
   * workers together. Empty on a first run.
   */
  open(at: Place, resume: Positions): Promise<OutputWriter<T>>;
}

/**
 * Writes one worker's share of one output. Calls are never concurrent: the next one comes when the
 * promise of the last has resolved.
 */
export interface OutputWriter<in T> {
  /** Takes items of an epoch. A promise pushes back: no more come until it resolves. */
  write(batch: readonly T[], epoch: Epoch): void | Promise<void>;
  /**
   * Ends an epoch: resolves once all that was written in it is durable, or is handed over in the
   * positions to be stored with the snapshot: all that `commit` has not made visible yet, of earlier epochs
   * too. An epoch can be prepared before the one before it has been committed: at the end of a run, and
   * on a worker whose inputs have ended.
   */
  prepare(epoch: Epoch): Promise<Positions>;
  /** The snapshot of the epoch has been committed: make its output visible. */
  commit?(epoch: Epoch): Promise<void>;
  /** What the output cannot go on without at the moment, such as `broker`, for people to see. */
  waitingFor?(): string | null;
  /** Frees what is held. Called once, also after an error; then what is not yet durable is dropped. */
  close(): Promise<void>;
}

/**
 * Sends an item on from a stateful step, with the key it belongs to. What a user's logic emits is
 * copied, so that it may go on changing it; class instances and functions stay the same object.
 */
export type Emit<W> = (value: W) => void;

/**
 * The state of one key and what it does: the primitive under every stateful step. An error thrown
 * by any of its methods ends the run.
 *
 * @typeParam V The values that come in.
 * @typeParam W The values that go out.
 * @typeParam S What a snapshot holds: plain data, anything that structured clone keeps.
 */
export interface StatefulLogic<V, W, S> {
  /** A value of this key has come. */
  onItem(value: V, emit: Emit<W>): void;
  /** The time that `notifyAt` gave has come. */
  onNotify?(emit: Emit<W>): void;
  /** The input has ended: the last chance to emit. Not called when the run is stopped. */
  onEnd?(emit: Emit<W>): void;
  /**
   * The run is being stopped, and no recovery store keeps the state: the last chance to emit what came in
   * and would be lost. Not called where there is a store.
   */
  onStop?(emit: Emit<W>): void;
  /**
   * When to be notified next, if at all, by the time that `build` is given ({@linkcode StepTime}); by the
   * machine's clock, if the step never asks that time. Asked after values came and after each notification.
   */
  notifyAt?(): Date | null;
  /** Whether the key can be forgotten. Asked after each value and notification. */
  isDone?(): boolean;
  /** The state as plain data, to build from after a restart. Called at epoch ends. */
  snapshot(): S;
}

/** Time as a stateful step sees it: that of the run's clock, which a test may hold in its hands. */
export interface StepTime {
  /**
   * Milliseconds since the Unix epoch. It never goes back: where the machine's clock is set back, it goes
   * on from where it was, a little slower, until that has caught up.
   */
  now(): number;
  /**
   * For how long nothing could be read from any input behind the step, and nothing was on its way to
   * it, in milliseconds since the run began. It stands still while there is something: so a backlog, a
   * slow output or the time between two runs are no reason to call an item late.
   */
  quiet(): number;
}

/**
 * Makes the logic of a key when its first value comes: an object of its own for each key.
 *
 * @param resumeState What {@linkcode StatefulLogic.snapshot} gave, after a restart; else `undefined`.
 * @param key The key.
 * @param time What to ask for the time.
 * @param resumed Whether there was a snapshot: where a state may be `undefined`, `resumeState` does not say.
 */
export type BuildLogic<V, W, S> = (
  resumeState: S | undefined,
  key: string,
  time: StepTime,
  resumed: boolean,
) => StatefulLogic<V, W, S>;
