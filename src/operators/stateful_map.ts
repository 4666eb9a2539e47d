import type { BuildLogic } from "../graph/contracts.ts";
import { SingleLogic } from "../graph/keyed_logic.ts";
import { badResult, requireSync } from "./results.ts";
import { requireFunction } from "./user_function.ts";

/**
 * One output for each value: `mapper(state, value)` gives `[state, out]`. A `null` state forgets
 * the key, whose next value builds anew. The mapper may change its state in place and return it.
 */
export function statefulMapLogic<V, W, S>(
  build: (key: string) => S,
  mapper: (state: S, value: V) => [state: S | null, out: W],
): BuildLogic<V, W, S> {
  requireFunction("statefulMap's build", build);
  requireFunction("statefulMap's mapper", mapper);
  return (resume, key, _time, resumed) =>
    new StatefulMap(mapper, startState(build, resume, key, resumed));
}

/** The state to start with: the one resumed, or a new one. */
export function startState<S>(
  build: (key: string) => S,
  resume: S | undefined,
  key: string,
  resumed: boolean,
): S {
  if (resumed) return resume as S; // which may be undefined
  const state = build(key);
  requireSync("build", state);
  return state;
}

class StatefulMap<V, W, S> extends SingleLogic<V, W, S> {
  readonly #mapper: (state: S, value: V) => [S | null, W];
  #state: S | null;

  constructor(mapper: (state: S, value: V) => [S | null, W], state: S) {
    super();
    this.#mapper = mapper;
    this.#state = state;
  }

  override one(value: V): W {
    const result = this.#mapper(this.#state!, value);
    if (!Array.isArray(result) || result.length !== 2) {
      badResult("statefulMap's mapper", "a pair [state, out]", result);
    }
    this.#state = result[0];
    return result[1];
  }

  override isDone(): boolean {
    return this.#state === null;
  }

  override snapshot(): S {
    return this.#state!;
  }
}
