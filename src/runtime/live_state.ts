/**
 * Answers what the state of a worker's keys is while the flow runs: between batches, without a copy
 * of more than is asked for.
 *
 * @module
 */
import type { StepId } from "../core/ids.ts";
import type { KeyState, StateAnswer, StateQuestion } from "../ops/state_question.ts";
import { encodeValue } from "../core/value_codec.ts";
import { messageOf } from "../core/errors.ts";
import type { KeyedLogic } from "../graph/keyed_logic.ts";

/** The keys of a step. */
export interface KeysOfStep {
  readonly keys: ReadonlyMap<string, KeyedLogic>;
}

/** Answers a question about the steps of a worker. A step that is not there has no keys. */
export function answerOf(
  question: StateQuestion,
  steps: ReadonlyMap<StepId, KeysOfStep>,
): StateAnswer {
  if (question.kind === "steps") {
    const counts = [...steps].map(([step, { keys }]) => ({ step, keys: keys.size }));
    return { steps: counts, states: [] };
  }
  const keys = steps.get(question.step)?.keys ?? new Map<string, KeyedLogic>();
  if (question.kind === "key") {
    const logic = keys.get(question.key);
    return { steps: [], states: logic === undefined ? [] : [stateOf(logic)] };
  }
  const { from, count } = question;
  return { steps: [], states: [...keys.values().drop(from).take(count).map(stateOf)] };
}

/** Encoded at once: the key's next item may change it. */
function stateOf(logic: KeyedLogic): KeyState {
  const { key } = logic;
  try {
    return { key, state: encodeValue(logic.snapshot()) };
  } catch (error) {
    return { key, error: messageOf(error) };
  }
}
