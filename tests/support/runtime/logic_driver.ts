import type { BuildLogic, Keyed, StatefulLogic } from "../../../mod.ts";
import { EventTime } from "../../../src/graph/event_time.ts";
import type { StepScope } from "../../../src/graph/nodes.ts";
import { decodeValue, encodeValue } from "../../../src/core/value_codec.ts";

/**
 * Drives the logic of a stateful step only by the contract of {@linkcode StatefulLogic}. It needs
 * no engine and no waiting, for thousands of random cases.
 */
export class LogicDriver<V, W, S> {
  /** The time, in milliseconds since the Unix epoch. */
  now = 1_000_000;
  /** What was emitted. */
  readonly out: Keyed<W>[] = [];
  #build: BuildLogic<V, W, S>;
  readonly #keys = new Map<string, StatefulLogic<V, W, S>>();
  readonly #changed = new Set<string>();
  readonly #stored = new Map<string, Uint8Array>();
  readonly #time: StepScope = {
    now: () => this.now,
    quiet: () => 0,
    forgotten: -Infinity,
    openWindows: null,
    ahead: () => 0,
    reach: () => {},
    event: new EventTime(Infinity),
  };

  constructor(build: BuildLogic<V, W, S>) {
    this.#build = build;
  }

  /** The keys that are there. */
  get keys(): string[] {
    return [...this.#keys.keys()].sort();
  }

  /** A key's snapshot, as it is stored. */
  stored(key: string): unknown {
    const bytes = this.#stored.get(key);
    return bytes && decodeValue(bytes);
  }

  /** Hands a value to its key. */
  item(key: string, value: V): void {
    const logic = this.#keys.get(key) ?? this.#add(key, undefined, false);
    logic.onItem(value, (out) => this.out.push([key, out]));
    this.#after(key, logic);
  }

  /** Notifies the keys that are due, earliest first. */
  notify(): void {
    for (;;) {
      const [first] = [...this.#keys].map(([key, logic]) => ({ key, logic, due: dueOf(logic) }))
        .filter(({ due }) => due <= this.now).sort((a, b) => a.due - b.due);
      if (first === undefined) return;
      first.logic.onNotify!((out) => this.out.push([first.key, out]));
      this.#after(first.key, first.logic);
    }
  }

  /** Ends the input. */
  end(): void {
    for (const [key, logic] of this.#keys) {
      if (logic.onEnd === undefined) continue;
      logic.onEnd((out) => this.out.push([key, out]));
      this.#after(key, logic);
    }
  }

  /** Makes a snapshot of the keys that have changed, and continues from what is stored. */
  restart(build: BuildLogic<V, W, S> = this.#build): void {
    this.snapshot();
    this.#build = build;
    this.#keys.clear();
    for (const [key, bytes] of this.#stored) this.#add(key, decodeValue(bytes) as S, true);
  }

  /** Makes a snapshot of the keys that have changed. */
  snapshot(): void {
    for (const key of this.#changed) {
      const logic = this.#keys.get(key);
      if (logic === undefined) this.#stored.delete(key);
      else this.#stored.set(key, encodeValue(logic.snapshot()));
    }
    this.#changed.clear();
  }

  #add(key: string, state: S | undefined, resumed: boolean): StatefulLogic<V, W, S> {
    const logic = this.#build(state, key, this.#time, resumed);
    this.#keys.set(key, logic);
    return logic;
  }

  #after(key: string, logic: StatefulLogic<V, W, S>): void {
    this.#changed.add(key);
    if (logic.isDone?.()) this.#keys.delete(key);
  }
}

function dueOf<V, W, S>(logic: StatefulLogic<V, W, S>): number {
  return logic.notifyAt?.()?.getTime() ?? Infinity;
}

/** The output, by key. */
export function byKey<W>(pairs: readonly Keyed<W>[]): Record<string, W[]> {
  const values: Record<string, W[]> = {};
  for (const [key, value] of pairs) (values[key] ??= []).push(value);
  return values;
}
