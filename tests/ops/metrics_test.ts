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
async function promtool(
  what: "metrics" | "rules",
  text: string,
): Promise<{ code: number; said: string } | null> {
  try {
    const command = new Deno.Command("promtool", {
      args: ["check", what, ...what === "rules" ? ["/dev/stdin"] : []],
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

const isInstalled = await promtool("metrics", "") !== null;

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
    assertEquals(await promtool("metrics", text), { code: 0, said: "" });
    const found = await promtool("metrics", "# TYPE a_count counter\na_count 1\n"); // it does look
    assertEquals([found?.code, found?.said.includes("a_count")], [3, true]);
  },
});

const DOCS = new URL("../../docs/operations.md", import.meta.url);

Deno.test("docs/operations.md has every metric, and its alerts use only those", async () => {
  const docs = await Deno.readTextFile(DOCS);
  const names = METRIC_DEFINITIONS.map(({ name }) => name);
  const isThere = (name: string) =>
    docs.includes(`\`${name}\``) ||
    name.endsWith("_out_total") && docs.includes("`…_out_total`");
  assertEquals(names.filter((name) => !isThere(name)), []);
  const used = new Set(docs.match(/\bmillrace_(?!user_)\w+/g));
  assertEquals([...used].filter((name) => !names.includes(name)), []);
});

Deno.test({
  name: "promtool has nothing to say against the alerts of docs/operations.md",
  ignore: !isInstalled,
  fn: async () => {
    const [alerts] = /^groups:\n(?:.*\n)*?(?=```)/m.exec(await Deno.readTextFile(DOCS))!;
    const found = await promtool("rules", alerts);
    assertEquals(found?.code, 0, found?.said);
    assertEquals(found?.said.includes("5 rules found"), true, found?.said);
    assertEquals((await promtool("rules", alerts.replace("== 0", "==")))?.code, 1); // it does look
  },
});
