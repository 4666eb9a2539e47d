import { assertEquals } from "@std/assert";
import { createMetrics } from "../../src/ops/metrics.ts";
import { METRIC_DEFINITIONS } from "../../src/ops/metric_definitions.ts";
import { BUSY_RUN } from "../support/ops/busy_run.ts";
import { hasPromtool, promtool } from "../support/ops/promtool.ts";

const source = {
  view: () => BUSY_RUN,
  now: () => 5_000,
  ask: () => Promise.reject(new Error("nothing is asked")),
};

const CHECK = ["check", "metrics"];

Deno.test("every metric has a value in a run that does everything", async () => {
  const text = await (await createMetrics(source)).text();
  const missing = METRIC_DEFINITIONS.filter(({ name }) => !text.includes(`\n${name}{`));
  assertEquals(missing.map(({ name }) => name), []);
});

Deno.test({
  name: "promtool has nothing to say against the metrics",
  ignore: !hasPromtool,
  fn: async () => {
    const text = await (await createMetrics(source)).text();
    assertEquals(await promtool(CHECK, { stdin: text }), { code: 0, said: "" });
    const found = await promtool(CHECK, { stdin: "# TYPE a_count counter\na_count 1\n" });
    assertEquals([found?.code, found?.said.includes("a_count")], [3, true]);
  },
});

const DOCS = new URL("../../docs/operations.md", import.meta.url);

Deno.test("docs/operations.md has every metric, and no other", async () => {
  const docs = await Deno.readTextFile(DOCS);
  const names = METRIC_DEFINITIONS.map(({ name }) => name);
  const isThere = (name: string) =>
    docs.includes(`\`${name}\``) ||
    name.endsWith("_out_total") && docs.includes("`…_out_total`");
  assertEquals(names.filter((name) => !isThere(name)), []);
  const used = new Set(docs.match(/\bmillrace_(?!user_)\w+/g));
  assertEquals([...used].filter((name) => !names.includes(name)), []);
});
