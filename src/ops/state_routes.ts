/**
 * Shows the state of keys while a flow runs.
 *
 * @module
 */
import type { StepId, WorkerIndex } from "../core/ids.ts";
import { keyGroupOf, ownersOf } from "../core/key_groups.ts";
import { decodeValue } from "../core/value_codec.ts";
import { jsonValue } from "./json_value.ts";
import type { RunSource } from "./run_view.ts";
import type { KeyState, StateAnswer, StateQuestion } from "./state_question.ts";
import type { KeyPage, ShownKey } from "./shown_state.ts";
import { stateText } from "./state_text.ts";

/** How long a worker may take to answer, in milliseconds: it may be at work on one item. */
const ANSWER_MS = 5_000;

/** The most keys of an answer. */
export const MOST_KEYS = 1_000;

/** How many keys an answer has unless the question says. */
export const USUAL_KEYS = 100;

/** A worker has not answered in time. */
export class NoAnswerError extends Error {
  override name = "NoAnswerError";
}

/** Returns how many keys each step has, over all workers. */
export async function stepsOf(
  source: RunSource,
): Promise<{ readonly step: StepId; readonly keys: number }[]> {
  const workers = source.view().workers.keys();
  const answers = await Promise.all(
    [...workers].map((worker) => ask(source, worker, { kind: "steps" })),
  );
  const keys = new Map<StepId, number>();
  for (const each of answers.flatMap(({ steps }) => steps)) {
    keys.set(each.step, (keys.get(each.step) ?? 0) + each.keys);
  }
  return [...keys].map(([step, keys]) => ({ step, keys }));
}

/**
 * Returns the state of a key from the worker that owns it; `null` if it has none. In a group, that
 * is also so for a key of another machine.
 */
export async function keyOf(
  source: RunSource,
  step: StepId,
  key: string,
): Promise<ShownKey | null> {
  const { workers, group } = source.view();
  // In a group, any of them may have the task of the key.
  const asked = group === null ? [ownersOf(workers.length)[keyGroupOf(key)]] : workers.keys();
  for (const worker of asked) {
    const { states: [state] } = await ask(source, worker, { kind: "key", step, key });
    if (state !== undefined) return shown(source, step, worker, state);
  }
  return null;
}

/**
 * Returns some keys of a step, worker by worker: fewer than `limit` where they are large.
 *
 * @param after The `next` of the page before; `null` for the first page.
 */
export async function pageOf(
  source: RunSource,
  step: StepId,
  after: string | null,
  limit: number,
): Promise<KeyPage> {
  const workers = source.view().workers.length;
  let [worker, from] = (after ?? "0-0").split("-").map(Number);
  const keys: ShownKey[] = [];
  while (worker < workers && keys.length < limit) {
    const count = limit - keys.length;
    const { states, isCut } = await ask(source, worker, { kind: "keys", step, from, count });
    const owner = worker;
    keys.push(...states.map((state) => shown(source, step, owner, state)));
    from += states.length;
    if (isCut) break;
    if (states.length < count) [worker, from] = [worker + 1, 0];
  }
  return { step, keys, next: worker < workers ? `${worker}-${from}` : null };
}

async function ask(
  source: RunSource,
  worker: WorkerIndex,
  question: StateQuestion,
): Promise<StateAnswer> {
  if (source.view().phase === "over") {
    throw new Error(
      "the flow does not run any more: its recovery store has its state, see `cli.ts state`",
    );
  }
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    reject(new NoAnswerError(`worker ${worker} has not answered within ${ANSWER_MS / 1_000} s`));
  }, ANSWER_MS);
  try {
    return await Promise.race([promise, source.ask(worker, question)]);
  } finally {
    clearTimeout(timer);
  }
}

function shown(
  source: RunSource,
  step: StepId,
  worker: WorkerIndex,
  { key, ...state }: KeyState,
): ShownKey {
  if ("error" in state) {
    return { key, worker, text: state.error, value: null, error: state.error };
  }
  const kind = source.view().graph?.steps.find(({ id }) => id === step)?.stateKind ?? null;
  const { line, whole } = stateText(kind, decodeValue(state.state));
  return { key, worker, text: line, value: jsonValue(whole) };
}
