import { assert } from "@std/assert";
import type {
  RecoveryConfig,
  RecoveryStore,
  ResumePoint,
  StoredPosition,
} from "../../../src/recovery/store.ts";
import { chunks, type KeyChange } from "./state_chunks.ts";

/** A key that gets a state. */
export function put(key: string, state: Uint8Array, step = "count"): KeyChange {
  return { step, key, state };
}

/** A key that is to be forgotten. */
export function forget(key: string, step = "count"): KeyChange {
  return { step, key, state: null };
}

/** A position of the input `in`, unless `more` says otherwise. */
export function position(partition: string, state: Uint8Array, more = {}): StoredPosition {
  return { step: "in", role: "input", partition, state, ...more };
}

/** Positions in a fixed order, as a store keeps none. */
export function sorted(positions: readonly StoredPosition[] = []): StoredPosition[] {
  const id = ({ step, role, partition }: StoredPosition) => JSON.stringify([step, role, partition]);
  return positions.toSorted((a, b) => id(a) < id(b) ? -1 : 1);
}

/** A resume point without the ids. */
export function withoutIds(point: ResumePoint | null) {
  return point && { epoch: point.epoch, positions: point.positions };
}

/** All keys of a step, each exactly once. */
export async function loadAll(
  store: RecoveryStore,
  step = "count",
): Promise<Map<string, Uint8Array>> {
  const keys = new Map<string, Uint8Array>();
  for await (const chunk of store.load(step)) {
    assert(chunk.length > 0 && chunk.length < 10_000, "a chunk has some thousands of keys at most");
    for (const { key, state } of chunk) {
      assert(!keys.has(key), `${JSON.stringify(key)} came twice`);
      keys.set(key, state);
    }
  }
  return keys;
}

/** Opens the store, and closes it again. */
export async function within<T>(
  config: RecoveryConfig,
  work: (store: RecoveryStore) => Promise<T>,
  flow = "flow",
): Promise<T> {
  const store = await config.open(flow);
  try {
    return await work(store);
  } finally {
    await store.close();
  }
}

/** Writes an epoch. */
export const commit = (config: RecoveryConfig, epoch: number, ...state: KeyChange[]) =>
  within(config, (store) => store.commit(epoch, { state: chunks(state), positions: [] }));

/** The keys of a step that are stored. */
export const stored = (config: RecoveryConfig, step?: string) =>
  within(config, (store) => loadAll(store, step));
