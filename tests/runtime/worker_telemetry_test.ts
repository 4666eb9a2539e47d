import { assertEquals } from "@std/assert";
import { Dataflow, TestingInputConfig, TestingOutputConfig } from "millrace";
import { type FlowGraph, graphOf } from "../../src/graph/graph.ts";
import { FlowMeters } from "../../src/graph/meters.ts";
import { NO_TELEMETRY, openTelemetry } from "../../src/runtime/worker_telemetry.ts";
import { recordingLog } from "../support/recording_log.ts";

/** Where `@opentelemetry/api` looks for what implements it. */
const API = Symbol.for("opentelemetry.js.api.1");

const GRAPH = graphOf(
  new Dataflow("flow").input("in", new TestingInputConfig([1]))
    .capture(new TestingOutputConfig<number>([])),
);

/** Begins on a worker where `registered` implements that API, as Deno does where it exports. */
async function opened(registered: unknown, graph: FlowGraph = GRAPH) {
  const global = globalThis as { [API]?: unknown };
  const before = global[API];
  global[API] = registered;
  try {
    const { log, warnings } = recordingLog();
    return { telemetry: await openTelemetry(graph, 0, log), warnings };
  } finally {
    if (before === undefined) delete global[API];
    else global[API] = before;
  }
}

const { meterProvider: metrics, tracerProvider: trace } = Deno.telemetry;

Deno.test("a worker loads nothing where Deno exports nothing, or another SDK does", async () => {
  for (const registered of [undefined, {}, { metrics: {}, trace: {} }]) {
    assertEquals(await opened(registered), { telemetry: null, warnings: [] });
  }
});

Deno.test("a worker exports metrics, spans or both, as Deno does", async () => {
  const has = [];
  for (const registered of [{ metrics }, { trace }, { metrics, trace }]) {
    const { telemetry, warnings } = await opened(registered);
    has.push([telemetry?.ownMetrics !== null, telemetry?.traces !== null]);
    assertEquals(warnings, []);
  }
  assertEquals(has, [[true, false], [false, true], [true, true]]);
});

Deno.test("a worker whose telemetry cannot be opened says so, and runs without", async () => {
  class BrokenMeters extends FlowMeters {
    override set onRecord(_: FlowMeters["onRecord"]) {
      throw new Error("no package");
    }
  }
  const graph = { ...GRAPH, meters: new BrokenMeters() };
  const { telemetry, warnings } = await opened({ metrics, trace }, graph);
  assertEquals(telemetry, NO_TELEMETRY);
  assertEquals(warnings.length, 1);
});
