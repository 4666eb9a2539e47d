import { assert, assertEquals, assertGreater, assertMatch } from "@std/assert";
import { FLOW_CONFIG, folderOf, runCli } from "../support/cli.ts";
import { type Attributes, OtlpReceiver } from "../support/ops/otlp_receiver.ts";

const ORDERS = `
  import { Dataflow, PartitionedInputConfig, StdOutputConfig } from "millrace";
  const input = new PartitionedInputConfig({
    partitions: () => ["a", "b", "c"],
    *build() {
      for (let n = 0; n < 1_000; n++) yield [n, n];
    },
  });
  const flow = new Dataflow("orders of the shop");
  const seen = flow.meter("same").counter("numbers_seen_total", { labels: ["parity"] });
  const numbers = flow.input("in", input).map((n) => {
    seen.add(1, { parity: n % 2 === 0 ? "even" : "odd" });
    return n;
  }, { id: "same" });
  numbers.filter((n) => n === 999).capture("out", new StdOutputConfig());
  numbers.capture("sizes", {
    open: ({ meter }) => {
      const sizes = meter.histogram("number_size", { buckets: [9, 99, 499.5] });
      const last = meter.gauge("number_last");
      return Promise.resolve({
        write: (batch) => {
          for (const n of batch) {
            sizes.record(n);
            last.set(n);
          }
        },
        prepare: () => Promise.resolve(new Map()),
        close: () => Promise.resolve(),
      });
    },
  });
  export default flow;
`;

/** Which process of a run this is. */
function instanceOf(resource: Attributes): string {
  return String(resource["service.instance.id"]).replace(/^.*-(worker-\d+|coordinator)$/, "$1");
}

Deno.test("OTEL_DENO exports what a run counted, each log line once, and a span an epoch", async () => {
  await using folder = await folderOf({ "deno.json": FLOW_CONFIG, "orders.ts": ORDERS });
  await using otlp = new OtlpReceiver();
  const args = [`${folder.path}/orders.ts`, "-w2", "--epoch-interval=50ms", "--log-level=info"];
  const { code, stdout, stderr } = await runCli(args, { env: otlp.env });
  assertEquals([code, stdout], [0, "999\n999\n999\n"]);
  const workers = otlp.points("millrace_step_items_out_total", { step: "in" });
  assertEquals(workers.map(({ attributes }) => attributes.worker).toSorted(), ["0", "1"]);
  assert(workers.every(({ isCounter }) => isCounter));
  assertEquals(otlp.sum("millrace_step_items_out_total", { step: "in" }), 3_000);
  assertEquals(otlp.sum("millrace_step_items_in_total", { step: "out" }), 3);
  // The users' own, which the workers export.
  const parities = { even: 1_500, odd: 1_500 };
  for (const [parity, count] of Object.entries(parities)) {
    assertEquals(otlp.sum("millrace_user_numbers_seen_total", { parity, step: "same" }), count);
  }
  const sizes = otlp.points("millrace_user_number_size", { step: "sizes" });
  assertEquals(sizes.map(({ resource }) => instanceOf(resource)).toSorted(), [
    "worker-0",
    "worker-1",
  ]);
  assertEquals(sizes.reduce((sum, { value }) => sum + value, 0), 3 * 499_500);
  const buckets = sizes.map(({ buckets }) => buckets!);
  assertEquals(buckets[0].map((count, i) => count + buckets[1][i]), [30, 270, 1_200, 1_500]);
  assertEquals(otlp.points("millrace_user_number_last").map(({ value }) => value), [999, 999]);
  const [{ resource, attributes }] = workers;
  assertEquals(attributes.flow, "orders of the shop");
  assertEquals(resource["service.name"], "orders");
  assertMatch(String(resource["service.instance.id"]), /^[0-9a-f-]{36}-coordinator$/);
  // Once as a line on standard error, once exported.
  for (const line of ["flow loaded", "flow running", "flow finished"]) {
    const exported = otlp.logs.filter(({ text }) => text.startsWith(line));
    assertEquals(exported.map(({ severity }) => severity), ["INFO"], line);
    assertEquals(stderr.split(line).length, 2, stderr);
  }
  const epochs = otlp.spans.filter(({ name }) => name === "epoch");
  assertGreater(epochs.length, 0);
  assertEquals(
    epochs.map(({ attributes }) => attributes["millrace.epoch"]),
    epochs.map((_, i) => i),
  );
  assert(epochs.every(({ ms, parentSpanId }) => ms >= 0 && parentSpanId === ""));
});

