import { requireOptions } from "../core/options.ts";
import type { Duration } from "../core/duration.ts";
import type { BuildLogic, Emit, StepTime } from "../graph/contracts.ts";
import { KeyedLogic } from "../graph/keyed_logic.ts";
import { dateAt, positiveMilliseconds } from "./step_options.ts";

/** How long `dedupe` remembers. */
export interface DedupeOptions {
  /**
   * How long a key's values are dropped after one has passed. More than zero, by the run's clock. A
   * key uses memory for this time.
   */
  readonly ttl: Duration;
}

/** Sends on the first value of a key, and drops the others until its ttl has passed. */
export function dedupeLogic<V>(stepId: string, options: DedupeOptions): BuildLogic<V, V, number> {
  const step = `dedupe "${stepId}"`;
  if (options === undefined || (options as Partial<DedupeOptions> | null)?.ttl === undefined) {
    throw new TypeError(
      `${step} needs a ttl such as { ttl: { hours: 1 } }: without one it would have to remember ` +
        `every key for ever`,
    );
  }
  requireOptions(step, options, ["ttl"]);
  const ttl = positiveMilliseconds(options.ttl, `ttl of ${step}`);
  return (resume, _key, time) => new Dedupe(ttl, time, resume);
}

class Dedupe<V> extends KeyedLogic<V, V, number> {
  readonly #ttl: number;
  readonly #time: StepTime;
  #passed: number; // when the last value passed

  constructor(ttl: number, time: StepTime, passed = -Infinity) {
    super(true);
    this.#ttl = ttl;
    this.#time = time;
    // The clock may have been set back between two runs.
    this.#passed = Math.min(passed, time.now());
  }

  override onItem(value: V, emit: Emit<V>): void {
    if (!this.isDone()) return;
    this.#passed = this.#time.now();
    emit(value);
  }

  override notifyAt(): Date {
    return dateAt(this.#passed + this.#ttl);
  }

  override isDone(): boolean {
    return this.#time.now() >= this.#passed + this.#ttl;
  }

  override snapshot(): number {
    return this.#passed;
  }
}
