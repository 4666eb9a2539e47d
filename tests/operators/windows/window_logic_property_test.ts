/** The windows of single keys, with quiet time and restarts anywhere, against what windows mean. */
import { assertEquals } from "@std/assert";
import { EventClockConfig } from "../../../mod.ts";
import { decodeValue, encodeValue } from "../../../src/core/value_codec.ts";
import type { KeyedLogic } from "../../../src/graph/keyed_logic.ts";
import { collectFold, customFold } from "../../../src/operators/windows/window_folds.ts";
import {
  type WindowEvent,
  windowLogic,
  type WindowStep,
} from "../../../src/operators/windows/window_logic.ts";
import { Random } from "../../support/values/random.ts";
import { randomTimes, WINDOWER_KINDS } from "../../support/windows/cases.ts";
import { type ModelEvent, modelFold, modelOf } from "../../support/windows/model.ts";
import { stillScope } from "../../support/runtime/step_scope.ts";

const CASES = 2_500;

type Value = { readonly id: number; readonly time: number };

/** What a key of a window step makes of events; it is restarted before each event in `restarts`. */
function outputsOf<A, R>(
  events: readonly ModelEvent[],
  restarts: ReadonlySet<number>,
  step: WindowStep<Value, A, R>,
): unknown[] {
  let quiet = 0;
  let scope = stillScope();
  const begin = () => {
    quiet = 0;
    scope = stillScope(() => quiet);
    return windowLogic(step)(scope);
  };
  let logic = begin()(undefined, "key", false) as KeyedLogic;
  const outputs: unknown[] = [];
  let after = 0;
  const emit = (event: unknown) => {
    const { late, value, span } = event as WindowEvent;
    outputs.push(
      late ? { after, late: (value as Value).id } : { after, ...span, value },
    );
  };
  for (const event of events) {
    if (restarts.has(after)) {
      const snapshot = decodeValue(encodeValue(logic.snapshot()));
      logic = begin()(snapshot, "key", true) as KeyedLogic;
    }
    if ("quiet" in event) {
      quiet += event.quiet;
      while (logic.quietUntil() <= quiet) logic.onNotify(emit);
    } else logic.onItem(event, emit);
    after++;
    if (scope.openWindows !== openIn(logic)) {
      throw new Error(`${scope.openWindows} windows count as open, and ${openIn(logic)} are`);
    }
  }
  logic.onEnd(emit);
  assertEquals(scope.openWindows, 0);
  return outputs;
}

/** How many windows of a key are open. */
function openIn(logic: KeyedLogic): number {
  return (logic as unknown as { readonly windows: readonly unknown[] }).windows.length;
}

for (const [kind, make] of Object.entries(WINDOWER_KINDS)) {
  Deno.test(`${CASES} random keys with ${kind} windows come to what windows mean`, () => {
    let [windows, late] = [0, 0];
    for (let seed = 0; seed < CASES; seed++) {
      const random = new Random(seed);
      const { name, windower, model } = make(random);
      const wait = random.pick([0, 0, 1, 5, 20, 100]);
      const quietEvery = random.pick([Infinity, 3, 10]);
      const events: ModelEvent[] = [];
      for (const [id, time] of randomTimes(random, 1 + random.below(40)).entries()) {
        events.push({ id, time });
        if (quietEvery < Infinity && random.below(quietEvery) === 0) {
          events.push({ quiet: random.below(50) });
        }
      }
      const timeOf = new Map(
        events.flatMap((event) => "id" in event ? [[event.id, event.time]] : []),
      );
      const restarts = new Set(
        Array.from({ length: random.below(4) }, () => random.below(events.length)),
      );
      const clock = new EventClockConfig<Value>({ getTime: ({ time }) => time, wait });
      const expected = modelOf(events, model, wait);
      windows += expected.filter((output) => "ids" in output).length;
      late += expected.filter((output) => "late" in output).length;
      const about = `seed ${seed}: ${name}, wait ${wait}, restarts ${[...restarts]}, ` +
        JSON.stringify(events);
      const collected = outputsOf(events, restarts, {
        clock,
        windower,
        fold: collectFold<Value>(),
      });
      assertEquals(
        collected,
        expected.map((output) => {
          if ("late" in output) return output;
          const { after, openAt, closeAt, ids } = output;
          return {
            after,
            openAt,
            closeAt,
            value: ids.map((id) => ({ id, time: timeOf.get(id)! })),
          };
        }),
        about,
      );
      const { build, folder, merger } = modelFold;
      const folded = outputsOf(events, restarts, {
        clock,
        windower,
        fold: customFold<Value, string>(windower, build, (acc, { id }) => folder(acc, id), merger),
      });
      assertEquals(
        folded,
        expected.map((output) => {
          if ("late" in output) return output;
          const { after, openAt, closeAt, fold } = output;
          return { after, openAt, closeAt, value: fold };
        }),
        about,
      );
    }
    // Otherwise the cases missed what they are about.
    assertEquals([windows > CASES, late > CASES / 5], [true, true], `${windows}, ${late}`);
  });
}
