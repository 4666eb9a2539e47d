import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { keyGroupOf, ownersOf } from "../../src/core/key_groups.ts";
import { encodeValue } from "../../src/core/value_codec.ts";
import type { StateAnswer, StateQuestion } from "../../src/ops/state_question.ts";
import type { RunSource, RunView } from "../../src/ops/run_view.ts";
import { serveApi } from "../../src/ops/server.ts";
import { BUSY_RUN } from "../support/ops/busy_run.ts";

const nobody = () => Promise.reject(new Error("worker 0 is not there"));

/** Two workers' keys, of which the second has those of the groups that are its own. */
const KEYS: Record<string, unknown>[] = [{}, {}];
for (const [key, state] of [["ada", 1], ["a/b", 2n], ["", new Map([["x", 3]])], ["eve", 4]]) {
  KEYS[ownersOf(2)[keyGroupOf(key as string)]][key as string] = state;
}

/** Answers for them as workers do. */
function answer(worker: number, question: StateQuestion): Promise<StateAnswer> {
  const all = question.kind !== "steps" && question.step === "sum" ? KEYS[worker] : {};
  const names = question.kind === "key"
    ? Object.keys(all).filter((key) => key === question.key)
    : question.kind === "keys"
    ? Object.keys(all).slice(question.from, question.from + question.count)
    : [];
  return Promise.resolve({
    steps: question.kind === "steps"
      ? [{ step: "sum", keys: Object.keys(KEYS[worker]).length }]
      : [],
    states: names.map((key) => ({ key, state: encodeValue(all[key]) })),
  });
}

/** A port of a run. */
async function api(view: Partial<RunView> = {}, token?: string, ask: RunSource["ask"] = nobody) {
  const now = () => 5_000;
  const source = { view: () => ({ ...BUSY_RUN, ...view }), now, ask };
  const server = await serveApi({ port: 0, ...token === undefined ? {} : { token } }, source);
  return {
    get: async (path: string, init: RequestInit = {}) => {
      const response = await fetch(new URL(path, server.url), init);
      return { response, text: await response.text() };
    },
    open: (path: string) => fetch(new URL(path, server.url)),
    /** The status of an answer to a request under another name, which `fetch` cannot make. */
    under: async (host: string, path: string) => {
      using conn = await Deno.connect({
        hostname: "127.0.0.1",
        port: Number(new URL(server.url).port),
      });
      const request = `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`;
      await conn.write(new TextEncoder().encode(request));
      const answer = await new Response(conn.readable).text();
      return Number(/^HTTP\/1\.1 (\d+)/.exec(answer)![1]);
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
      `millrace_step_items_out_total{${flow},step="counts",kind="window",worker="0"} 2`,
      `millrace_late_values_total{${flow},step="counts",worker="0"} 1`,
      `millrace_input_lag_items{${flow},step="in",partition="orders/3",worker="0"} 17`,
      `millrace_input_lag_seconds{${flow},step="in",partition="orders/3",worker="0"} 2.5`,
      `millrace_event_time_seconds{${flow},step="counts",worker="0"} 1.5`,
      `millrace_event_time_lag_seconds{${flow},step="counts",worker="0"} 3.5`,
      `millrace_event_time_held{${flow},step="counts",source="orders/3 of in",worker="0"} 1`,
      `millrace_stage_busy_seconds_total{${flow},stage="0",step="in",worker="0"} 1.5`,
      `millrace_stage_backpressured_seconds_total{${flow},stage="0",step="in",worker="0"} 0.5`,
      `millrace_stage_idle_seconds_total{${flow},stage="1",step="counts",worker="0"} 10`,
      `millrace_stage_queued_items{${flow},stage="1",step="counts",worker="0"} 3`,
      `millrace_state_keys{${flow},step="sums",worker="0"} 1`,
      `millrace_state_bytes{${flow},step="counts",worker="0"} 96`,
      `millrace_open_windows{${flow},step="counts",worker="0"} 5`,
      `millrace_epoch{${flow}} 7`,
      `millrace_step_restarts_total{${flow},step="counts"} 1`,
      `millrace_epoch_alignment_seconds{${flow}} 0.2`,
      `millrace_epoch_store_seconds{${flow}} 0.05`,
      `millrace_epoch_bytes{${flow}} 4096`,
      `millrace_input_lag_age_seconds{${flow},step="in",partition="orders/3",worker="0"} 0.4`,
      `millrace_output_prepare_seconds{${flow},step="out",worker="0"} 0.12`,
      `millrace_open_transactions{${flow},step="out",worker="0"} 2`,
      `millrace_open_transaction_age_seconds{${flow},step="out",worker="0"} 1.25`,
      `millrace_reconnects_total{${flow},step="in",broker="kafka:9092",worker="0"} 2`,
      `millrace_throttled_seconds_total{${flow},step="in",broker="kafka:9092",worker="0"} 1.25`,
      `millrace_store_reconnects_total{${flow},broker="store:9092"} 1`,
      `millrace_store_throttled_seconds_total{${flow},broker="store:9092"} 0.5`,
      `millrace_epoch_age_seconds{${flow}} 4`,
      `millrace_epoch_duration_seconds{${flow}} 0.25`,
      `millrace_worker_resident_bytes{${flow},worker="0"} 1000`,
      `millrace_worker_heap_bytes{${flow},worker="0"} 500`,
      `millrace_waiting_seconds{${flow},for="broker"} 3`,
    ]
  ) assert(lines.includes(line), `${line}\nis not in\n${text}`);
  const again = await port.get("/metrics"); // a counter is not added up
  assertEquals(again.text, text);
  // Parts of a step are not steps: the graph and the dashboard do not know them.
  assertEquals(lines.filter((line) => line.includes('step="counts.late"')), []);
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
    checks: [
      { name: "phase", ok: true, found: "starting" },
      { name: "connections", ok: true, found: "waiting for broker for 3 s" },
    ],
  }]);
  assertEquals((await port.get("/readyz")).response.status, 503);
  assertEquals((await port.get("/startupz")).response.status, 503);
  const excluded = await port.get("/healthz?exclude=connections&exclude=phase");
  assertEquals([excluded.response.status, excluded.text], [200, healthy.text]);
  const unknown = await port.get("/healthz?exclude=broker");
  assertEquals([unknown.response.status, unknown.text], [
    400,
    "exclude must be one of phase, workers, epochs, connections\n",
  ]);
  assertEquals((await port.get("/graph")).response.status, 503);
});

