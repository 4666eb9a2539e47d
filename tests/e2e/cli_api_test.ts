import { assert, assertEquals, assertMatch } from "@std/assert";
import { stateClient } from "millrace/client";
import { FLOW_CONFIG, flowFile, folderOf, runCli, startCli } from "../support/cli.ts";

/** A line of metrics: its labels, and its value. */
function metric(text: string, name: string, ...labels: string[]): number | null {
  const line = text.split("\n").find((line) =>
    line.startsWith(`millrace_${name}`) && labels.every((label) => line.includes(label))
  );
  return line === undefined ? null : Number(line.slice(line.lastIndexOf(" ") + 1));
}

Deno.test("--api answers while a flow runs, and leaves nothing behind", async () => {
  const args = [`${flowFile("endless.ts")}:takes`, "-w2", "--api=0", "--epoch-interval=200ms"];
  await using cli = startCli([...args, "--log-level=info"]);
  const [base] = await cli.stderr.line(/http:\/\/127\.0\.0\.1:\d+/);
  await cli.stderr.line(/flow running/);
  const get = async (path: string) => {
    const response = await fetch(base + path);
    return { status: response.status, text: await response.text() };
  };
  assertEquals((await get("/readyz")).status, 200);
  // Until both workers have told how they stand, and an epoch has been committed.
  let text = "";
  for (let isThere = false; !isThere;) {
    ({ text } = await get("/metrics"));
    isThere = ["0", "1"].every((worker) =>
      (metric(text, "step_items_out_total", `kind="input"`, `worker="${worker}"`) ?? 0) > 0
    ) && (metric(text, "epoch{") ?? 0) > 0;
  }
  assert(metric(text, "worker_resident_bytes")! > 1e6);
  assertEquals(metric(text, "running"), 1);
  const { status, text: health } = await get("/healthz");
  assertEquals([status, JSON.parse(health).ok], [200, true]);
  assertEquals(JSON.parse((await get("/graph")).text).steps[0].kind, "input");
  cli.kill("SIGTERM");
  assertEquals((await cli.finished()).code, 0);
});

Deno.test("--api shows what users measure, on all workers", async () => {
  await using folder = await folderOf({
    "deno.json": FLOW_CONFIG,
    "flow.ts": `
      import { Dataflow, ManualInputConfig, StdOutputConfig } from "millrace";
      const flow = new Dataflow("measuring");
      const odd = flow.meter("evens").counter("odd_numbers_total", { labels: ["last"] });
      const numbers = new ManualInputConfig(async function* (workerIndex) {
        for (let n = 1; n <= 10; n++) yield [null, 2 * n + workerIndex];
        await new Promise(() => {});
      });
      export default flow.input("in", numbers).filter((n) => {
        if (n % 2 === 1) odd.add(1, { last: n % 10 });
        return n % 2 === 0;
      }, { id: "evens" }).capture(new StdOutputConfig());
    `,
  });
  await using cli = startCli([`${folder.path}/flow.ts`, "-w2", "--api=0", "--log-level=info"]);
  const [base] = await cli.stderr.line(/http:\/\/127\.0\.0\.1:\d+/);
  await cli.stderr.line(/flow running/);
  let text = "";
  while (metric(text, "user_odd_numbers_total{", `last="1"`) !== 2) {
    text = await (await fetch(`${base}/metrics`)).text();
  }
  const lines = text.split("\n").filter((line) => line.startsWith("millrace_user_"));
  assertEquals(
    lines.toSorted(),
    [1, 3, 5, 7, 9].map((last) =>
      `millrace_user_odd_numbers_total{flow="measuring",step="evens",worker="1",last="${last}"} 2`
    ),
  );
  cli.kill("SIGTERM");
  assertEquals((await cli.finished()).code, 0);
});

