/**
 * Which clock the dates of a user's step follow.
 *
 * @module
 */
import type { StepTime } from "../graph/contracts.ts";
import { type KeyedLogic, makeLogic, UserStep } from "../graph/keyed_logic.ts";
import type { StepScope } from "../graph/nodes.ts";

/**
 * Time as the user's `build` accepts it. A step that never reads it uses dates of the machine's
 * clock. When that clock was set back, the run's time is ahead of it. So the dates are moved by the
 * difference: otherwise each would have passed already, and the step would be notified without end.
 */
export class OwnTime implements StepTime {
  /** The time itself. */
  readonly scope: StepScope;
  readonly #step = new UserStep(() => this.#isAsked ? 0 : this.scope.ahead());
  #isAsked = false;

  constructor(scope: StepScope) {
    this.scope = scope;
  }

  now(): number {
    this.#isAsked = true;
    return this.scope.now();
  }

  quiet(): number {
    return this.scope.quiet();
  }

  /**
   * Makes the logic of a key from what the user's `build` returned, with dates in the run's time.
   *
   * @throws {TypeError} If it is not a logic.
   */
  makeLogic<V, W, S>(built: unknown, key: string): KeyedLogic<V, W, S> {
    return makeLogic(built, key, this.#step);
  }
}

/** Returns a function that finds the {@linkcode OwnTime} of a step: one for each worker. */
export function ownTimes(): (time: StepTime) => OwnTime {
  const times = new WeakMap<StepTime, OwnTime>();
  return (time) => {
    let own = times.get(time);
    // the engine passes a StepScope
    if (own === undefined) times.set(time, own = new OwnTime(time as StepScope));
    return own;
  };
}