Deno.test("the tasks of a machine are there if it is part of a group", async () => {
  await using port = await api();
  const { app, tasks, members, standbys } = JSON.parse((await port.get("/tasks")).text);
  assertEquals(standbys, [{ task: "totals_3", worker: 1, lag: 5, hasFailed: false }]);
  assertEquals([app, tasks.length, tasks[2].restored], ["orders", 3, { done: 30, total: 120 }]);
  assertEquals(members[0].commit, { epoch: 7, ageMs: 4_500, ms: 12 }); // at 500 of 5,000
  await using alone = await api({ group: null });
  const none = await alone.get("/tasks");
  assertEquals(none.response.status, 404);
  assertStringIncludes(none.text, "does not run in a group");
});

Deno.test("the graph is that of the flow; other paths are not there", async () => {
  await using port = await api();
  assertEquals(JSON.parse((await port.get("/graph")).text), BUSY_RUN.graph);
  assertEquals((await port.get("/elsewhere")).response.status, 404);
  const posted = await port.get("/healthz", { method: "POST", body: "x" });
  assertEquals(posted.response.status, 404);
});

Deno.test("in a group, a key is found on whatever worker its task runs", async () => {
  const swapped: RunSource["ask"] = (worker, question) => answer(1 - worker, question);
  await using port = await api({}, undefined, swapped);
  for (const [key, value] of [["ada", 1], ["eve", 4]]) {
    assertEquals(JSON.parse((await port.get(`/state/sum/${key}`)).text).value, value);
  }
  assertEquals((await port.get("/state/sum/bob")).response.status, 404);
});

