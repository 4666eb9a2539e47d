/** A run whose workers are all in this process, and the order in which their messages arrive. */
import { assertEquals, assertRejects } from "@std/assert";
import { Dataflow, type Keyed, StepError, TestingInputConfig } from "../../../mod.ts";
import { silentLog } from "../../../src/core/log.ts";
import { graphOf } from "../../../src/graph/graph.ts";
import type { FlowHandle } from "../../../src/runtime/run.ts";
import { MemoryRun, type MemoryRunSettings } from "../../../src/runtime/run/memory_run.ts";
import { stepChangesOf } from "../../../src/runtime/step_changes.ts";
import { eventually } from "../../support/eventually.ts";
import { GatedInput } from "../../support/runtime/gated_input.ts";
import { HandInput } from "../../support/runtime/hand_input.ts";
import { HeldPost } from "../../support/runtime/held_post.ts";
import { RecordingOutput } from "../../support/runtime/recording_output.ts";
import { ExactOutput } from "../../support/recovery/resumable.ts";
import { TestClock } from "../../support/clock/test_clock.ts";
import { WatchedRecovery } from "../../support/recovery/watched_recovery.ts";

const INTERVAL_MS = 1_000;

function runOf(flow: FlowHandle, settings: Partial<MemoryRunSettings> = {}): MemoryRun {
  return new MemoryRun(graphOf(flow), {
    workers: 2,
    recovery: null,
    log: silentLog,
    clock: new TestClock(),
    intervalMs: INTERVAL_MS,
    stepChanges: stepChangesOf({}),
    stopMs: 20_000,
    ...settings,
  });
}

/** Counts numbers by key. A number is counted on the worker that read it, or on the other one. */
const counted = (input: GatedInput, output: ExactOutput<number>) =>
  new Dataflow("counted").input("in", input)
    .map((n): Keyed<number> => [`${n % 5}`, n])
    .statefulMap("count", () => 0, (count: number, n) => [count + 1, n])
    .map(([, n]) => n)
    .capture("out", output);

const CONTROL = "coordinator to worker 1";
const MESH = "worker 0 to worker 1";

for (const [early, late] of [[CONTROL, MESH], [MESH, CONTROL]]) {
  Deno.test(`an epoch closes alike when what goes from ${early} comes before what goes from ${late}`, async () => {
    const post = new HeldPost();
    const clock = new TestClock();
    const recovery = new WatchedRecovery();
    const [input, output] = [new GatedInput(2), new ExactOutput<number>()];
    let isHeld = false;
    const run = runOf(counted(input, output), {
      clock,
      recovery,
      schedule: (route, arrive) => isHeld ? post.post(route, arrive) : arrive(),
    });
    const running = run.run();
    await eventually(() => recovery.epoch === -1 && clock.sleeps.length > 0, "it runs");
    isHeld = true;
    for (const worker of [0, 1]) input.allow(worker, 20);
    await post.drain();
    clock.advance(INTERVAL_MS);
    await post.drain(new RegExp(`^(?!${early}$|${late}$)`));
    assertEquals([post.waiting(new RegExp(CONTROL)), post.waiting(new RegExp(MESH)) > 0], [
      1,
      true,
    ]);
    await post.drain(new RegExp(`^(?!${late}$)`));
    assertEquals(recovery.epoch, -1);
    await post.drain();
    assertEquals(recovery.epoch, 0);
    const sum = (values: Record<string, unknown>) =>
      (Object.values(values) as number[]).reduce((a, b) => a + b, 0);
    assertEquals(
      [recovery.positionsOf("in"), recovery.stateOf("count"), recovery.positionsOf("out")].map(sum),
      [40, 40, 40],
    );
    for (const worker of [0, 1]) input.end(worker);
    await post.drain();
    await running;
    assertEquals(output.items.length, 40);
  });
}

Deno.test("MemoryRun adds up what its workers counted", async () => {
  const output = new RecordingOutput<number>();
  const flow = new Dataflow("sum").input("in", new TestingInputConfig([1, 2, 3, 4, 5]))
    .redistribute().capture("out", output);
  const { steps, stopped } = await runOf(flow, { workers: 3 }).run();
  assertEquals([steps.map(({ in: into, out }) => [into, out]), stopped], [
    [[0, 5], [5, 5], [5, 0]],
    false,
  ]);
  assertEquals(output.items.map(([, item]) => item).sort(), [1, 2, 3, 4, 5]);
});

Deno.test("MemoryRun goes on after the last committed epoch when it was killed, with other workers", async () => {
  const recovery = new WatchedRecovery();
  const output = new ExactOutput<number>();
  const [clock, input] = [new TestClock(), new GatedInput(3)];
  const killed = runOf(counted(input, output), { workers: 3, recovery, clock });
  const running = killed.run();
  await eventually(() => recovery.epoch === -1 && clock.sleeps.length > 0, "it runs");
  for (const worker of [0, 1, 2]) input.allow(worker, 10);
  await eventually(() => output.items.length === 30, "the items are out");
  clock.advance(INTERVAL_MS);
  await eventually(() => recovery.epoch === 0, "they are committed");
  killed.kill();
  await assertRejects(() => running, Error, "the run was stopped at once");

  const again = new GatedInput(2);
  const resumed = runOf(counted(again, output), { recovery });
  const rest = resumed.run();
  for (const worker of [0, 1]) again.end(worker);
  await rest;
  const counts = Object.values(recovery.stateOf("count")) as number[];
  assertEquals([recovery.epoch, counts.reduce((a, b) => a + b, 0)], [1, 30]);
});

Deno.test("MemoryRun closes what all workers have open when a step of one fails", async () => {
  const [input, output] = [new HandInput<number>(), new RecordingOutput<number>()];
  const flow = new Dataflow("fails").input("in", input)
    .map(function refuse(n): number {
      throw new Error(`not ${n}`);
    })
    .capture("out", output);
  const running = runOf(flow, { workers: 1 }).run();
  await eventually(() => input.waiting, "the input waits");
  input.push(7);
  const error = await assertRejects(() => running, StepError) as StepError;
  assertEquals([error.stepId, error.item], ["refuse", "7"]);
  assertEquals([input.calls.at(-1), output.calls.at(-1)], ["close", "close"]);
});
