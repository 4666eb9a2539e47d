/** Manual inputs of runs that are stopped or fail: nothing that was taken from a queue is lost. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  Dataflow,
  type InputConfig,
  ManualInputConfig,
  ManualOutputConfig,
  PartitionedInputConfig,
  run,
  StepError,
} from "../../../mod.ts";
import { MemoryRecoveryConfig } from "../../../src/recovery/memory_store.ts";
import { eventually, idle } from "../../support/eventually.ts";
import { RecordingOutput } from "../../support/runtime/recording_output.ts";

/** Inputs whose items can be asked for only once. */
const queues: Record<string, (take: () => number) => InputConfig<number>> = {
  "an async generator": (take) =>
    new ManualInputConfig<number>(async function* () {
      for (;;) yield [null, take()];
    }),
  "an async generator that waits for each item": (take) =>
    new ManualInputConfig<number>(async function* () {
      for (;;) {
        const item = take();
        await idle(1);
        yield [null, item];
      }
    }),
  "a generator": (take) =>
    new ManualInputConfig<number>(function* () {
      for (;;) yield [null, take()];
    }),
  "several partitions": (take) =>
    new PartitionedInputConfig<number>({
      partitions: () => ["a", "b", "c"],
      async *build(partition) {
        for (;;) {
          const item = take();
          if (partition === "a") await idle(1);
          yield [null, item];
        }
      },
    }),
};

for (const [what, input] of Object.entries(queues)) {
  for (const recovery of [undefined, new MemoryRecoveryConfig()]) {
    const how = recovery === undefined ? "" : ", with a recovery store too";
    Deno.test(`a graceful stop works off all that ${what} has taken from a queue${how}`, async () => {
      let taken = 0;
      const stopped = Promise.withResolvers<void>();
      const output = new RecordingOutput<number>({ write: () => stopped.promise });
      const stop = new AbortController();
      const flow = new Dataflow("queue").input("in", input(() => ++taken)).capture(output);
      const running = run(flow, { signal: stop.signal, recovery });
      await eventually(() => taken > 1, "an item waits behind the one that is written");
      stop.abort();
      stopped.resolve();
      assertEquals((await running).stopped, true);
      const items = output.items.map(([, n]) => n).toSorted((a, b) => a - b);
      assertEquals(items, Array.from({ length: taken }, (_, i) => i + 1));
    });
  }
}

for (const ends of ["yields on", "ends", "throws"]) {
  Deno.test(`a run that fails goes on after the last committed epoch, where one cursor is changed all the time and the source ${ends}`, async () => {
    const count = 5_000;
    const recovery = new MemoryRecoveryConfig();
    const seen = new Set<number>();
    const resumed: number[] = [];
    for (const failAt of [2_500, 3_700, null]) {
      const input = new ManualInputConfig<number, { at: number }>(async function* (_i, _n, resume) {
        const cursor = resume ?? { at: -1 };
        resumed.push(cursor.at);
        while (cursor.at < count - 1) {
          cursor.at++;
          if (cursor.at % 100 === 0) await idle(1);
          yield [cursor, cursor.at];
          if (ends === "throws" && cursor.at === failAt) throw new Error("once");
        }
        cursor.at = 2 * count;
        if (ends === "yields on") await idle(1);
      });
      const flow = new Dataflow("cursor").input("in", input)
        .inspect((n) => {
          if (ends !== "throws" && n === failAt) throw new Error("once");
        })
        .capture(new ManualOutputConfig<number>(() => (n) => void seen.add(n)));
      const running = run(flow, { recovery, epoch: { interval: 1 } });
      if (failAt === null) await running;
      else await assertRejects(() => running, StepError);
    }
    assertEquals(seen.size, count);
    assert(resumed[1] > 0 && resumed[2] > 0, `went on after ${resumed}`);
    await run(
      new Dataflow("cursor").input(
        "in",
        new ManualInputConfig<number, { at: number }>((_i, _n, resume) => {
          resumed.push(resume!.at);
          return [];
        }),
      ).capture(new RecordingOutput()),
      { recovery },
    );
    assertEquals(resumed.at(-1), count - 1);
  });
}

Deno.test("ManualInputConfig keeps the position it resumed from while its builder changes the state it was given", async () => {
  const input = new ManualInputConfig<string, { at: number }>((_index, _count, resume) => {
    resume!.at++;
    return [];
  });
  const place = { workerIndex: 0, workerCount: 1 } as Parameters<InputConfig<string>["open"]>[0];
  const reader = await input.open(place, new Map([["0 of 1", { at: 7 }]]));
  assertEquals([...reader.positions()], [["0 of 1", { at: 7 }]]);
  await reader.close();
});
