/**
 * Shows what a recovery store holds, as JSON: in the form in which the operations port shows the
 * state of a run.
 *
 * @module
 */
import { decodeValue } from "../core/value_codec.ts";
import type { StateKind } from "../graph/nodes.ts";
import { jsonValue } from "../ops/json_value.ts";
import { stateText } from "../ops/state_text.ts";
import type { StoreInspector } from "../recovery/inspector.ts";
import { isNote, type StoredKey, type StoredStep } from "../recovery/store.ts";
import { storedText } from "./position_text.ts";

/** Returns the flow, the epoch, the steps and the positions. */
export function storeJson(store: StoreInspector): object {
  const { flow, epoch, committedAt } = store;
  const positions = store.positions().filter((position) => !isNote(position));
  return {
    flow,
    epoch: epoch === null || epoch < 0 ? null : epoch,
    committedAt: committedAt?.toISOString() ?? null,
    steps: store.steps(),
    positions: positions.map(({ step, role, partition, state }) => {
      const position = decodeValue(state);
      const text = storedText(role, position);
      return { step, role, partition, text, value: jsonValue(position) };
    }),
  };
}

/** Returns keys of a step. */
export function keysJson(
  { step, keys: count }: StoredStep,
  kind: StateKind | null,
  keys: readonly StoredKey[],
): object {
  return { step, count, keys: keys.map(({ key, state }) => keyJson(kind, key, state)) };
}

/** Returns a key with its state. */
export function keyJson(kind: StateKind | null, key: string, state: Uint8Array): object {
  const { line, whole } = stateText(kind, decodeValue(state));
  return { key, text: line, value: jsonValue(whole) };
}
