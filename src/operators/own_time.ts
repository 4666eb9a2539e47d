/**
 * Which clock the dates of a user's step are of.
 *
 * @module
 */
import type { StatefulLogic, StepTime } from "../graph/contracts.ts";
import { HeldLogic, HeldStep, KeyedLogic } from "../graph/keyed_logic.ts";
import type { StepScope } from "../graph/nodes.ts";

/**
 * Time as the user's `build` is given it. A step that never asks it takes its dates from the machine's
 * clock. After that was set back, the run's time is ahead: unless the dates were moved by as much, each
 * would have passed already, and the step would be notified without end.
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

  /** A logic of the user's as one of the engine's, whose dates are those of the run's time. */
  hold<V, W, S>(built: StatefulLogic<V, W, S>): StatefulLogic<V, W, S> {
    const isLogic = typeof (built as StatefulLogic<V, W, S> | null)?.onItem === "function";
    if (!isLogic || built instanceof KeyedLogic) return built; // the engine checks what it gets
    return new HeldLogic(built, this.#held);
  }
}

/** Gives the {@linkcode OwnTime} of a step: one for each worker. */
export function ownTimes(): (time: StepTime) => OwnTime {
  const times = new WeakMap<StepTime, OwnTime>();
  return (time) => {
    let own = times.get(time);
    if (own === undefined) times.set(time, own = new OwnTime(time as StepScope)); // as the engine gives it
    return own;
  };
}
