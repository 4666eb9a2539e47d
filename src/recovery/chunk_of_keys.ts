/**
 * Stored keys as changes of a step.
 *
 * @module
 */
import type { StepId } from "../core/ids.ts";
import type { StateChunk, StoredKey } from "./store.ts";

/** Returns the change by which a step gets keys, with their ids and states. */
export function storing(step: StepId, keys: readonly StoredKey[]): StateChunk {
  const lengths = Int32Array.from(keys, ({ state }) => state.length);
  const states = new Uint8Array(lengths.reduce((sum, length) => sum + length, 0));
  let offset = 0;
  for (const { state } of keys) {
    states.set(state, offset);
    offset += state.length;
  }
  return { step, ...named(keys), states, lengths };
}

/** Returns the change by which a step forgets keys. */
export function forgetting(step: StepId, keys: readonly StoredKey[]): StateChunk {
  const lengths = new Int32Array(keys.length).fill(-1);
  return { step, ...named(keys), states: new Uint8Array(), lengths };
}

function named(keys: readonly StoredKey[]): Pick<StateChunk, "ids" | "keys"> {
  return { ids: Float64Array.from(keys, ({ id }) => id), keys: keys.map(({ key }) => key) };
}