Deno.test("the state of a key is asked of the worker that owns it", async () => {
  await using port = await api({ group: null }, undefined, answer);
  const of = async (path: string) => {
    const { response, text } = await port.get(path);
    return response.status === 200 ? JSON.parse(text).value : response.status;
  };
  assertEquals(await of("/state/sum/ada"), 1);
  assertEquals(await of("/state/sum/a%2Fb"), "2");
  assertEquals(await of("/state/sum?key=a%2Fb"), "2");
  assertEquals(await of("/state/sum?key="), [["x", 3]]);
  assertEquals(await of("/state/sum/bob"), 404);
  assertEquals(await of("/state/other/ada"), 404);
});

Deno.test("the keys of a step are shown page by page, each once", async () => {
  await using port = await api({}, undefined, answer);
  assertEquals(JSON.parse((await port.get("/state")).text), { steps: [{ step: "sum", keys: 4 }] });
  for (const limit of [1, 2, 3, 4, 100]) {
    const keys: string[] = [];
    let next: string | null = "0-0";
    while (next !== null) {
      const { text } = await port.get(`/state/sum?limit=${limit}&after=${next}`);
      const page: { keys: { key: string }[]; next: string | null } = JSON.parse(text);
      assert(page.keys.length <= limit);
      keys.push(...page.keys.map(({ key }) => key));
      ({ next } = page);
    }
    assertEquals(keys.toSorted(), ["", "a/b", "ada", "eve"]);
  }
});

Deno.test("a page whose keys are too large for one answer has fewer, and none is left out", async () => {
  const one: RunSource["ask"] = async (worker, question) => {
    const { steps, states } = await answer(worker, question);
    return states.length < 2 ? { steps, states } : { steps, states: [states[0]], isCut: true };
  };
  await using port = await api({}, undefined, one);
  const keys: string[] = [];
  let next: string | null = "0-0";
  for (let pages = 0; next !== null && pages < 9; pages++) {
    const { text } = await port.get(`/state/sum?after=${next}`);
    const page: { keys: { key: string }[]; next: string | null } = JSON.parse(text);
    keys.push(...page.keys.map(({ key }) => key));
    ({ next } = page);
  }
  assertEquals([keys.toSorted(), next], [["", "a/b", "ada", "eve"], null]);
});

Deno.test("wrong questions about state are refused, and a worker that is away is named", async () => {
  await using port = await api({}, undefined, answer);
  for (const query of ["limit=0", "limit=many", "limit=1001", "after=x", "after=1-2-3"]) {
    assertEquals((await port.get(`/state/sum?${query}`)).response.status, 400);
  }
  assertEquals((await port.get("/state/other")).response.status, 404);
  await using without = await api();
  const { response, text } = await without.get("/state/sum/ada");
  assertEquals([response.status, text], [503, "worker 0 is not there\n"]);
  await using over = await api({ phase: "over" }, undefined, answer);
  for (const path of ["/state", "/state/sum", "/state/sum/ada"]) {
    const found = await over.get(path);
    assertEquals([found.response.status, found.text], [
      503,
      "the flow does not run any more: its recovery store has its state, see `cli.ts state`\n",
    ]);
  }
  assertEquals(await port.under("evil.example", "/state"), 421);
  assertEquals(await port.under("evil.example", "/metrics"), 421);
  assertEquals(await port.under("10.1.2.3:8080", "/healthz"), 200);
});

Deno.test("a key is watched over server-sent events, and the port closes meanwhile", async () => {
  const port = await api({}, undefined, answer);
  const readers: ReadableStreamDefaultReader<Uint8Array>[] = [];
  try {
    for (const path of ["/state/sum?key=a%2Fb&watch", "/state/sum/a%2Fb?watch=1"]) {
      const { headers, body } = await port.open(path);
      assertEquals(headers.get("content-type"), "text/event-stream");
      assertEquals(headers.get("cache-control"), "no-store");
      const reader = body!.getReader();
      readers.push(reader);
      const { value } = await reader.read();
      const [event, data] = new TextDecoder().decode(value).split("\n");
      assertEquals(event, "event: state");
      assertEquals(JSON.parse(data.slice("data: ".length)).value, "2");
    }
    assertEquals((await port.get("/state/other?key=a&watch")).response.status, 404);
    assertEquals((await port.get("/state/sum?key=a&watch", { method: "HEAD" })).text, "");
  } finally {
    await port[Symbol.asyncDispose](); // though both streams are open
  }
  // The connection may be closed before the end of the stream has been sent.
  const isOver = (reader: typeof readers[0]) =>
    reader.read().then(({ done }) => done, (error) => error instanceof TypeError);
  for (const reader of readers) assertEquals(await isOver(reader), true);
});

