import type { BuildLogic, Emit } from "../graph/contracts.ts";
import { KeyedLogic } from "../graph/keyed_logic.ts";
import { badResult } from "./results.ts";
import { startState } from "./stateful_map.ts";
import { requireFunction } from "./user_function.ts";

/** Like `statefulMap`, with any number of outputs a value: the mapper gives `[state, outs]`. */
export function statefulFlatMapLogic<V, W, S>(
  build: (key: string) => S,
  mapper: (state: S, value: V) => [state: S | null, outs: Iterable<W>],
): BuildLogic<V, W, S> {
  requireFunction("statefulFlatMap's build", build);
  requireFunction("statefulFlatMap's mapper", mapper);
  return (resume, key, _time, resumed) =>
    new StatefulFlatMap(mapper, startState(build, resume, key, resumed));
}

class StatefulFlatMap<V, W, S> extends KeyedLogic<V, W, S> {
  readonly #mapper: (state: S, value: V) => [S | null, Iterable<W>];
  #state: S | null;

  constructor(mapper: (state: S, value: V) => [S | null, Iterable<W>], state: S) {
    super();
    this.#mapper = mapper;
    this.#state = state;
  }

  override onItem(value: V, emit: Emit<W>): void {
    const result = this.#mapper(this.#state!, value);
    if (!Array.isArray(result) || result.length !== 2) {
      badResult("statefulFlatMap's mapper", "a pair [state, outs]", result);
    }
    const [state, outs] = result;
    if (typeof outs !== "object" || outs === null || !(Symbol.iterator in outs)) {
      badResult("statefulFlatMap's mapper", "its outs as an iterable that is no string", outs);
    }
    this.#state = state;
    for (const out of outs) emit(out);
  }

  override isDone(): boolean {
    return this.#state === null;
  }

  override snapshot(): S {
    return this.#state!;
  }
}
