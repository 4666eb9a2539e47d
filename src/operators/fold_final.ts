import type { BuildLogic, Emit } from "../graph/contracts.ts";
import { KeyedLogic } from "../graph/keyed_logic.ts";
import type { Combiner } from "../graph/nodes.ts";
import { createOwnState, type OwnState } from "./own_state.ts";
import { badResult, requireSync } from "./results.ts";
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
  const fold = checkedFold(folder, own);
  return (resume, key, _time, resumed) =>
    new FoldFinal(fold, resumed ? resume as A : startState(build, key, own));
}

/** The folder, whose result is checked and kept apart from the value. */
function checkedFold<V, A>(folder: (acc: A, value: V) => A, own: OwnState) {
  return (acc: A, value: V): A => {
    const folded = folder(acc, value);
    requireSync("the folder", folded);
    return folded as unknown === value ? own.begin(folded) : folded;
  };
}

/** Folds values where they are, and merges what comes of it; `null` where there is no merger. */
export function foldFinalCombiner<V, A>(
  build: (key: string) => A,
  folder: (acc: A, value: V) => A,
  merger: ((a: A, b: A) => A) | undefined,
): Combiner | null {
  if (merger === undefined) return null;
  requireFunction("foldFinal's merger", merger);
  const own = createOwnState();
  const fold = checkedFold(folder, own);
  return {
    start: (key, value) => fold(startState(build, key, own), value as V),
    add: (acc, value) => fold(acc as A, value as V),
    begin: beginWith(mergeFinalLogic(merger)),
  };
}

/** Stands for an accumulator where there is none yet: any value may be one. */
const NONE = Symbol("none");

/** Merges accumulators, the first of which starts. Snapshots are those of a fold. */
export function mergeFinalLogic<A>(merger: (a: A, b: A) => A): BuildLogic<A, A, A> {
  const merge = (acc: A | typeof NONE, more: A): A => {
    if (acc === NONE) return more;
    const merged = merger(acc, more);
    // One that changes its first argument is easily left without a return.
    if (merged === undefined) {
      badResult("foldFinal's merger", "the accumulator of both", merged);
    }
    requireSync("the merger", merged);
    return merged;
  };
  return (resume, _key, _time, resumed) => {
    const acc = resumed ? resume as A : NONE;
    return new FoldFinal<A, A | typeof NONE>(merge, acc) as FoldFinal<A, A>;
  };
}

class FoldFinal<V, A> extends KeyedLogic<V, A, A> {
  readonly #folder: (acc: A, value: V) => A;
  #acc: A;
  #done = false;

  constructor(folder: (acc: A, value: V) => A, acc: A) {
    super();
    this.#folder = folder;
    this.#acc = acc;
  }

  override onItem(value: V): void {
    this.#acc = this.#folder(this.#acc, value);
  }

  override onEnd(emit: Emit<A>): void {
    this.#done = true; // the next run begins anew
    emit(this.#acc);
  }

  override isDone(): boolean {
    return this.#done;
  }

  override snapshot(): A {
    return this.#acc;
  }
}
