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

/**
 * The most bytes of a key with its state. What is larger is not shown: to make it readable takes
 * the coordinator up to a second for each MiB.
 */
const MOST_OF_KEY = 2 << 20;

/** An answer with more bytes than this has no further keys. */
const MOST_OF_ANSWER = 1 << 20;

/** The most that a character takes in UTF-8. */
const BYTES_OF_CHARACTER = 3;

/** The most characters of a reason why a state cannot be shown. */
const MOST_OF_REASON = 1_000;

/** The keys of a step. */
export interface KeysOfStep {
  readonly keys: ReadonlyMap<string, KeyedLogic>;
}

/**
 * Answers a question about the steps of a worker. A step that is not there has no keys.
 *
 * @param all The steps of each of its tasks, which have different keys.
 */
export function answerOf(
  question: StateQuestion,
  all: readonly ReadonlyMap<StepId, KeysOfStep>[],
): StateAnswer {
  if (question.kind === "steps") {
    const counts = new Map<StepId, number>();
    for (const [step, { keys }] of all.flatMap((steps) => [...steps])) {
      counts.set(step, (counts.get(step) ?? 0) + keys.size);
    }
    return { steps: Array.from(counts, ([step, keys]) => ({ step, keys })), states: [] };
  }
  const parts = all.flatMap((steps) => steps.get(question.step)?.keys ?? []);
  if (question.kind === "key") {
    const logic = parts.find((keys) => keys.has(question.key))?.get(question.key);
    return { steps: [], states: logic === undefined ? [] : [stateOf(logic)] };
  }
  const { from, count } = question;
  const states: KeyState[] = [];
  let bytes = 0;
  for (const logic of parts.values().flatMap((keys) => keys.values()).drop(from).take(count)) {
    // Items may be large, and a message may not: it would end the run.
    if (bytes > MOST_OF_ANSWER) return { steps: [], states, isCut: true };
    const state = stateOf(logic);
    states.push(state);
    bytes += bytesOf(state);
  }
  return { steps: [], states };
}

/** Encoded at once: the key's next item may change it. */
function stateOf(logic: KeyedLogic): KeyState {
  const { key } = logic;
  let shown: KeyState;
  try {
    shown = { key, state: encodeValue(logic.snapshot()) };
  } catch (error) {
    return { key: cut(key), error: messageOf(error).slice(0, MOST_OF_REASON) };
  }
  const bytes = bytesOf(shown);
  if (bytes <= MOST_OF_KEY) return shown;
  const [takes, most] = [Math.ceil(bytes / 2 ** 20), MOST_OF_KEY / 2 ** 20];
  return {
    key: cut(key),
    error: `the key and its state take ${takes} MiB, and no more than ${most} MiB are shown`,
  };
}

/** A key that takes as much as this by itself would not go through either. */
function cut(key: string): string {
  return key.length * BYTES_OF_CHARACTER > MOST_OF_KEY ? `${key.slice(0, MOST_OF_REASON)}…` : key;
}

/** About how many bytes of a message it takes. */
function bytesOf(shown: KeyState): number {
  const own = "error" in shown ? shown.error.length : shown.state.length;
  return shown.key.length * BYTES_OF_CHARACTER + own;
}
