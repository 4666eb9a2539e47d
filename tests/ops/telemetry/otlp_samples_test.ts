import { assertEquals } from "@std/assert";
import {
  METRIC_DEFINITIONS,
  type MetricDefinition,
  type Sample,
} from "../../../src/ops/metric_definitions.ts";
import type { RunView } from "../../../src/ops/run_view.ts";
import { type MetricSample, otlpSamples } from "../../../src/ops/telemetry/otlp_samples.ts";
import { BUSY_RUN } from "../../support/ops/busy_run.ts";

function samplesOf(name: string, labels: string[], samples: Sample[]): MetricSample[] {
  const definition: MetricDefinition = {
    kind: "gauge",
    name,
    help: "",
    labels,
    read: () => samples,
  };
  return otlpSamples({ flow: "shop" } as RunView, 0, [definition]);
}

Deno.test("values go by OTLP with their labels and the flow", () => {
  assertEquals(samplesOf("items", ["step"], [[3, { step: "a" }], [4, { step: "b" }]]), [
    ["items", { flow: "shop", step: "a" }, 3],
    ["items", { flow: "shop", step: "b" }, 4],
  ]);
  assertEquals(samplesOf("up", [], [[1]]), [["up", { flow: "shop" }, 1]]);
});

const PARTITIONS: Sample[] = [
  [5, { step: "in", partition: "orders-0", worker: "0" }],
  [2, { step: "in", partition: "orders-11", worker: "1" }],
  [1, { step: "in", partition: "refunds-2024-0", worker: "0" }],
];

Deno.test("the partitions of a topic are one value by OTLP, on whatever workers they are", () => {
  assertEquals(samplesOf("lag", ["step", "partition", "worker"], PARTITIONS), [
    ["lag", { flow: "shop", step: "in", topic: "orders" }, 7],
    ["lag_max", { flow: "shop", step: "in", topic: "orders" }, 5],
    ["lag", { flow: "shop", step: "in", topic: "refunds-2024" }, 1],
    ["lag_max", { flow: "shop", step: "in", topic: "refunds-2024" }, 1],
  ]);
});

Deno.test("of the times of a topic's partitions, the longest goes by OTLP", () => {
  assertEquals(samplesOf("lag_seconds", ["step", "partition", "worker"], PARTITIONS), [
    ["lag_seconds", { flow: "shop", step: "in", topic: "orders" }, 5],
    ["lag_seconds", { flow: "shop", step: "in", topic: "refunds-2024" }, 1],
  ]);
});

Deno.test("what has the sources of event time as a label does not go by OTLP", () => {
  const sample: Sample = [1, { step: "count", source: "orders-3 of in", worker: "0" }];
  assertEquals(samplesOf("held", ["step", "source", "worker"], [sample]), []);
});

Deno.test("all other metrics of a run that does everything go by OTLP", () => {
  const names = new Set(otlpSamples(BUSY_RUN, 5_000).map(([name]) => name));
  const missing = METRIC_DEFINITIONS.filter(({ name }) => !names.has(name));
  assertEquals(missing.map(({ name }) => name), ["millrace_event_time_held"]);
});
