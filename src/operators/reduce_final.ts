import type { BuildLogic, Emit } from "../graph/contracts.ts";
import { KeyedLogic } from "../graph/keyed_logic.ts";
import { requireSync } from "./results.ts";
import { requireFunction } from "./user_function.ts";

/** Combines the values of a key, the first of which starts, and emits the result at the end. */
export function reduceFinalLogic<V>(reducer: (acc: V, value: V) => V): BuildLogic<V, V, [V]> {
  requireFunction("reduceFinal's reducer", reducer);
  return (resume) => new ReduceFinal(reducer, resume);
}

class ReduceFinal<V> extends KeyedLogic<V, V, [V]> {
  readonly #reducer: (acc: V, value: V) => V;
  #acc: [V] | undefined; // boxed, since undefined may be a value
  #done = false;

  constructor(reducer: (acc: V, value: V) => V, resume: [V] | undefined) {
    super();
    this.#reducer = reducer;
    this.#acc = resume;
  }

  override onItem(value: V): void {
    if (this.#acc === undefined) {
      this.#acc = [value];
      return;
    }
    const acc = this.#reducer(this.#acc[0], value);
    requireSync("the reducer", acc);
    this.#acc[0] = acc;
  }

  override onEnd(emit: Emit<V>): void {
    this.#done = true; // the next run begins anew
    emit(this.#acc![0]);
  }

  override isDone(): boolean {
    return this.#done;
  }

  override snapshot(): [V] {
    return this.#acc!;
  }
}
