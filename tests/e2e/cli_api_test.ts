import { assert, assertEquals, assertMatch } from "@std/assert";
import { flowFile, runCli, startCli } from "../support/cli.ts";

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
