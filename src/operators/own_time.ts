/**
 * Which clock the dates of a user's step follow.
 *
 * @module
 */
import type { StatefulLogic, StepTime } from "../graph/contracts.ts";
import { HeldLogic, HeldStep, KeyedLogic } from "../graph/keyed_logic.ts";
import type { StepScope } from "../graph/nodes.ts";

/**
 * Time as the user's `build` accepts it. A step that never reads it uses dates of the machine's
 * clock. When that clock was set back, the run's time is ahead of it. So the dates are moved by the
 * difference: otherwise each would have passed already, and the step would be notified without end.
 */
export class OwnTime implements StepTime {
  /** The time itself. */
  readonly scope: StepScope;
  readonly #held = new HeldStep(() => this.#isAsked ? 0 : this.scope.ahead());
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

  /** Wraps a user's logic as one of the engine's, with dates in the run's time. */
  hold<V, W, S>(built: StatefulLogic<V, W, S>): StatefulLogic<V, W, S> {
    const isLogic = typeof (built as StatefulLogic<V, W, S> | null)?.onItem === "function";
    if (!isLogic || built instanceof KeyedLogic) return built; // the engine checks it
    return new HeldLogic(built, this.#held);
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