Deno.test("a missing key is told from a missing step", async () => {
  await using port = await api({}, undefined, answer);
  const missing = async (path: string) => {
    const { response, text } = await port.get(path);
    return [response.status, response.headers.get("millrace-missing"), text];
  };
  const key = "the step has no state for that key\n";
  assertEquals(await missing("/state/sum?key=bob"), [404, "key", key]);
  assertEquals(await missing("/state/other?key=bob"), [
    404,
    null,
    'no step of the name "other" has state; these have: "sum"\n',
  ]);
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
  await using port = await api({ group: null }, "s3cret");
  const headers = { authorization: "Bearer s3cret" };
  for (const path of ["/", "/graph", "/metrics", "/healthz", "/readyz", "/startupz"]) {
    assertEquals((await port.get(path)).response.status, 401);
    assertEquals((await port.get(path, { headers })).response.status, 200);
  }
});

Deno.test("an address that others can reach needs a token", async () => {
  const source = { view: () => BUSY_RUN, now: () => 0, ask: nobody };
  for (const token of [undefined, ""]) {
    const options = { host: "0.0.0.0", port: 0, ...token === undefined ? {} : { token } };
    await assertRejects(() => serveApi(options, source), TypeError, "needs a token");
  }
});

Deno.test("a port that is taken is named", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  const source = { view: () => BUSY_RUN, now: () => 0, ask: nobody };
  const error = await assertRejects(
    () => serveApi({ port }, source),
    Error,
    `cannot listen at 127.0.0.1:${port}: `,
  );
  assert(error.message.endsWith("; choose another port"), error.message);
});

Deno.test("the port closes though a client holds its connection open", async () => {
  const source = { view: () => BUSY_RUN, now: () => 0, ask: nobody };
  const server = await serveApi({ port: 0 }, source);
  const { port } = new URL(server.url);
  using _conn = await Deno.connect({ hostname: "127.0.0.1", port: Number(port) });
  await server[Symbol.asyncDispose]();
  Deno.listen({ hostname: "127.0.0.1", port: Number(port) }).close();
});

Deno.test("a browser that has sent the token gets a cookie, which opens each route", async () => {
  await using port = await api({}, "s3cret");
  const form = (token: string) => ({
    method: "POST",
    body: new URLSearchParams({ token }),
    redirect: "manual" as const,
  });
  const asked = await port.get("/");
  assertStringIncludes(asked.text, "<form");
  assertEquals((await port.get("/sign-in", form("wrong"))).response.status, 401);
  assertEquals((await port.get("/sign-in", form(""))).response.status, 401);
  assertEquals((await port.get("/sign-in", form("s".repeat(100_000)))).response.status, 401);
  assertEquals(
    (await port.get("/sign-in", { method: "POST", body: "s3cret" })).response.status,
    401,
  );
  assertEquals((await port.get("/sign-in")).response.status, 404); // nothing is changed by GET
  const { response } = await port.get("/sign-in", form("s3cret"));
  const given = response.headers.get("set-cookie")!;
  assertEquals([response.status, response.headers.get("location")], [303, "/"]);
  assertStringIncludes(given, "; Path=/; HttpOnly; SameSite=Strict");
  assertEquals(given.includes("s3cret"), false);
  const [cookie] = given.split(";");
  const paths = ["/", "/page.js", "/page.css", "/graph", "/graph/layout", "/metrics", "/healthz"];
  for (const path of paths) {
    assertEquals((await port.get(path)).response.status, 401);
    assertEquals((await port.get(path, { headers: { cookie } })).response.status, 200);
    const wrong = { cookie: `${cookie.slice(0, -1)}x` };
    assertEquals((await port.get(path, { headers: wrong })).response.status, 401);
  }
  const out = await port.get("/sign-out", {
    method: "POST",
    redirect: "manual",
    headers: { cookie },
  });
  assertStringIncludes(out.response.headers.get("set-cookie")!, "Max-Age=0");
});

