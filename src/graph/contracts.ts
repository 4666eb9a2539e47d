/**
 * The contracts between the engine and inputs, outputs and stateful steps. A connector in a package
 * of its own implements these and nothing else.
 *
 * @module
 */
import type { ConnectionReading } from "../core/connection_reading.ts";
import type { Epoch, PartitionName, StepId, WorkerIndex } from "../core/ids.ts";
import type { Log } from "../core/log.ts";
import type { Meter } from "./meter.ts";

/** Where a step runs, and what it may ask of its run. */
export interface Place {
  /** The id of the input or output. */
  readonly stepId: StepId;
  /**
   * This worker's index, from 0. In a group of machines, each task is a worker of its own, and this
   * is its partition.
   */
  readonly workerIndex: WorkerIndex;
  /**
   * How many workers the run has. In a group of machines, where partitions may be added, it is only
   * some number that is greater than `workerIndex`.
   */
  readonly workerCount: number;
  /**
   * What {@linkcode InputConfig.plan} returned, the same on all workers; `undefined` without one.
   */
  readonly plan?: unknown;
  /**
   * Which source an input may read next, for inputs that have `sources`. It is `null` or absent if
   * no step downstream uses event time.
   */
  readonly alignment?: SourceAlignment | null;
  /** How the run keeps its state; `null` or absent if it has no recovery store. */
  readonly recovery?: PlaceRecovery | null;
  /**
   * Milliseconds since some moment, on the run's clock that nobody sets. For how long something
   * takes; a test may control it.
   */
  elapsed?(): number;
  /**
   * Aborts when the run fails or stops at once, or when a graceful stop reaches its limit. A
   * graceful stop within its limit does not abort it; it calls `close`.
   */
  readonly signal: AbortSignal;
  /** Writes messages for operators. */
  readonly log: Log;
  /** Measures what the step does, for `/metrics` and OpenTelemetry. */
  readonly meter: Meter;
  /**
   * Accepts a function that returns what `plan` or `open` waits for, such as `broker`, for people
   * to see. It is asked until that call is over.
   */
  whileOpening?(waitingFor: () => string | null): void;
  /**
   * Ends the run with `error`, as if the call in progress had thrown it. For faults found in the
   * background, while no call is in progress.
   */
  fail(error: unknown): void;
  /** Asks for a graceful stop of the whole run, as a first SIGINT does. */
  stop(): void;
}

/** How a run keeps its state, as far as inputs and outputs need to know. */
export interface PlaceRecovery {
  /**
   * The least length of an epoch, in milliseconds, from 0 on. An epoch lasts longer while what was
   * read in it is worked off, and until its snapshot is stored.
   */
  readonly intervalMs: number;
}

/**
 * Keeps the sources of a run together in event time. One that is far ahead of the others is not
 * read until they have come up. So the number of open windows does not depend on how much is to be
 * read. Flink calls this watermark alignment (FLIP-182 and FLIP-217).
 */
export interface SourceAlignment {
  /**
   * Returns which source of this share to read next, and how many items of it at most.
   *
   * @param ready The sources that have something to read now, at least one.
   * @returns `null` if all of them are to wait for others. Then `next` returns `[]`, and `ready`
   * resolves once `changed` does, or when another source has something to read.
   */
  choose(
    ready: readonly PartitionName[],
  ): { readonly source: PartitionName; readonly most: number } | null;
  /** Resolves when `choose` may return another answer than `null`. */
  changed(): Promise<void>;
}

/**
 * The progress of an input or output: for each of its partitions, the state to continue after.
 * Every snapshot holds it, so a state is plain data: anything that structured clone keeps.
 */
export type Positions = ReadonlyMap<PartitionName, unknown>;

/**
 * What the inputs upstream of an output, on its worker, returned from
 * {@linkcode InputReader.forOutputs} at the end of an epoch. By their ids; an input without that
 * method is not there.
 */
export type InputNotes = ReadonlyMap<StepId, unknown>;

/** How much of an input of known length has been read. */
export interface Progress {
  /** How much has been read. */
  readonly done: number;
  /** The total, as known when the input was opened. */
  readonly total: number;
  /** The unit. */
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
   * Decides once, for all workers, how they share the input: workers that each list a folder or ask
   * a server may see different things. Called on one worker before the first `open`.
   *
   * @param at Where this call runs.
   * @param resume As for `open`.
   * @returns The plan, which `open` finds as {@linkcode Place.plan} on every worker: anything that
   * JSON keeps.
   */
  plan?(at: Place, resume: Positions): Promise<unknown>;
  /**
   * Starts reading this worker's share.
   *
   * @param at Where this call runs.
   * @param resume The state to continue after, for each partition that has one. It holds all
   * partitions of the step, other workers' too, as the number of workers may have changed. Empty on
   * a first run.
   */
  open(at: Place, resume: Positions): Promise<InputReader<T>>;
}

/**
 * Reads one worker's share of one input. Calls are never concurrent, except that `stop` and `close`
 * may come while `ready` is pending.
 *
 * `next` never waits; `ready` does. So the items that `next` returned and the `positions` always
 * match.
 */
