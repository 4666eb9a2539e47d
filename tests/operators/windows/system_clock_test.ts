import { assert, assertEquals } from "@std/assert";
import {
  Dataflow,
  type Keyed,
  SessionWindowConfig,
  SystemClockConfig,
  TumblingWindowConfig,
  type Windower,
} from "../../../mod.ts";
import type { RecoveryConfig } from "../../../src/recovery/store.ts";
import type { MemoryRun } from "../../../src/runtime/run/memory_run.ts";
import { SetClock } from "../../support/clock/set_clock.ts";
import { TestClock } from "../../support/clock/test_clock.ts";
import { FedInput, pass, TimedOutput } from "../../support/runtime/virtual_time.ts";
import { WatchedRecovery } from "../../support/recovery/watched_recovery.ts";
import { runWorkers } from "../../support/runtime/workers.ts";

const NOW = 1_700_000_000_000;
const second = new TumblingWindowConfig({ length: { seconds: 1 } });

interface Options {
  readonly workers?: number;
  readonly windower?: Windower;
  readonly clock?: TestClock;
  readonly recovery?: RecoveryConfig;
  readonly input?: FedInput<string>;
}

function start(
  { workers = 1, windower = second, clock = new TestClock(NOW), recovery, input = new FedInput() }:
    Options = {},
) {
  const set = new SetClock(clock);
  const counts = new TimedOutput<Keyed<number>>(clock);
  const late = new TimedOutput<unknown>(clock);
  const windows = new Dataflow("system").input("in", input)
    .keyOn((key) => key)
    .countWindow("count", new SystemClockConfig(), windower);
  windows.late.capture("late", late);
  windows.capture("counts", counts);
  let run: MemoryRun | null = null;
  const running = runWorkers(windows, workers, {
    clock: set,
    recovery,
    epochMs: 60_000,
    onRunning: (started) => run = started,
  });
  return {
    clock,
    set,
    input,
    counts,
    late,
    closed: () => counts.seen.map(({ at, item: [key, count] }) => [key, count, at - NOW]),
    async end(): Promise<void> {
      input.end();
      await pass(clock, 50);
      await running;
    },
    async [Symbol.asyncDispose](): Promise<void> {
      run?.stop();
      await running.catch(() => {});
    },
  };
}

for (const workers of [1, 2]) {
  Deno.test(`windows of the system's clock close on time without items, on ${workers} workers`, async () => {
    await using run = start({ workers });
    run.input.push("a", "b", "a");
    await pass(run.clock, 999);
    assertEquals(run.closed(), []);
    await pass(run.clock, 101);
    assertEquals(run.closed().sort(), [["a", 2, 1_000], ["b", 1, 1_000]]);
    run.input.push("a");
    await pass(run.clock, 2_000);
    assertEquals(run.closed().slice(2), [["a", 1, 2_000]]);
    assertEquals(run.late.items, []);
    await run.end();
  });
}

Deno.test("a session of the system's clock goes on while items come, and closes after its gap", async () => {
  await using run = start({ windower: new SessionWindowConfig({ gap: 300 }) });
  for (let n = 0; n < 10; n++) {
    run.input.push("a");
    await pass(run.clock, 200);
  }
  assertEquals(run.closed(), []);
  await pass(run.clock, 200);
  assertEquals(run.closed(), [["a", 10, 9 * 200 + 300]]);
  await run.end();
});

Deno.test("a key of the system's clock is forgotten, in the store too, when its windows have closed", async () => {
  const recovery = new WatchedRecovery();
  await using run = start({ recovery, windower: new TumblingWindowConfig({ length: 100_000 }) });
  run.input.push("a");
  await pass(run.clock, 65_000);
  const [[open, ...windows]] = Object.values(recovery.stateOf("count")) as unknown[][];
  assertEquals([open, windows], [null, [NOW, NOW + 100_000, 1]]);
  await pass(run.clock, 60_000);
  assertEquals([run.closed(), recovery.stateOf("count")], [[["a", 1, 100_000]], {}]);
  await run.end();
});

Deno.test("windows of the system's clock that are open at a stop close at the start of the next run when they are due", async () => {
  const recovery = new WatchedRecovery();
  const first = start({ recovery });
  first.input.push("a", "a");
  await pass(first.clock, 100);
  await first[Symbol.asyncDispose]();
  assertEquals(first.closed(), []);
  first.clock.advance(3_600_000);
  const input = new FedInput<string>();
  input.push("a", "a");
  await using run = start({ recovery, clock: first.clock, input });
  await pass(run.clock, 0);
  assertEquals(run.closed(), [["a", 2, 3_600_100]]);
  await run.end();
});

Deno.test("a system's clock that is set back breaks nothing: no item is late or lost, and time does not go back", async () => {
  await using run = start();
  run.input.push("a");
  await pass(run.clock, 600);
  run.set.set = -5_000;
  run.input.push("a", "b");
  await pass(run.clock, 1_000);
  run.input.push("a", "b");
  await pass(run.clock, 6_000);
  assertEquals(run.late.items, []);
  const sums = { a: 0, b: 0 } as Record<string, number>;
  for (const [key, count] of run.counts.items) sums[key] += count;
  assertEquals(sums, { a: 3, b: 2 });
  const last = run.counts.seen.at(-1)!.at - NOW;
  assert(last <= 6_100, `closed at ${last}`);
  await run.end();
});

Deno.test("a system's clock that is set forward closes what is due then", async () => {
  await using run = start();
  run.input.push("a");
  await pass(run.clock, 100);
  run.set.set = 3_600_000;
  run.input.push("a");
  await pass(run.clock, 2_000);
  assertEquals(run.counts.items, [["a", 1], ["a", 1]]);
  assertEquals(run.late.items, []);
  await run.end();
});