Deno.test("only the port's own page may sign in", async () => {
  await using port = await api({}, "s3cret");
  const from = async (origin: string) => {
    const body = new URLSearchParams({ token: "s3cret" });
    const init = { method: "POST", body, headers: { origin }, redirect: "manual" as const };
    return (await port.get("/sign-in", init)).response.status;
  };
  assertEquals(await from("http://evil.example"), 403);
  assertEquals(await from("null"), 403);
  const own = new URL((await port.get("/")).response.url).origin;
  assertEquals(await from(own), 303);
});

Deno.test("paths and headers that are over-long are refused", async () => {
  await using port = await api({}, undefined, answer);
  const long = "x".repeat(20_000);
  assertEquals((await port.get(`/state/sum?key=${long}`)).response.status, 414);
  assertEquals((await port.get(`/state/sum?key=${"x".repeat(10_000)}`)).response.status, 404);
  assertEquals(await port.under(`${"x".repeat(5_000)}.example`, "/graph"), 421);
  const cookie = `millrace=${"x".repeat(1_000_000)}`;
  assertEquals((await port.get("/graph", { headers: { cookie } })).response.status, 400);
});

Deno.test("boxes and arrows of the graph have their places, whichever way items go", async () => {
  await using port = await api();
  for (const [direction, axis] of [["right", "x"], ["down", "y"]] as const) {
    const { text } = await port.get(`/graph/layout?direction=${direction}`);
    const { boxes, arrows } = JSON.parse(text);
    const [reading, counting] = boxes;
    assertEquals([reading.stage, counting.stage], [0, 1]);
    assert(reading[axis] + 50 < counting[axis]);
    assertEquals(arrows.length, 1);
    const { from, to, isExchanged, points } = arrows[0];
    assertEquals([from, to, isExchanged, points.length % 3], [0, 1, true, 1]);
  }
});

/** Reads events until one of a name. */
async function eventsUntil(response: Response, name: string): Promise<string[]> {
  const names: string[] = [];
  let text = "";
  for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    for (let end; (end = text.indexOf("\n\n")) >= 0; text = text.slice(end + 2)) {
      names.push(/^event: (.*)$/m.exec(text.slice(0, end))![1]);
      if (names.at(-1) === name) return names;
    }
  }
  throw new Error(`no ${name} among ${names.join(", ")}`);
}

Deno.test("a client of /events gets the last minute, each status, and the end", async () => {
  const source = { view: () => BUSY_RUN, now: () => 5_000, ask: nobody };
  const server = await serveApi({ port: 0 }, source);
  const response = await fetch(new URL("events", server.url));
  assertEquals(response.headers.get("content-type"), "text/event-stream");
  const heard = eventsUntil(response, "end");
  const closed = server[Symbol.asyncDispose]();
  const names = await heard;
  assertEquals([names[0], names[1], names.at(-2)], ["history", "status", "status"]);
  await closed;
});

Deno.test("a question for the headers of /events alone takes no client's place", async () => {
  await using port = await api();
  for (let i = 0; i < 101; i++) {
    const { response } = await port.get("/events", { method: "HEAD" });
    assertEquals(response.headers.get("content-type"), "text/event-stream");
  }
  const response = await port.open("/events");
  assertEquals(response.status, 200);
  await response.body!.cancel();
});

Deno.test("the port closes within a second or so though a client of /events reads nothing", async () => {
  const source = { view: () => BUSY_RUN, now: () => 5_000, ask: nobody };
  const server = await serveApi({ port: 0 }, source);
  const { port } = new URL(server.url);
  using conn = await Deno.connect({ hostname: "127.0.0.1", port: Number(port) });
  const request = `GET /events HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`;
  await conn.write(new TextEncoder().encode(request));
  await conn.read(new Uint8Array(1)); // it is answered
  await server[Symbol.asyncDispose]();
  Deno.listen({ hostname: "127.0.0.1", port: Number(port) }).close();
});
