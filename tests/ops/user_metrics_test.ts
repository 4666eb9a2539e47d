import { assertEquals } from "@std/assert";
import { FlowMeters } from "../../src/graph/meters.ts";
import { createMetrics } from "../../src/ops/metrics.ts";
import type { RunSource, RunView } from "../../src/ops/run_view.ts";
import { IDLE_WORKER, NO_PAST } from "../support/ops/idle_worker.ts";

/** A run whose workers have measured this. */
function sourceOf(...workers: FlowMeters[]): RunSource {
  const view = (): RunView => ({
    phase: "running",
    flow: "shop",
    graph: null,
    restarts: 0,
    stepRestarts: [],
    storeConnections: [],
    epoch: null,
    waiting: null,
    group: null,
    past: NO_PAST,
    workers: workers.map((meters) => ({ ...IDLE_WORKER, measured: meters.read() })),
  });
  return { view, now: () => 0, ask: () => Promise.reject(new Error("not asked")) };
}

/** The lines of users' metrics. */
async function linesOf(source: RunSource): Promise<string[]> {
  const { text } = await createMetrics(source);
  return (await text()).split("\n").filter((line) => line.includes("millrace_user_"));
}

Deno.test("/metrics shows what users measure, by worker and step", async () => {
  const [first, second] = [new FlowMeters(), new FlowMeters()];
  const options = { help: "Refused.", labels: ["reason"] };
  first.of("check").counter("refused_total", options).add(2, { reason: 'a "b"\\\n' });
  second.of("check").counter("refused_total", options).add(3, { reason: "c" });
  second.of("late check").counter("refused_total").add(1);
  assertEquals(await linesOf(sourceOf(first, second)), [
    "# HELP millrace_user_refused_total Refused.",
    "# TYPE millrace_user_refused_total counter",
    'millrace_user_refused_total{flow="shop",step="check",worker="0",reason="a \\"b\\"\\\\\\n"} 2',
    'millrace_user_refused_total{flow="shop",step="check",worker="1",reason="c"} 3',
    'millrace_user_refused_total{flow="shop",step="late check",worker="1",reason=""} 1',
  ]);
});

Deno.test("/metrics shows a histogram with its buckets added up", async () => {
  const meters = new FlowMeters();
  const histogram = meters.of("lookup").histogram("lookup_seconds", { buckets: [0.1, 1] });
  for (const value of [0.05, 0.5, 0.5, 4]) histogram.record(value);
  const labels = 'flow="shop",step="lookup",worker="0"';
  assertEquals(await linesOf(sourceOf(meters)), [
    "# HELP millrace_user_lookup_seconds Measured by the flow's own code.",
    "# TYPE millrace_user_lookup_seconds histogram",
    `millrace_user_lookup_seconds_bucket{${labels},le="0.1"} 1`,
    `millrace_user_lookup_seconds_bucket{${labels},le="1"} 3`,
    `millrace_user_lookup_seconds_bucket{${labels},le="+Inf"} 4`,
    `millrace_user_lookup_seconds_sum{${labels}} 5.05`,
    `millrace_user_lookup_seconds_count{${labels}} 4`,
  ]);
});

Deno.test("/metrics shows a metric that is measured only after it was asked first", async () => {
  const meters = new FlowMeters();
  const { text } = await createMetrics(sourceOf(meters));
  await text();
  meters.of("cache").gauge("cache_bytes").set(9);
  const labels = 'flow="shop",step="cache",worker="0"';
  assertEquals((await text()).includes(`millrace_user_cache_bytes{${labels}} 9\n`), true);
});