Deno.test("--api shows the state of keys while a flow runs, on whatever worker they are", async () => {
  await using folder = await folderOf({
    "deno.json": FLOW_CONFIG,
    "flow.ts": `
      import {
        Dataflow, EventClockConfig, ManualInputConfig, StdOutputConfig, TumblingWindowConfig,
      } from "millrace";
      const numbers = new ManualInputConfig(async function* () {
        for (let n = 0;; n++) {
          if (n % 1000 === 0) await new Promise((resolve) => setTimeout(resolve, 10));
          yield [null, n];
        }
      });
      const keyed = new Dataflow("state").input("in", numbers)
        .map((n) => ["key " + n % 10, n]);
      keyed.statefulMap("count", () => 0, (count) => [count + 1, null]).filter(() => false)
        .capture("counts", new StdOutputConfig());
      export default keyed.countWindow(
        "windows",
        new EventClockConfig({ getTime: (n) => n, wait: 0 }),
        new TumblingWindowConfig({ length: { hours: 1 } }),
      ).filter(() => false).capture("windowed", new StdOutputConfig());
    `,
  });
  await using cli = startCli([`${folder.path}/flow.ts`, "-w2", "--api=0", "--log-level=info"]);
  const [base] = await cli.stderr.line(/http:\/\/127\.0\.0\.1:\d+/);
  await cli.stderr.line(/flow running/);
  const get = async (path: string) => await (await fetch(base + path)).json();
  const keys = Array.from({ length: 10 }, (_, i) => `key ${i}`);
  // Until both workers have had all keys.
  let steps: { step: string; keys: number }[] = [];
  while (steps.length < 2 || steps.some((step) => step.keys < 10)) {
    ({ steps } = await get("/state"));
  }
  const page: { keys: { key: string; worker: number }[] } = await get("/state/count");
  assertEquals(page.keys.map(({ key }) => key).toSorted(), keys);
  assertEquals(new Set(page.keys.map(({ worker }) => worker)), new Set([0, 1]));
  for (const { key, worker } of page.keys) {
    const one = await get(`/state/count/${encodeURIComponent(key)}`);
    assertEquals([one.key, one.worker, one.value > 0], [key, worker, true]);
  }
  const { value: { windows: [{ from, value }] } } = await get("/state/windows?key=key%201");
  assertEquals([from, value > 0], ["1970-01-01T00:00:00.000Z", true]);
  cli.kill("SIGTERM");
  assertEquals((await cli.finished()).code, 0);
});

Deno.test("a client finds and watches keys of both workers, and stays when the flow is started again", async () => {
  await using folder = await folderOf({
    "deno.json": FLOW_CONFIG,
    "flow.ts": `
      import { existsSync } from "node:fs";
      import { Dataflow, ManualInputConfig, StdOutputConfig } from "millrace";
      const numbers = new ManualInputConfig(async function* () {
        for (let n = 0;; n++) {
          if (n % 1000 === 0) await new Promise((resolve) => setTimeout(resolve, 10));
          yield [null, n];
        }
      });
      export default new Dataflow("state").input("in", numbers)
        .map((n) => {
          if (n % 1000 === 0 && existsSync(import.meta.dirname + "/fail")) throw new Error("told to");
          return ["key " + n % 10, n];
        })
        .statefulMap("count", () => new Map(), (of) => [of.set("n", (of.get("n") ?? 0n) + 1n), null])
        .filter(() => false)
        .capture("out", new StdOutputConfig());
    `,
  });
  const token = "a token";
  await using cli = startCli(
    [`${folder.path}/flow.ts`, "-w2", "--api=0", "--log-level=info", "--restart=5"],
    { env: { MILLRACE_API_TOKEN: token } },
  );
  const [url] = await cli.stderr.line(/http:\/\/127\.0\.0\.1:\d+/);
  await cli.stderr.line(/flow running/);
  const step = stateClient(url, { token }).step<Map<string, bigint>>("count");
  const workers = new Set<number>();
  while (workers.size < 2) {
    for await (const page of step.keys({ limit: 3 })) {
      for (const { worker } of page) workers.add(worker);
    }
  }
  const deadline = new AbortController();
  const timer = setTimeout(() => deadline.abort(), 20_000);
  const watch = async (key: string, isEnough: (n: bigint, before: bigint) => boolean) => {
    let before = -1n;
    for await (const pairs of step.watch(key, { signal: deadline.signal })) {
      if (pairs === undefined) continue;
      const n = BigInt(new Map(pairs).get("n")!);
      if (n === before) throw new Error(`${n} came twice`);
      if (isEnough(n, before)) return n;
      before = n;
    }
    throw new Error("the watch has ended");
  };
  // Three changes of a key on either worker.
  const owned = new Map(
    (await Array.fromAsync(step.keys())).flat().map((each) => [
      each.worker,
      each.key,
    ]),
  );
  for (const key of owned.values()) {
    let changes = 0;
    await watch(key, () => ++changes === 3);
  }
  // The state begins again from nothing, as there is no store. The client notices nothing else.
  const fail = `${folder.path}/fail`;
  const { promise: isFar, resolve } = Promise.withResolvers<void>();
  const restarted = watch("key 3", (n, before) => {
    if (n > 10_000n) resolve();
    return n < before;
  });
  await isFar;
  await Deno.writeTextFile(fail, "");
  await cli.stderr.line(/is started again/);
  await Deno.remove(fail);
  await restarted;
  clearTimeout(timer);
  cli.kill("SIGTERM");
  assertEquals((await cli.finished()).code, 0);
});

Deno.test("--api answers between the restarts of a failing flow", async () => {
  const args = [`${flowFile("failing.ts")}:inMap`, "--api=0", "--restart=5"];
  await using cli = startCli([...args, "--log-level=info"]);
  const [base] = await cli.stderr.line(/http:\/\/127\.0\.0\.1:\d+/);
  await cli.stderr.line(/is started again/);
  const ready = await fetch(`${base}/readyz`);
  const { checks: [{ found }] } = await ready.json();
  assertEquals([ready.status, ["restarting", "starting"].includes(found)], [503, true]);
  const metrics = await (await fetch(`${base}/metrics`)).text();
  assert(metric(metrics, "restarts_total")! >= 1);
  cli.kill("SIGTERM");
  await cli.finished();
});

