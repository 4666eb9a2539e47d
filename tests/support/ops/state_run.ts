/**
 * A run of two workers, whose state a test sets.
 */
import { keyGroupOf, ownersOf } from "../../../src/core/key_groups.ts";
import { encodeValue } from "../../../src/core/value_codec.ts";
import type { RunSource } from "../../../src/ops/run_view.ts";
import type { KeyState } from "../../../src/ops/state_question.ts";
import { BUSY_RUN } from "./busy_run.ts";

/** The states of keys, by step; an `Error` for one that cannot be shown. */
export type States = Record<string, Record<string, unknown>>;

/** Answers for `states`, which may change; for `null`, no worker answers. */
export function stateRun(states: { of: States | null }): RunSource {
  const owners = ownersOf(BUSY_RUN.workers.length);
  return {
    view: () => BUSY_RUN,
    now: () => 0,
    ask: (worker, question) => {
      if (states.of === null) return Promise.reject(new Error("no worker is there"));
      const own = (step: string) =>
        Object.entries(states.of?.[step] ?? {}).filter(([key]) =>
          owners[keyGroupOf(key)] === worker
        );
      if (question.kind === "steps") {
        const steps = Object.keys(states.of).map((step) => ({ step, keys: own(step).length }));
        return Promise.resolve({ steps, states: [] });
      }
      const asked = own(question.step);
      const found = question.kind === "key"
        ? asked.filter(([key]) => key === question.key)
        : asked.slice(question.from, question.from + question.count);
      return Promise.resolve({
        steps: [],
        states: found.map(([key, state]): KeyState =>
          state instanceof Error
            ? { key, error: state.message }
            : { key, state: encodeValue(state) }
        ),
      });
    },
  };
}
