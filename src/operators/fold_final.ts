import type { BuildLogic, Emit } from "../graph/contracts.ts";
import { KeyedLogic } from "../graph/keyed_logic.ts";
import type { Combiner } from "../graph/nodes.ts";
import { createOwnState } from "./own_state.ts";
import { badResult, refusePromise } from "../graph/results.ts";
import { startState } from "./stateful_map.ts";
import { beginWith } from "./stateful.ts";
import { requireFunction } from "./user_function.ts";

/** Folds the values of a key from `build(key)`, and emits the result when the input ends. */
export function foldFinalLogic<V, A>(
  build: (key: string) => A,
  folder: (acc: A, value: V) => A,
): BuildLogic<V, A, A> {
  requireFunction("foldFinal's build", build);
  requireFunction("foldFinal's folder", folder);
  const own = createOwnState();
  const step: Step<V, A> = {
    folder,
    keep: (acc, value, before) => own.keep("the folder", acc, value, before),
  };
  return (resume, key, _time, resumed) =>
    new FoldFinal(step, resumed ? resume as A : startState(build, key, own));
}

/** Folds values on each worker, then merges the accumulators. Returns `null` without a merger. */
export function foldFinalCombiner<V, A>(
  build: (key: string) => A,
  folder: (acc: A, value: V) => A,
  merger: ((a: A, b: A) => A) | undefined,
): Combiner | null {
  if (merger === undefined) return null;
  requireFunction("foldFinal's merger", merger);
  const own = createOwnState();
  const fold = (acc: A, value: V): A => {
    const folded = folder(acc, value);
    if (typeof folded !== "object" || folded === acc) return folded;
    return own.keep("the folder", folded, value, acc);
  };
  return {
    start: (key, value) => fold(startState(build, key, own), value as V),
    add: (acc, value) => fold(acc as A, value as V),
    begin: beginWith(mergeFinalLogic(merger)),
  };
}

/** Marks a missing accumulator, as any value may be one. */
const NONE = Symbol("none");

/** Merges accumulators, starting with the first one. Its snapshots are those of a fold. */
export function mergeFinalLogic<A>(merger: (a: A, b: A) => A): BuildLogic<A, A, A> {
  const step: Step<A, A | typeof NONE> = {
    folder: (acc, more) => {
      if (acc === NONE) return more;
      const merged = merger(acc, more);
      // A merger that changes its first argument easily lacks a `return`.
      if (merged === undefined) {
        badResult("foldFinal's merger", "the accumulator of both", merged);
      }
      return merged;
    },
    keep: (acc) => {
      refusePromise("the merger", acc);
      return acc; // only this step has it
    },
  };
  return (resume, _key, _time, resumed) => {
    const acc = resumed ? resume as A : NONE;
    return new FoldFinal(step, acc) as FoldFinal<A, A>;
  };
}

/** What all keys of a step share. */
interface Step<V, A> {
  readonly folder: (acc: A, value: V) => A;
  /** Checks a new accumulator object, and copies what it shares with the value. */
  readonly keep: (acc: A, value: V, before: A) => A;
}

class FoldFinal<V, A> extends KeyedLogic<V, A, A> {
  readonly #step: Step<V, A>;
  #acc: A;
  #done = false;

  constructor(step: Step<V, A>, acc: A) {
    super();
    this.#step = step;
    this.#acc = acc;
  }

  override onItem(value: V): void {
    const { folder, keep } = this.#step;
    const before = this.#acc;
    const acc = folder(before, value);
    this.#acc = typeof acc === "object" && acc !== before ? keep(acc, value, before) : acc;
  }

  override onEnd(emit: Emit<A>): void {
    this.#done = true; // the next run starts over
    emit(this.#acc);
  }

  override isDone(): boolean {
    return this.#done;
  }

  override snapshot(): A {
    return this.#acc;
  }
}
