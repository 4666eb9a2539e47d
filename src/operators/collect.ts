import { requireOptions } from "../core/options.ts";
import type { Duration } from "../core/duration.ts";
import { preview } from "../core/preview.ts";
import type { BuildLogic, Emit, StepTime } from "../graph/contracts.ts";
import { KeyedLogic } from "../graph/keyed_logic.ts";
import { dateAt, positiveMilliseconds } from "./step_options.ts";

/** When a batch of `collect` is emitted. */
export interface CollectOptions {
  /** Values in a full batch: a positive integer. */
  readonly maxSize: number;
  /**
   * How long the first value of a batch waits for others, at most. More than zero, by the run's
   * clock.
   */
  readonly timeout: Duration;
}

/** A batch that is not full yet, as a snapshot holds it. */
interface Batch<V> {
  /** When its first value came, in milliseconds since the Unix epoch. */
  readonly since: number;
  readonly values: V[];
}

/** Emits the values of a key in batches. */
export function collectLogic<V>(
  stepId: string,
  options: CollectOptions,
): BuildLogic<V, V[], Batch<V>> {
  const step = `collect "${stepId}"`;
  requireOptions(step, options, ["maxSize", "timeout"]);
  const { maxSize } = options;
  if (!Number.isInteger(maxSize) || maxSize < 1) {
    throw new RangeError(
      `maxSize of ${step} must be a positive integer; got ${preview(maxSize)}`,
    );
  }
  const timeout = positiveMilliseconds(options.timeout, `timeout of ${step}`);
  return (resume, _key, time) => new Collect(maxSize, timeout, time, resume);
}

class Collect<V> extends KeyedLogic<V, V[], Batch<V>> {
  readonly #maxSize: number;
  readonly #timeout: number;
  readonly #time: StepTime;
  #batch: Batch<V> | null;

  constructor(maxSize: number, timeout: number, time: StepTime, batch: Batch<V> | null = null) {
    super(true);
    this.#maxSize = maxSize;
    this.#timeout = timeout;
    this.#time = time;
    // The clock may have been set back between two runs.
    this.#batch = batch && { ...batch, since: Math.min(batch.since, time.now()) };
  }

  override onItem(value: V, emit: Emit<V[]>): void {
    const now = this.#time.now();
    // The value may be ahead of the timer: it came too late for the batch.
    if (this.#batch !== null && now >= this.#batch.since + this.#timeout) this.onEnd(emit);
    this.#batch ??= { since: now, values: [] };
    this.#batch.values.push(value);
    if (this.#batch.values.length >= this.#maxSize) this.onEnd(emit);
  }

  override onNotify(emit: Emit<V[]>): void {
    this.onEnd(emit);
  }

  override onEnd(emit: Emit<V[]>): void {
    const { values } = this.#batch!;
    this.#batch = null;
    if (values.length <= this.#maxSize) return emit(values);
    // `maxSize` was larger in the run that the batch is from.
    for (let from = 0; from < values.length; from += this.#maxSize) {
      emit(values.slice(from, from + this.#maxSize));
    }
  }

  override onStop(emit: Emit<V[]>): void {
    this.onEnd(emit);
  }

  override notifyAt(): Date {
    return dateAt(this.#batch!.since + this.#timeout);
  }

  override isDone(): boolean {
    return this.#batch === null;
  }

  override snapshot(): Batch<V> {
    return this.#batch!;
  }
}
