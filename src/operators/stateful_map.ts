import type { BuildLogic } from "../graph/contracts.ts";
import { SingleLogic } from "../graph/keyed_logic.ts";
import { createOwnState, type OwnState } from "./own_state.ts";
import { badResult, refusePromise } from "../graph/results.ts";
import { requireFunction } from "./user_function.ts";

/**
 * Emits one output for each value: `mapper(state, value)` returns `[state, out]`. A `null` state
 * forgets the key: `build` is called again for its next value. The mapper may change its state in
 * place and return it as output too. An output that shares an object with the state is copied.
 */
export function statefulMapLogic<V, W, S>(
  build: (key: string) => S,
  mapper: (state: S, value: V) => [state: S | null, out: W],
): BuildLogic<V, W, S> {
  requireFunction("statefulMap's build", build);
  requireFunction("statefulMap's mapper", mapper);
  const step: Step<V, W, S> = { mapper, own: createOwnState() };
  return (resume, key, _time, resumed) =>
    new StatefulMap(step, resumed ? resume as S : startState(build, key, step.own));
}

/**
 * Returns the state of a new key. Each key has its own, even if `build` returns one object for all.
 */
export function startState<S>(build: (key: string) => S, key: string, own: OwnState): S {
  const state = build(key);
  refusePromise("build", state);
  return own.begin(state);
}

/** What all keys of a step share. */
interface Step<V, W, S> {
  readonly mapper: (state: S, value: V) => [S | null, W];
  readonly own: OwnState;
}

class StatefulMap<V, W, S> extends SingleLogic<V, W, S> {
  readonly #step: Step<V, W, S>;
  #state: S | null;

  constructor(step: Step<V, W, S>, state: S) {
    super();
    this.#step = step;
    this.#state = state;
  }

  override one(value: V): W {
    const { mapper, own } = this.#step;
    const result = mapper(this.#state!, value);
    if (!Array.isArray(result) || result.length !== 2) {
      badResult("statefulMap's mapper", "a pair [state, out]", result);
    }
    const state = result[0];
    const out = result[1];
    const before = this.#state;
    const isOther = typeof state === "object" && state !== before;
    this.#state = isOther ? own.apart(state, value, before) : state;
    return typeof out === "object" ? own.give(out, this.#state) : out;
  }

  override isDone(): boolean {
    return this.#state === null;
  }

  override snapshot(): S {
    return this.#state!;
  }
}