Deno.test("OTEL_DENO exports why a run failed, and keeps the names that the user has given", async () => {
  await using folder = await folderOf({
    "deno.json": FLOW_CONFIG,
    "failing.ts": `
      import { Dataflow, StdOutputConfig, TestingInputConfig } from "millrace";
      export default new Dataflow("failing")
        .input("in", new TestingInputConfig([1]))
        .map(() => { console.warn("about to fail"); throw new Error("no such customer"); })
        .capture(new StdOutputConfig());
    `,
  });
  await using otlp = new OtlpReceiver();
  const env = {
    ...otlp.env,
    OTEL_SERVICE_NAME: "billing",
    OTEL_RESOURCE_ATTRIBUTES: "service.instance.id=pod-7,region=north",
  };
  const { code, stdout } = await runCli([`${folder.path}/failing.ts`], { env });
  assertEquals([code, stdout], [1, ""]);
  const failures = otlp.logs.filter(({ severity }) => severity === "ERROR");
  assertEquals(failures.length, 1);
  const [{ text, resource }] = failures;
  assertMatch(text, /step "map-1" failed.*no such customer/);
  const { "service.name": service, "service.instance.id": instance, region } = resource;
  assertEquals([service, instance, region], ["billing", "pod-7-coordinator", "north"]);
  // What the flow itself writes to the console, its worker exports.
  const warnings = otlp.logs.filter(({ severity }) => severity === "WARN");
  assertEquals(warnings.map(({ text, resource }) => [text, resource["service.instance.id"]]), [
    ["about to fail", "pod-7-worker-0"],
  ]);
});

Deno.test("OTEL_DENO has a fetch in mapAsync in the trace of its message, and the epoch linked", async () => {
  const received: (string | null)[] = [];
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    (request) => {
      received.push(request.headers.get("traceparent"));
      return new Response("known");
    },
  );
  const [trace, span] = ["0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"];
  await using folder = await folderOf({
    "deno.json": FLOW_CONFIG,
    "lookups.ts": `
      import { Dataflow, StdOutputConfig, TestingInputConfig } from "millrace";
      const bytes = (text) => [new TextEncoder().encode(text)];
      const messages = [
        { value: "traced", headers: { traceparent: bytes("00-${trace}-${span}-01") } },
        { value: "other", headers: {} },
      ];
      export default new Dataflow("lookups")
        .input("in", new TestingInputConfig(messages))
        .mapAsync(async ({ value }) => {
          const response = await fetch("http://127.0.0.1:${server.addr.port}/" + value);
          return value + " " + await response.text();
        })
        .capture(new StdOutputConfig());
    `,
  });
  await using otlp = new OtlpReceiver();
  const { code, stdout } = await runCli([`${folder.path}/lookups.ts`], { env: otlp.env });
  assertEquals([code, stdout], [0, "traced known\nother known\n"]);
  const requests = otlp.spans.filter(({ resource }) => instanceOf(resource) === "worker-0");
  const traced = requests.filter(({ traceId }) => traceId === trace);
  assertEquals([requests.length, traced.length], [2, 1]);
  assertEquals(traced[0].parentSpanId, span);
  assertEquals(received.filter((header) => header?.includes(trace)).length, 1);
  const epochs = otlp.spans.filter(({ name }) => name === "epoch");
  assertEquals(epochs.flatMap(({ links }) => links), [`${trace}-${span}`]);
});

Deno.test("OTEL_DENO does not keep a flow from running whose project has not the package", async () => {
  await using folder = await folderOf({
    "deno.json": JSON.stringify({ ...JSON.parse(FLOW_CONFIG), nodeModulesDir: "manual" }),
    "package.json": "{}",
    "orders.ts": ORDERS,
  });
  await using otlp = new OtlpReceiver();
  const { code, stdout, stderr } = await runCli([`${folder.path}/orders.ts`], { env: otlp.env });
  assertEquals([code, stdout], [0, "999\n999\n999\n"]);
  assertMatch(stderr, /cannot be loaded: add it to the project of the flow/);
  assertEquals(otlp.sum("millrace_step_items_out_total", { step: "in" }), 3_000);
  assertEquals(otlp.points("millrace_user_numbers_seen_total"), []);
});
