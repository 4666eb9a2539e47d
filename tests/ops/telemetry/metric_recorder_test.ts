import { assertEquals } from "@std/assert";
import type { Meter } from "@opentelemetry/api";
import { MetricRecorder } from "../../../src/ops/telemetry/metric_recorder.ts";
import type { MetricSample } from "../../../src/ops/telemetry/otlp_samples.ts";

/** What a recorder has recorded, and notes it. */
function recorder(): { told: unknown[]; tell: (run: number, ...samples: MetricSample[]) => void } {
  const told: unknown[] = [];
  const instrument = (kind: string) => (name: string) => ({
    add: (value: number, labels: object) => told.push([kind, name, value, labels]),
    record: (value: number, labels: object) => told.push([kind, name, value, labels]),
  });
  const meter = { createCounter: instrument("counter"), createGauge: instrument("gauge") };
  const recorder = new MetricRecorder(meter as unknown as Meter);
  return { told, tell: (run, ...samples) => recorder.record(run, samples) };
}

const ITEMS = "millrace_step_items_in_total";
const RESTARTS = "millrace_restarts_total";
const WAITING = "millrace_waiting_seconds";
const TIME = "millrace_event_time_seconds";

Deno.test("a counter gets what has been added since it was told last", () => {
  const { told, tell } = recorder();
  const [a, b] = [{ step: "a" }, { step: "b" }];
  tell(1, [ITEMS, a, 3], [ITEMS, b, 1]);
  tell(1, [ITEMS, a, 3], [ITEMS, b, 5]);
  assertEquals(told, [
    ["counter", ITEMS, 3, a],
    ["counter", ITEMS, 1, b],
    ["counter", ITEMS, 4, b],
  ]);
});

Deno.test("counters go on over the runs of a flow, also where the next has come further", () => {
  const { told, tell } = recorder();
  tell(1, [ITEMS, {}, 3], [RESTARTS, {}, 0]);
  tell(2, [RESTARTS, {}, 1]); // its workers have told nothing yet
  tell(2, [ITEMS, {}, 4], [RESTARTS, {}, 1]);
  tell(3, [ITEMS, {}, 5], [RESTARTS, {}, 2]);
  assertEquals(told, [
    ["counter", ITEMS, 3, {}],
    ["counter", RESTARTS, 1, {}],
    ["counter", ITEMS, 4, {}],
    ["counter", ITEMS, 5, {}],
    ["counter", RESTARTS, 1, {}],
  ]);
});

Deno.test("a counter whose value was missing in between counts nothing twice", () => {
  const { told, tell } = recorder();
  tell(1, [ITEMS, {}, 3]);
  tell(1);
  tell(1, [ITEMS, {}, 4]);
  assertEquals(told, [["counter", ITEMS, 3, {}], ["counter", ITEMS, 1, {}]]);
});

Deno.test("a gauge of the moment is zero when it is told no more; others keep their value", () => {
  const { told, tell } = recorder();
  const [a, b] = [{ for: "a" }, { for: "b" }];
  tell(1, [WAITING, a, 1], [TIME, {}, 100]);
  tell(1, [WAITING, b, 1]);
  assertEquals(told, [
    ["gauge", WAITING, 1, a],
    ["gauge", TIME, 100, {}],
    ["gauge", WAITING, 1, b],
    ["gauge", WAITING, 0, a],
  ]);
});
