import type { BuildLogic, Emit } from "../graph/contracts.ts";
import { KeyedLogic } from "../graph/keyed_logic.ts";
import { createOwnState, type OwnState } from "./own_state.ts";
import { badResult } from "../graph/results.ts";
import { startState } from "./stateful_map.ts";
import { requireFunction } from "./user_function.ts";

/**
 * Like `statefulMap`, with any number of outputs for a value: the mapper returns `[state, outs]`.
 */
export function statefulFlatMapLogic<V, W, S>(
  build: (key: string) => S,
  mapper: (state: S, value: V) => [state: S | null, outs: Iterable<W>],
): BuildLogic<V, W, S> {
  requireFunction("statefulFlatMap's build", build);
  requireFunction("statefulFlatMap's mapper", mapper);
  const step: Step<V, W, S> = { mapper, own: createOwnState() };
  return (resume, key, _time, resumed) =>
    new StatefulFlatMap(step, resumed ? resume as S : startState(build, key, step.own));
}

/** What all keys of a step share. */
interface Step<V, W, S> {
  readonly mapper: (state: S, value: V) => [S | null, Iterable<W>];
  readonly own: OwnState;
}

class StatefulFlatMap<V, W, S> extends KeyedLogic<V, W, S> {
  readonly #step: Step<V, W, S>;
  #state: S | null;

  constructor(step: Step<V, W, S>, state: S) {
    super();
    this.#step = step;
    this.#state = state;
  }

  override onItem(value: V, emit: Emit<W>): void {
    const { mapper, own } = this.#step;
    const result = mapper(this.#state!, value);
    if (!Array.isArray(result) || result.length !== 2) {
      badResult("statefulFlatMap's mapper", "a pair [state, outs]", result);
    }
    const [state, outs] = result;
    if (typeof outs !== "object" || outs === null || !(Symbol.iterator in outs)) {
      badResult("statefulFlatMap's mapper", "its outs as an iterable other than a string", outs);
    }
    const before = this.#state;
    const isOther = typeof state === "object" && state !== before;
    this.#state = isOther ? own.apart(state, value, before) : state;
    if (Array.isArray(outs)) {
      const kept = this.#state;
      for (const out of outs) emit(own.give(out, kept));
    } else {
      // A generator may still change what it yielded, whatever happens to the state.
      for (const out of outs) emit(own.copy(out));
    }
  }

  override isDone(): boolean {
    return this.#state === null;
  }

  override snapshot(): S {
    return this.#state!;
  }
}
