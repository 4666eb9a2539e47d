/** Runs over what a flow with other step ids has stored. */
import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { Dataflow, RecoveryError, run } from "../../mod.ts";
import { createLog } from "../../src/core/log.ts";
import type { StepChangeOptions } from "../../src/runtime/step_changes.ts";
import { ExactOutput, numbers } from "../support/recovery/resumable.ts";
import { WatchedRecovery } from "../support/recovery/watched_recovery.ts";
import { runWorkers } from "../support/runtime/workers.ts";

interface Ids {
  readonly input?: string;
  readonly count?: string;
  readonly sum?: string;
  readonly output?: string;
}

/** Counts of `numbers`, and a sum of ten for each, of seven keys. Their order does not matter. */
function flowOf(
  { input = "in", count = "count", sum = "sum", output = "out" }: Ids,
  upTo: number,
  out: ExactOutput<unknown>,
): Dataflow<unknown> {
  const keyed = new Dataflow("renamed")
    .input(input, numbers(upTo, 10, { parts: 3 }))
    .keyOn((n) => `k${n % 7}`);
  return keyed
    .statefulMap(count, () => 0, (seen: number) => [seen + 1, `counted ${seen + 1}`])
    .merge(keyed.statefulMap(sum, () => 0, (sum: number) => [sum + 10, `sum ${sum + 10}`]))
    .capture(output, out);
}

const sorted = (items: unknown[]) => items.map((item) => JSON.stringify(item)).sort();

/** The results of all the numbers in one run. */
async function undisturbed(upTo: number): Promise<string[]> {
  const out = new ExactOutput<unknown>();
  await run(flowOf({}, upTo, out));
  return sorted(out.items);
}

const OTHER: Required<Ids> = { input: "numbers", count: "tally", sum: "total", output: "lines" };
const RENAMES = { in: "numbers", count: "tally", sum: "total", out: "lines" };

Deno.test("a flow with a renamed step is refused over what is stored, which stays as it is", async () => {
  const recovery = new WatchedRecovery();
  const out = new ExactOutput<unknown>();
  await run(flowOf({}, 40, out), { recovery });
  const before = recovery.stateOf("count");
  const renamed = flowOf({ count: "tally" }, 80, out);
  const error = await assertRejects(() => run(renamed, { recovery }), RecoveryError);
  assertStringIncludes(error.message, `no step for: stateful step "count"`);
  assertStringIncludes(error.message, `nothing is stored of stateful step "tally"`);
  assertStringIncludes(error.message, "--rename-step count=tally");
  assertEquals(recovery.stateOf("count"), before);
  await run(flowOf({}, 80, out), { recovery });
  assertEquals(sorted(out.items), await undisturbed(80));
});

for (const workers of [1, 3]) {
  Deno.test(`renamed steps go on with state and positions, with ${workers} workers`, async () => {
    const recovery = new WatchedRecovery();
    const out = new ExactOutput<unknown>();
    await runWorkers(flowOf({}, 40, out), 2, { recovery });
    await runWorkers(flowOf(OTHER, 80, out), workers, { recovery, renameSteps: RENAMES });
    assertEquals(sorted(out.items), await undisturbed(80));
    assertEquals([recovery.stateOf("count"), recovery.stateOf("sum")], [{}, {}]);
    assertEquals(Object.keys(recovery.stateOf("tally")).length, 7);
    // Without the options, and with them, which say nothing new any more.
    await runWorkers(flowOf(OTHER, 100, out), workers, { recovery, renameSteps: RENAMES });
    await runWorkers(flowOf(OTHER, 120, out), workers, { recovery });
    assertEquals(sorted(out.items), await undisturbed(120));
  });
}

Deno.test("two steps change their names with one another", async () => {
  const recovery = new WatchedRecovery();
  const out = new ExactOutput<unknown>();
  const swapped = { count: "sum", sum: "count" };
  const options = { recovery, renameSteps: { count: "sum", sum: "count" } };
  await run(flowOf({}, 40, out), { recovery });
  await run(flowOf(swapped, 80, out), options);
  await run(flowOf(swapped, 120, out), options); // typed again: they are not swapped back
  assertEquals(sorted(out.items), await undisturbed(120));
});

for (const when of ["before", "after"] as const) {
  Deno.test(`a run that dies right ${when} its first commit has renamed all or nothing`, async () => {
    const recovery = new WatchedRecovery();
    const out = new ExactOutput<unknown>();
    await run(flowOf({}, 40, out), { recovery });
    const state = recovery.stateOf("count");
    const die = () => {
      throw new Error("killed");
    };
    if (when === "before") recovery.beforeCommit = die;
    else recovery.onCommit = die;
    const options: StepChangeOptions & { recovery: WatchedRecovery } = {
      recovery,
      renameSteps: RENAMES,
    };
    await assertRejects(() => run(flowOf(OTHER, 80, out), options), Error, "killed");
    recovery.beforeCommit = recovery.onCommit = () => {};
    assertEquals(recovery.stateOf(when === "before" ? "count" : "tally"), state);
    assertEquals(recovery.stateOf(when === "before" ? "tally" : "count"), {});
    await run(flowOf(OTHER, 80, out), options);
    assertEquals(sorted(out.items), await undisturbed(80));
  });
}

Deno.test("a dropped step is gone from the store, and the others go on", async () => {
  const recovery = new WatchedRecovery();
  const out = new ExactOutput<unknown>();
  await run(flowOf({}, 40, out), { recovery });
  const logged: string[] = [];
  const log = createLog((level, message) => logged.push(`${level} ${message}`));
  const flow = new Dataflow("renamed").input("in", numbers(80, 10, { parts: 3 }))
    .keyOn((n) => `k${n % 7}`)
    .statefulMap("count", () => 0, (seen: number) => [seen + 1, `counted ${seen + 1}`])
    .capture("out", out);
  const options = { recovery, log, dropSteps: ["sum"] };
  await run(flow, options);
  const counted = (lines: readonly string[]) => lines.filter((line) => line.includes("counted"));
  assertEquals(counted(sorted(out.items)), counted(await undisturbed(80)));
  assertEquals(recovery.stateOf("sum"), {});
  assertEquals(logged.filter((line) => line.startsWith("warn")), []);
  await run(flow, options);
  assertEquals(logged.filter((line) => line.startsWith("warn")), [
    `warn step "sum" was dropped by an earlier run: the option can go`,
  ]);
  await run(flow, { recovery });
});

Deno.test("steps cannot be renamed or dropped without a store", async () => {
  for (const options of [{ renameSteps: { a: "b" } }, { dropSteps: ["a"] }]) {
    const flow = flowOf({}, 10, new ExactOutput());
    await assertRejects(() => run(flow, options), RecoveryError, "only with a recovery store");
  }
});
