import type { BuildLogic, Emit } from "../graph/contracts.ts";
import { KeyedLogic } from "../graph/keyed_logic.ts";
import { createOwnState } from "./own_state.ts";
import { requireFunction } from "./user_function.ts";

/** How a step combines values. */
interface Combine<V> {
  /** The first accumulator. */
  readonly begin: (value: V) => V;
  /** The next one. */
  readonly add: (acc: V, value: V) => V;
  /** Checks a new accumulator object, and copies what it shares with the value. */
  readonly keep: (acc: V, value: V, before: V) => V;
}

/**
 * Combines the values of a key and emits the result at the end. The first value, or a copy of it,
 * is the first accumulator. The copy is needed because the reducer may change it, and others hold
 * the value.
 */
export function reduceFinalLogic<V>(reducer: (acc: V, value: V) => V): BuildLogic<V, V, [V]> {
  requireFunction("reduceFinal's reducer", reducer);
  const own = createOwnState();
  const combine: Combine<V> = {
    begin: own.begin,
    add: reducer,
    keep: (acc, value, before) => own.keep("the reducer", acc, value, before),
  };
  return (resume) => new ReduceFinal(combine, resume);
}

/** Chooses one of the values of a key and emits it at the end. */
export function chooseFinalLogic<V>(choose: (best: V, value: V) => V): BuildLogic<V, V, [V]> {
  const combine: Combine<V> = { begin: (value) => value, add: choose, keep: (acc) => acc };
  return (resume) => new ReduceFinal(combine, resume);
}

class ReduceFinal<V> extends KeyedLogic<V, V, [V]> {
  readonly #combine: Combine<V>;
  #acc: [V] | undefined; // boxed, since undefined may be a value
  #done = false;

  constructor(combine: Combine<V>, resume: [V] | undefined) {
    super();
    this.#combine = combine;
    this.#acc = resume;
  }

  override onItem(value: V): void {
    const { begin, add, keep } = this.#combine;
    if (this.#acc === undefined) this.#acc = [begin(value)];
    else {
      const before = this.#acc[0];
      const acc = add(before, value);
      this.#acc[0] = typeof acc === "object" && acc !== before ? keep(acc, value, before) : acc;
    }
  }

  override onEnd(emit: Emit<V>): void {
    this.#done = true; // the next run starts over
    emit(this.#acc![0]);
  }

  override isDone(): boolean {
    return this.#done;
  }

  override snapshot(): [V] {
    return this.#acc!;
  }
}
