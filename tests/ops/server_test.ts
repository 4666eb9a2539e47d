import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import type { RunView } from "../../src/ops/run_view.ts";
import { serveApi } from "../../src/ops/server.ts";

const VIEW: RunView = {
  phase: "running",
  flow: 'a "flow"',
  graph: { name: "flow", steps: [] },
  restarts: 2,
  workers: [
    {
      unanswered: 0,
      steps: [
        { stepId: "in", kind: "input", in: 0, out: 5 },
        { stepId: "counts.late", kind: "late", in: 5, out: 1 },
      ],
      memory: { rss: 1_000, heapUsed: 500 },
      lag: [{ step: "in", partition: "orders/3", items: 17 }],
      eventTimes: [{ step: "counts", time: 1_500, heldBy: "orders/3 of in" }],
    },
    { unanswered: 3, steps: [], memory: null, lag: [], eventTimes: [] },
  ],
  epoch: { epoch: 7, at: 1_000, ms: 250, intervalMs: 10_000 },
  waiting: { what: ["broker"], since: 2_000 },
};

/** A port of a run. */
async function api(view: Partial<RunView> = {}, token?: string) {
  const now = () => 5_000;
  const source = { view: () => ({ ...VIEW, ...view }), now };
  const server = await serveApi({ port: 0, ...token === undefined ? {} : { token } }, source);
  return {
    get: async (path: string, init: RequestInit = {}) => {
      const response = await fetch(new URL(path, server.url), init);
      return { response, text: await response.text() };
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

Deno.test("metrics are those of the run, with its labels", async () => {
  await using port = await api();
  const { response, text } = await port.get("/metrics");
  assertEquals(response.headers.get("content-type"), "text/plain; version=0.0.4; charset=utf-8");
  const lines = text.split("\n").filter((line) => !line.startsWith("#") && line !== "");
  const flow = String.raw`flow="a \"flow\""`;
  for (
    const line of [
      `millrace_running{${flow}} 1`,
      `millrace_workers{${flow}} 2`,
      `millrace_worker_unanswered{${flow},worker="1"} 3`,
      `millrace_restarts_total{${flow}} 2`,
      `millrace_step_items_out_total{${flow},step="in",kind="input",worker="0"} 5`,
      `millrace_late_values_total{${flow},step="counts",worker="0"} 1`,
      `millrace_input_lag_items{${flow},step="in",partition="orders/3",worker="0"} 17`,
      `millrace_event_time_seconds{${flow},step="counts",worker="0"} 1.5`,
      `millrace_event_time_held{${flow},step="counts",source="orders/3 of in",worker="0"} 1`,
      `millrace_epoch{${flow}} 7`,
      `millrace_epoch_age_seconds{${flow}} 4`,
      `millrace_epoch_duration_seconds{${flow}} 0.25`,
      `millrace_worker_resident_bytes{${flow},worker="0"} 1000`,
      `millrace_worker_heap_bytes{${flow},worker="0"} 500`,
      `millrace_waiting_seconds{${flow},for="broker"} 3`,
    ]
  ) assert(lines.includes(line), `${line}\nis not in\n${text}`);
  const again = await port.get("/metrics"); // a counter is not added up
  assertEquals(again.text, text);
});

Deno.test("metrics are there before the flow is loaded", async () => {
  await using port = await api({
    phase: "starting",
    flow: null,
    workers: [],
    epoch: null,
    waiting: null,
  });
  const { response, text } = await port.get("/metrics");
  assertEquals(response.status, 200);
  assertStringIncludes(text, "\nmillrace_running 0\n");
});

Deno.test("probes answer with what was checked", async () => {
  await using port = await api({ phase: "starting", graph: null });
  const healthy = await port.get("/healthz");
  assertEquals([healthy.response.status, JSON.parse(healthy.text)], [200, {
    ok: true,
    checks: [{ name: "phase", ok: true, found: "starting" }],
  }]);
  assertEquals((await port.get("/readyz")).response.status, 503);
  assertEquals((await port.get("/startupz")).response.status, 503);
  assertEquals((await port.get("/graph")).response.status, 503);
});

Deno.test("the graph is that of the flow; other paths are not there", async () => {
  await using port = await api();
  assertEquals(JSON.parse((await port.get("/graph")).text), VIEW.graph);
  assertStringIncludes((await port.get("/")).text, "/metrics");
  assertEquals((await port.get("/elsewhere")).response.status, 404);
  const posted = await port.get("/healthz", { method: "POST", body: "x" });
  assertEquals(posted.response.status, 404);
});

Deno.test("answers are kept by nobody, and run nothing", async () => {
  await using port = await api();
  for (const path of ["/", "/graph", "/metrics", "/elsewhere"]) {
    const { response: { headers } } = await port.get(path);
    assertEquals(headers.get("cache-control"), "no-store");
    assertEquals(headers.get("x-content-type-options"), "nosniff");
    assertStringIncludes(headers.get("content-security-policy") ?? "", "default-src 'none'");
  }
});

Deno.test("with a token, each route needs it", async () => {
  await using port = await api({}, "s3cret");
  const headers = { authorization: "Bearer s3cret" };
  for (const path of ["/", "/graph", "/metrics", "/healthz", "/readyz", "/startupz"]) {
    assertEquals((await port.get(path)).response.status, 401);
    assertEquals((await port.get(path, { headers })).response.status, 200);
  }
});

Deno.test("an address that others can reach needs a token", async () => {
  const source = { view: () => VIEW, now: () => 0 };
  for (const token of [undefined, ""]) {
    const options = { host: "0.0.0.0", port: 0, ...token === undefined ? {} : { token } };
    await assertRejects(() => serveApi(options, source), TypeError, "needs a token");
  }
});

Deno.test("a port that is taken is named", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  const source = { view: () => VIEW, now: () => 0 };
  await assertRejects(
    () => serveApi({ port }, source),
    Error,
    `cannot listen at 127.0.0.1:${port}: `,
  );
});

Deno.test("the port closes though a client holds its connection open", async () => {
  const source = { view: () => VIEW, now: () => 0 };
  const server = await serveApi({ port: 0 }, source);
  const { port } = new URL(server.url);
  using _conn = await Deno.connect({ hostname: "127.0.0.1", port: Number(port) });
  await server[Symbol.asyncDispose]();
  Deno.listen({ hostname: "127.0.0.1", port: Number(port) }).close();
});
