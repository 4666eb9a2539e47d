import type { BuildLogic, Emit } from "../graph/contracts.ts";
import { KeyedLogic } from "../graph/keyed_logic.ts";
import { createOwnState, type OwnState } from "./own_state.ts";
import { badResult } from "../graph/results.ts";
import { requireFunction } from "./user_function.ts";

/**
 * Combines the values of a key until `isComplete(acc)`, then emits the accumulator and forgets the
 * key. The first value, or a copy of it, is the first accumulator. `isComplete` runs after every
 * value, the first one too. At the input's end, incomplete accumulators are kept and not emitted.
 */
export function reduceLogic<V>(
  reducer: (acc: V, value: V) => V,
  isComplete: (acc: V) => boolean,
): BuildLogic<V, V, [V]> {
  requireFunction("reduce's reducer", reducer);
  requireFunction("reduce's isComplete", isComplete);
  const step: Step<V> = { reducer, isComplete, own: createOwnState() };
  return (resume) => new Reduce(step, resume);
}

/** What all keys of a step share. */
interface Step<V> {
  readonly reducer: (acc: V, value: V) => V;
  readonly isComplete: (acc: V) => boolean;
  readonly own: OwnState;
}

class Reduce<V> extends KeyedLogic<V, V, [V]> {
  readonly #step: Step<V>;
  #acc: [V] | undefined; // boxed, since undefined may be a value
  #done = false;

  constructor(step: Step<V>, resume: [V] | undefined) {
    super();
    this.#step = step;
    this.#acc = resume;
  }

  override onItem(value: V, emit: Emit<V>): void {
    const { reducer, isComplete, own } = this.#step;
    if (this.#acc === undefined) this.#acc = [own.begin(value)];
    else {
      const before = this.#acc[0];
      const acc = reducer(before, value);
      const isOther = typeof acc === "object" && acc !== before;
      this.#acc[0] = isOther ? own.keep("the reducer", acc, value, before) : acc;
    }
    const complete = isComplete(this.#acc[0]);
    if (complete === true) {
      this.#done = true;
      emit(this.#acc[0]);
    } else if (complete !== false) badResult("isComplete", "true or false", complete);
  }

  override isDone(): boolean {
    return this.#done;
  }

  override snapshot(): [V] {
    return this.#acc!;
  }
}