export interface InputReader<out T> {
  /**
   * Returns the next items: `[]` if there are none yet, `null` at the end. The array belongs to the
   * caller.
   *
   * An error ends the run, and `next` is not called again. If you took items from outside before
   * the error, return them first and throw at the next call.
   *
   * @param limit Room for about this many items, at least one, at the pace of the steps downstream.
   * Further items wait, and so do the end of an epoch and a stop. An input may ignore it and loses
   * nothing. Without a limit, return some hundreds to some thousands.
   */
  next(limit?: number): T[] | null;
  /**
   * Resolves when `next` may have items again, or when `idle` would return something else than
   * before. Called after `next` returned `[]`. A rejection ends the run. It may stay pending for
   * ever; then `close` comes.
   */
  ready(): Promise<void>;
  /**
   * Returns, for each partition of this share, the state to continue after, given all that `next`
   * returned. A partition that is missing is forgotten. If it may come back, one worker must return
   * its position as `resume` had it. The engine copies the result before it calls anything else.
   */
  positions(): Positions;
  /**
   * The run is stopping gracefully. Implement this if the input takes from outside what it cannot
   * read again, such as messages of a queue: take no more. `next` returns what was taken before,
   * and the engine calls it until it returns `null`. A pending `ready` must resolve once there is
   * something to return, or nothing left. Without this method, `next` is not called again; the next
   * run reads again what was read ahead.
   */
  stop?(): void;
  /**
   * An epoch has been committed, with these positions at its end. For inputs that report their
   * progress elsewhere. A rejection ends the run.
   */
  committed?(positions: Positions): Promise<void>;
  /**
   * Returns something for the outputs downstream of this input, on this worker, such as the
   * positions of a consumer group. It is about all that `next` returned. Called at the end of each
   * epoch, after `positions`; outputs get it with `prepare` of that epoch. It is neither stored nor
   * copied, so it may have methods.
   */
  forOutputs?(): unknown;
  /**
   * Returns where an item of the last batch came from, such as
   * `topic "orders", partition 3, offset 17`. Errors show it.
   */
  locate?(item: unknown): string | null;
  /** Returns how much has been read, for inputs of known length. */
  progress?(): Progress | null;
  /**
   * Returns whether there is nothing to read, as opposed to items that are still on their way or
   * cannot be read yet. Called after `next` returned `[]`, before `ready`; only in flows with
   * event-time windows. While no input has anything to read, event time follows system time.
   *
   * An input that cannot know returns a number: it counts as idle after this many milliseconds
   * without items. Without this method it is idle after 10 seconds.
   */
  idle?(): boolean | number;
  /**
   * Returns the sources of this share that have not ended: what has an order of its own, such as
   * the partitions of a topic. `"current"`: all that it has at present has been handed out.
   * `"behind"`: it has more, or it is not known, such as while its broker is away. Event time
   * follows the source that is least far, however fast each of them is read. Without this method,
   * the share is one source.
   *
   * Only asked in flows with event-time windows: after batches, and about ten times a second while
   * a source is behind. So `ready` need not resolve when a source becomes current.
   */
  sources?(): ReadonlyMap<PartitionName, "behind" | "current">;
  /**
   * Returns the source of the items that `next` returned last: all must be of one. Needed with
   * `sources`.
   */
  source?(): PartitionName;
  /**
   * Returns for partitions of this share how many items have arrived at the source and have not
   * been handed out, as far as is known. For metrics: it may be asked a few times a second.
   */
  lag?(): ReadonlyMap<PartitionName, number>;
  /**
   * Returns for partitions of this share how old is what `lag` returns, in milliseconds: how long
   * ago the other side told how much there is. Those that do not change are left out. For metrics,
   * as `lag` is.
   */
  lagAges?(): ReadonlyMap<PartitionName, number>;
  /**
   * Returns for partitions of this share the time of the item that was handed out last, in
   * milliseconds since the Unix epoch. Those that are not known are left out. For metrics, as `lag`
   * is.
   */
  itemTimes?(): ReadonlyMap<PartitionName, number>;
  /** Returns what the input is waiting for, such as `broker`, for people to see. */
  waitingFor?(): string | null;
  /** Returns what has happened to its connections, for metrics. */
  connections?(): readonly ConnectionReading[];
  /** Frees what is held. Called once, also after an error. */
  close(): Promise<void>;
}

/**
 * Where items go. A config is plain data, like an {@linkcode InputConfig}, until the run opens it.
 *
 * @typeParam T The items it accepts.
 */
export interface OutputConfig<in T> {
  /**
   * Starts writing. Called once on every worker when the run starts.
   *
   * @param at Where this call runs.
   * @param resume What {@linkcode OutputWriter.prepare} returned for the last committed epoch, from
   * all workers together. Empty on a first run.
   */
  open(at: Place, resume: Positions): Promise<OutputWriter<T>>;
}

/** The transactions of an output that are not committed yet. */
export interface OpenTransactions {
  /** How many there are, also those that wait for the recovery store. */
  readonly count: number;
  /** How long ago the oldest one began, in milliseconds; 0 if there is none. */
  readonly oldestMs: number;
}

