import { assertEquals } from "@std/assert";
import { createMetrics } from "../../src/ops/metrics.ts";
import { METRIC_DEFINITIONS } from "../../src/ops/metric_definitions.ts";
import type { RunView } from "../../src/ops/run_view.ts";
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

Deno.test("what is not known has no value, and never 0", async () => {
  const [worker, other] = BUSY_RUN.workers;
  const view: RunView = {
    ...BUSY_RUN,
    workers: [{
      ...worker,
      memory: null,
      lag: worker.lag.map((each) => ({ ...each, ms: null, ageMs: null })),
      outputs: worker.outputs.map((each) => ({ ...each, prepareMs: null, transactions: null })),
      state: worker.state.map((each) => ({ ...each, bytes: null })),
    }, other],
    epoch: null,
  };
  const [before, after] = await Promise.all([BUSY_RUN, view].map(namesOf));
  assertEquals([...before.difference(after)].sort(), [
    "millrace_epoch",
    "millrace_epoch_age_seconds",
    "millrace_epoch_alignment_seconds",
    "millrace_epoch_bytes",
    "millrace_epoch_duration_seconds",
    "millrace_epoch_store_seconds",
    "millrace_input_lag_age_seconds",
    "millrace_input_lag_seconds",
    "millrace_open_transaction_age_seconds",
    "millrace_open_transactions",
    "millrace_output_prepare_seconds",
    "millrace_state_bytes",
    "millrace_worker_heap_bytes",
    "millrace_worker_resident_bytes",
  ]);
});

Deno.test("tasks are counted by sub-topology, state and worker", async () => {
  const text = await (await createMetrics(source)).text();
  const values = (name: string) =>
    Object.fromEntries(
      [...text.matchAll(new RegExp(`^millrace_${name}\\{flow="[^}]*?",(.*)\\} (.*)$`, "gm"))]
        .map(([, labels, value]) => [labels.replaceAll(/\w+=|"/g, ""), Number(value)]),
    );
  assertEquals(values("tasks"), {
    "orders,0,waiting": 0,
    "orders,0,restoring": 0,
    "orders,0,running": 1,
    "orders,0,revoking": 0,
    "totals,0,waiting": 0,
    "totals,0,restoring": 0,
    "totals,0,running": 1,
    "totals,0,revoking": 0,
    "totals,1,waiting": 0,
    "totals,1,restoring": 1,
    "totals,1,running": 0,
    "totals,1,revoking": 0,
  });
  assertEquals(values("task_restore_remaining_records")["totals,1"], 90);
  assertEquals(values("task_input_lag_records")["orders,0"], 40);
  assertEquals(values("task_shuffle_lag_records"), { "orders,0": 0, "totals,0": 7, "totals,1": 0 });
  assertEquals([values("tasks_assigned_total"), values("tasks_given_up_total")], [
    { 0: 3, 1: 1 },
    { 0: 1, 1: 0 },
  ]);
  assertEquals(values("tasks_lost_total"), { 0: 0, 1: 2 });
});

Deno.test("a known 0 is a value", async () => {
  const [worker] = BUSY_RUN.workers;
  const lag = worker.lag.map((each) => ({ ...each, ms: 0, ageMs: 0 }));
  const view = { ...BUSY_RUN, workers: [{ ...worker, lag }] };
  const text = await (await createMetrics({ ...source, view: () => view })).text();
  assertEquals(text.match(/^millrace_input_lag_(age_)?seconds\{.*\} 0$/gm)?.length, 2);
});

/** The names of the metrics that have a value. */
async function namesOf(view: RunView): Promise<Set<string>> {
  const text = await (await createMetrics({ ...source, view: () => view })).text();
  return new Set(text.match(/^millrace_\w+(?=\{)/gm));
}

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
