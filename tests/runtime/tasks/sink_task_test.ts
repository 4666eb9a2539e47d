import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { Dataflow, type OutputConfig, run, TestingInputConfig } from "../../../mod.ts";
import { Channel } from "../../../src/runtime/channel.ts";
import { SinkTask } from "../../../src/runtime/tasks/sink_task.ts";
import { paceOf, taskHost } from "../../support/runtime/task_host.ts";

const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0));

/**
 * A sink whose calls are held until `done`, or not waited for if `waits` is false. `pace`: the
 * items that a task may work on at once.
 */
function sink({ waits, pace }: { waits: boolean; pace: number }) {
  const input = new Channel({ first: 8192 });
  const calls: (readonly unknown[])[] = [];
  const held: (() => void)[] = [];
  const writer = {
    write: (batch: readonly unknown[]) => {
      calls.push(batch);
      return waits ? new Promise<void>((resolve) => held.push(resolve)) : undefined;
    },
    prepare: () => Promise.resolve(new Map()),
    close: () => Promise.resolve(),
  };
  const host = { ...taskHost(), pace: paceOf(pace) };
  const task = new SinkTask("out", writer, input, host, { epoch: 0, onWrite: () => {} });
  return {
    input,
    calls,
    task,
    async done(): Promise<void> {
      held.shift()!();
      await turn();
    },
  };
}

Deno.test("a sink that is not waited for writes as many items at once as the pace allows", () => {
  const { input, calls, task } = sink({ waits: false, pace: 3 });
  const batch = [1, 2, 3];
  input.push(batch);
  input.push([4, 5]);
  input.push([6, 7, 8]);
  while (task.run());
  assertStrictEquals(calls[0], batch);
  assertEquals(calls.slice(1), [[4, 5, 6], [7, 8]]);
});

Deno.test("a sink that is waited for writes what has come meanwhile as one batch", async () => {
  const { input, calls, task, done } = sink({ waits: true, pace: 1 });
  for (const item of [1, 2, 3, 4, 5, 6]) input.push([item]);
  input.push({ kind: "barrier", epoch: 0 });
  input.push([7]);
  for (let n = 0; n < 3; n++) {
    assertEquals([task.run(), task.run()], [true, false]);
    await done();
  }
  assertEquals(calls, [[1], [2, 3], [4, 5, 6]]);
});

/** How many calls an output has got for 20,000 items, each of which takes 150 ms on the clock. */
async function callsOf(flow: (output: OutputConfig<number>) => Dataflow<number>): Promise<number> {
  const original = performance.now;
  let [ms, calls, items] = [0, 0, 0];
  performance.now = () => ms;
  try {
    await run(flow({
      open: () =>
        Promise.resolve({
          write: async (batch) => {
            calls++;
            items += batch.length;
            await turn();
            ms += 150;
          },
          prepare: () => Promise.resolve(new Map()),
          close: () => Promise.resolve(),
        }),
    }));
  } finally {
    performance.now = original;
  }
  assertEquals(items, 20_000);
  return calls;
}

Deno.test("an output whose calls take their time whatever they get is given many items at once", async () => {
  const numbers = () =>
    new Dataflow("slow").input("in", new TestingInputConfig([...Array(20_000).keys()]));
  assert(await callsOf((output) => numbers().capture(output)) <= 20);
  const filtered = (output: OutputConfig<number>) =>
    numbers().flatMap((n) => [n, -1]).filter((n) => n >= 0).capture(output);
  assert(await callsOf(filtered) <= 20);
});