/**
 * Writes one worker's share of one output. Calls are never concurrent: each waits until the promise
 * of the one before has resolved. {@linkcode OutputWriter.writesAhead} allows an exception.
 */
export interface OutputWriter<in T> {
  /**
   * Whether `write` may be called while a promise of `prepare` or `commit` is pending: with items
   * of the next epoch. `commit` may then be called while that of `write` is pending. So the output
   * need not stand still at the ends of epochs. What is written ahead must not become part of the
   * epoch that ends. Absent means `false`.
   */
  readonly writesAhead?: boolean;
  /**
   * Writes items of an epoch. A returned promise pushes back: no more items come until it resolves.
   */
  write(batch: readonly T[], epoch: Epoch): void | Promise<void>;
  /**
   * Ends an epoch. Resolves once all that was written in it is durable, or is part of the positions
   * that go into the snapshot. If the writer has `commit`, the positions hold what that is to make
   * visible. It is of this epoch only: the next one is not prepared before `commit` of this one has
   * resolved. Items of the next epoch may be written meanwhile.
   *
   * @param epoch The epoch that ends.
   * @param inputs What inputs say about it. An input that has ended says its last.
   */
  prepare(epoch: Epoch, inputs?: InputNotes): Promise<Positions>;
  /**
   * The snapshot of the epoch has been committed: makes the epoch's output visible. Called for each
   * epoch that was prepared, in order, also after the last one.
   */
  commit?(epoch: Epoch): Promise<void>;
  /**
   * Returns the positions as they are now, after `commit` of the last epoch of this writer: its
   * items have ended, or the run stops gracefully. They are stored in place of those of `prepare`.
   * Only for writers that have `commit`, and only called if the run has a recovery store.
   *
   * Implement it if the positions of `prepare` hold something that must not stay in the store for
   * long after `commit`, such as a transaction. A run may be killed before the store has what this
   * returns. The next run then gets the positions of `prepare`.
   */
  settled?(): Positions;
  /**
   * Returns the transactions that are open at the moment, for metrics: it may be asked a few times
   * a second. `null` if the output has none at all.
   */
  openTransactions?(): OpenTransactions | null;
  /** Returns what the output is waiting for, such as `broker`, for people to see. */
  waitingFor?(): string | null;
  /** Returns what has happened to its connections, for metrics. */
  connections?(): readonly ConnectionReading[];
  /** Frees what is held. Called once, also after an error; drops what is not durable yet. */
  close(): Promise<void>;
}

/**
 * Emits an item from a stateful step, with its key. The engine copies what a user's logic emits, so
 * the logic may go on changing it. Class instances and functions are not copied.
 */
export type Emit<W> = (value: W) => void;

/**
 * The state of one key and what it does: the primitive of every stateful step. An error from any of
 * its methods ends the run.
 *
 * @typeParam V The incoming values.
 * @typeParam W The emitted values.
 * @typeParam S What a snapshot holds: plain data, anything that structured clone keeps.
 */
export interface StatefulLogic<V, W, S> {
  /** Handles a value of this key. */
  onItem(value: V, emit: Emit<W>): void;
  /** Called when the time that `notifyAt` returned has come. */
  onNotify?(emit: Emit<W>): void;
  /**
   * Called when the input has ended: the last chance to emit. Not called when the run is stopped.
   */
  onEnd?(emit: Emit<W>): void;
  /**
   * Called when the run is stopped and no recovery store keeps the state: the last chance to emit
   * values that would be lost. Not called if there is a store.
   */
  onStop?(emit: Emit<W>): void;
  /**
   * Returns when to call `onNotify` next, or `null`, by the time that `build` accepts
   * ({@linkcode StepTime}). If the step never reads that time, the machine's clock counts. Called
   * after values and after each notification.
   */
  notifyAt?(): Date | null;
  /** Returns whether the key can be forgotten. Called after each value and notification. */
  isDone?(): boolean;
  /** Returns the state as plain data, for `build` after a restart. Called at the end of epochs. */
  snapshot(): S;
}

/** Time as a stateful step sees it: that of the run's clock, which a test may control. */
export interface StepTime {
  /**
   * Milliseconds since the Unix epoch. This time never goes back. If the machine's clock is set
   * back, it continues a little slower until the machine's clock has caught up.
   */
  now(): number;
  /**
   * How long the step's inputs have had nothing to read, with nothing on its way to the step. In
   * milliseconds since the run began. It stands still while there is something. So a backlog, a
   * slow output or the time between two runs makes no item late.
   */
  quiet(): number;
}

/**
 * Makes the logic of a key when its first value comes. It must return a new object for each key.
 *
 * @param resumeState What {@linkcode StatefulLogic.snapshot} returned before a restart, else
 * `undefined`.
 * @param key The key.
 * @param time Reads the time.
 * @param resumed Whether this key was restored. Needed because a restored state may be `undefined`.
 */
export type BuildLogic<V, W, S> = (
  resumeState: S | undefined,
  key: string,
  time: StepTime,
  resumed: boolean,
) => StatefulLogic<V, W, S>;
