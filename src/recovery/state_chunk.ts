/**
 * Reads a chunk of changes one by one.
 *
 * @module
 */
import type { StateChunk } from "./store.ts";

/** What has become of one key. */
export interface StateChange {
  readonly id: number;
  /** `null` where the chunk does not spell its keys. */
  readonly key: string | null;
  /** A view on the chunk's states; `null` where the key has been forgotten. */
  readonly state: Uint8Array | null;
}

/** The changes of a chunk, in order. */
export function* eachChange({ ids, keys, states, lengths }: StateChunk): Generator<StateChange> {
  let at = 0;
  for (let i = 0; i < ids.length; i++) {
    const state = lengths[i] < 0 ? null : states.subarray(at, at += lengths[i]);
    yield { id: ids[i], key: keys?.[i] ?? null, state };
  }
}
