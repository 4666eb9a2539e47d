import type { BuildLogic, Emit } from "../graph/contracts.ts";
import { KeyedLogic } from "../graph/keyed_logic.ts";
import { requireSync } from "./results.ts";
import { startState } from "./stateful_map.ts";
import { requireFunction } from "./user_function.ts";

/** Folds the values of a key from `build(key)`, and emits the result when the input ends. */
export function foldFinalLogic<V, A>(
  build: (key: string) => A,
  folder: (acc: A, value: V) => A,
): BuildLogic<V, A, A> {
  requireFunction("foldFinal's build", build);
  requireFunction("foldFinal's folder", folder);
  return (resume, key) => new FoldFinal(folder, startState(build, resume, key));
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
    const acc = this.#folder(this.#acc, value);
    requireSync("the folder", acc);
    this.#acc = acc;
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