Deno.test("--api refuses what it cannot listen at", async () => {
  for (
    const [given, error] of [
      ["many", /--api must be a port, or an address and a port/],
      ["70000", /--api must be a port/],
      ["0.0.0.0:8080", /can be reached by others, so it needs a token: set MILLRACE_API_TOKEN/],
    ] as const
  ) {
    const { code, stderr } = await runCli([flowFile("numbers.ts"), `--api=${given}`]);
    assertEquals(code, 2);
    assertMatch(stderr, error);
  }
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  const { code, stderr } = await runCli([flowFile("numbers.ts"), `--api=${port}`]);
  assertEquals(code, 1);
  assertMatch(stderr, new RegExp(`^error: cannot listen at 127\\.0\\.0\\.1:${port}: `));
});

Deno.test("--api says that a run is over while its workers still leave", async () => {
  await using folder = await folderOf({
    "deno.json": FLOW_CONFIG,
    "flow.ts": `
      import { Dataflow, StdOutputConfig, TestingInputConfig } from "millrace";
      // The last that a worker does: it does not leave before the test says so.
      addEventListener("unload", () => {
        const names = () => [...Deno.readDirSync(import.meta.dirname)].map(({ name }) => name);
        const nobody = new Int32Array(new SharedArrayBuffer(4));
        while (!names().includes("release")) Atomics.wait(nobody, 0, 0, 10);
      });
      export default new Dataflow("over").input("in", new TestingInputConfig([1]))
        .capture("out", new StdOutputConfig());
    `,
  });
  await using cli = startCli([`${folder.path}/flow.ts`, "--api=0", "--log-level=info"]);
  const [base] = await cli.stderr.line(/http:\/\/127\.0\.0\.1:\d+/);
  for (let isOver = false; !isOver;) {
    const response = await fetch(`${base}/readyz`);
    isOver = (await response.text()).includes(`"found":"over"`);
    if (isOver) assertEquals(response.status, 503);
  }
  await Deno.writeTextFile(`${folder.path}/release`, "");
  assertEquals((await cli.finished()).code, 0);
});

Deno.test("--api says at the start which broker is waited for", async () => {
  using silent = Deno.listen({ hostname: "127.0.0.1", port: 0 }); // accepts, and never answers
  const { port } = silent.addr as Deno.NetAddr;
  await using folder = await folderOf({
    "deno.json": FLOW_CONFIG,
    "flow.ts": `
      import { Dataflow, KafkaInputConfig, StdOutputConfig } from "millrace";
      const input = new KafkaInputConfig({
        brokers: ["127.0.0.1:${port}"],
        topic: "away",
        additionalProperties: { "socket.connection.setup.timeout.ms": "1000" },
      });
      export default new Dataflow("waits").input("in", input)
        .map(() => "").capture("out", new StdOutputConfig());
    `,
  });
  await using cli = startCli([`${folder.path}/flow.ts`, "--api=0", "--log-level=info"]);
  const [base] = await cli.stderr.line(/http:\/\/127\.0\.0\.1:\d+/);
  const get = async (path: string) => await (await fetch(base + path)).text();
  while (metric(await get("/metrics"), "waiting_seconds", `for="broker"`) === null);
  const health = JSON.parse(await get("/healthz"));
  assertEquals(health.checks[0].found, "starting");
  assertMatch(health.checks[1].found, /^waiting for broker for \d+ s$/);
  cli.kill("SIGTERM");
  await cli.finished();
});

Deno.test("clients that take all files of the process end neither the run nor its port", async () => {
  await using cli = startCli(
    [`${flowFile("endless.ts")}:takes`, "--api=0", "--log-level=info"],
    { mostFiles: 64 },
  );
  const [base] = await cli.stderr.line(/http:\/\/127\.0\.0\.1:\d+/);
  await cli.stderr.line(/flow running/);
  const port = Number(new URL(base).port);
  const conns: Deno.Conn[] = [];
  const open = async () => {
    // The last ones are refused: the port is closed for a moment.
    for (let i = 0; i < 64; i++) conns.push(await Deno.connect({ hostname: "127.0.0.1", port }));
  };
  await open().catch(() => {});
  await cli.stderr.line(/the operations port could not go on/);
  for (const conn of conns) conn.close();
  let status = 0;
  while (status !== 200) {
    const answer = await fetch(`${base}/readyz`).catch(() => null); // until it listens again
    status = answer?.status ?? 0;
    await answer?.body?.cancel();
  }
  cli.kill("SIGTERM");
  assertEquals((await cli.finished()).code, 0);
});
