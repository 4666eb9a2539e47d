import { assertEquals } from "@std/assert";
import { createMetrics } from "../../src/ops/metrics.ts";
import { METRIC_DEFINITIONS } from "../../src/ops/metric_definitions.ts";
import { BUSY_RUN } from "../support/ops/busy_run.ts";

const source = {
  view: () => BUSY_RUN,
  now: () => 5_000,
  ask: () => Promise.reject(new Error("nothing is asked")),
};

/** What Prometheus' own tool has to say; `null` where it is not installed. */
async function promtool(text: string): Promise<{ code: number; said: string } | null> {
  try {
    const command = new Deno.Command("promtool", {
      args: ["check", "metrics"],
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    });
    await using child = command.spawn();
    const output = child.output();
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(text));
    await writer.close();
    const { code, stdout, stderr } = await output;
    const said = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes)).join("");
    return { code, said };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

const isInstalled = await promtool("") !== null;

Deno.test("every metric has a value in a run that does everything", async () => {
  const text = await (await createMetrics(source)).text();
  const missing = METRIC_DEFINITIONS.filter(({ name }) => !text.includes(`\n${name}{`));
  assertEquals(missing.map(({ name }) => name), []);
});

Deno.test({
  name: "promtool has nothing to say against the metrics",
  ignore: !isInstalled,
  fn: async () => {
    const text = await (await createMetrics(source)).text();
    assertEquals(await promtool(text), { code: 0, said: "" });
    const found = await promtool("# TYPE a_count counter\na_count 1\n"); // it does look
    assertEquals([found?.code, found?.said.includes("a_count")], [3, true]);
  },
});
