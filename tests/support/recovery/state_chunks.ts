import type { StateChunk } from "../../../src/recovery/store.ts";
import type { StepId } from "../../../src/core/ids.ts";

/** What happens to a key. */
export interface KeyChange {
  readonly step: StepId;
  readonly key: string;
  /** `null` if it is to be forgotten. */
  readonly state: Uint8Array | null;
}

/** The length of chunks that workers send. */
const LENGTH = 4096;

const ids = new Map<StepId, Map<string, number>>();

/** The id that a key has in all tests of a process. */
export function idOf(step: StepId, key: string): number {
  const ofStep = ids.get(step) ?? new Map<string, number>();
  ids.set(step, ofStep);
  const id = ofStep.get(key) ?? ofStep.size;
  ofStep.set(key, id);
  return id;
}

/** Changes in the form and order in which a store gets them. `spells`: whether with their keys. */
export function* chunks(changes: Iterable<KeyChange>, spells = true): Generator<StateChunk, void> {
  let some: KeyChange[] = [];
  for (const change of changes) {
    if (some.length === LENGTH || (some.length > 0 && some[0].step !== change.step)) {
      yield chunkOf(some, spells);
      some = [];
    }
    some.push(change);
  }
  if (some.length > 0) yield chunkOf(some, spells);
}

function chunkOf(changes: readonly KeyChange[], spells: boolean): StateChunk {
  const lengths = Int32Array.from(changes, ({ state }) => state === null ? -1 : state.length);
  const states = new Uint8Array(lengths.reduce((sum, length) => sum + Math.max(0, length), 0));
  let at = 0;
  for (const { state } of changes) {
    if (state === null) continue;
    states.set(state, at);
    at += state.length;
  }
  return {
    step: changes[0].step,
    ids: Float64Array.from(changes, ({ step, key }) => idOf(step, key)),
    keys: spells ? changes.map(({ key }) => key) : null,
    states,
    lengths,
  };
}
