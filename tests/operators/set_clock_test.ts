/** Steps that go by the clock, when somebody sets it: while they run, and between two runs. */
import { assert, assertEquals } from "@std/assert";
import {
  type Dataflow,
  type Keyed,
  type StatefulLogic,
  type StepTime,
  SystemClockConfig,
  TumblingWindowConfig,
} from "../../mod.ts";
import { runByHand } from "../support/runtime/manual_run.ts";
import { SetClock } from "../support/clock/set_clock.ts";
import { TestClock } from "../support/clock/test_clock.ts";
import { WatchedRecovery } from "../support/recovery/watched_recovery.ts";

const HOUR = 3_600_000;

type Steps = (items: Dataflow<Keyed<string>>) => Dataflow<Keyed<unknown>>;

/** Starts a run by a clock that can be set; what came out, and when, without the keys. */
async function start(
  steps: Steps,
  { passing = new TestClock(1_000 * HOUR), set = 0, recovery = new WatchedRecovery() } = {},
) {
  const shown = new SetClock(passing);
  shown.set = set;
  const came: [at: number, value: unknown][] = [];
  const begun = passing.at;
  const timed: Steps = (items) =>
    steps(items).inspect(([, value]) => void came.push([passing.at - begun, value]));
  const run = await runByHand(timed, { clock: passing, shown, recovery });
  return { ...run, came, passing, shown, recovery };
}

const collected: Steps = (items) => items.collect("batch", { maxSize: 10, timeout: 4_000 });
const deduped: Steps = (items) => items.dedupe("once", { ttl: 4_000 });
const windowed: Steps = (items) =>
  items.countWindow("count", new SystemClockConfig(), new TumblingWindowConfig({ length: 4_000 }));
const counted: Steps = (items) =>
  items.statefulMap("count", () => 0, (count: number) => [count + 1, count + 1], { ttl: 4_000 });

for (const back of [1_500, HOUR, 1_000_000 * HOUR]) {
  Deno.test(`collect's time-out passes though the clock is set back by ${back} ms`, async () => {
    const run = await start(collected);
    await run.push(["k", "a"]);
    await run.advance(1_000);
    run.shown.set = -back;
    await run.push(["k", "b"]);
    await run.advance(2_900);
    assertEquals(run.came, []);
    for (let step = 0; step < 5; step++) await run.advance(100);
    assertEquals(run.came.length, 1);
    const [at, values] = run.came[0];
    assert(at >= 4_000 && at <= 4_300, `after ${at} ms`);
    assertEquals(values, ["a", "b"]);
    await run.end();
  });

  Deno.test(`a window of the system's clock closes though that is set back by ${back} ms`, async () => {
    const run = await start(windowed);
    await run.push(["k", "a"]);
    await run.advance(1_000);
    run.shown.set = -back;
    for (let second = 1; second < 12; second++) {
      await run.push(["k", "b"]);
      await run.advance(1_000);
    }
    const counts = run.came.map(([, count]) => count as number);
    assert(counts.length >= 2 && counts.every((count) => count >= 4 && count <= 5), `${counts}`);
    await run.end();
  });

  Deno.test(`dedupe and ttl forget in time though the clock is set back by ${back} ms`, async () => {
    for (const steps of [deduped, counted]) {
      const run = await start(steps);
      await run.push(["k", "a"]);
      await run.advance(1_000);
      run.shown.set = -back;
      await run.advance(2_900);
      await run.push(["k", "b"]);
      await run.advance(4_500);
      await run.push(["k", "c"]);
      const values = run.came.map(([, value]) => value);
      assertEquals(values, steps === deduped ? ["a", "c"] : [1, 2, 1]);
      await run.end();
    }
  });
}

Deno.test("steps forget and close in time though the clock was set back between two runs", async () => {
  const cases: [Steps, unknown[], unknown[]][] = [
    [collected, [], [["a"], ["b"]]],
    [windowed, [], [1, 1]],
    [deduped, ["a"], ["b"]],
    [counted, [1], [1]],
  ];
  for (const [steps, before, after] of cases) {
    const first = await start(steps);
    await first.push(["k", "a"]);
    await first.stop();
    assertEquals(first.came.map(([, value]) => value), before);
    const second = await start(steps, { ...first, set: -HOUR });
    await second.advance(5_000);
    await second.push(["k", "b"]);
    await second.advance(5_000);
    assertEquals(second.came.map(([, value]) => value), after);
    await second.end();
  }
});

Deno.test("a window that has closed does not open again, also in a run of an earlier clock", async () => {
  const steps: Steps = (items) => {
    const counts = items.countWindow(
      "count",
      new SystemClockConfig(),
      new TumblingWindowConfig({ length: 4_000 }),
    );
    return counts.windows.map(([key, [{ openAt }]]) => [key, openAt.getTime()]);
  };
  const first = await start(steps);
  await first.push(["k", "a"]);
  await first.advance(4_000);
  await first.stop();
  const second = await start(steps, { ...first, set: -4_000 });
  await second.push(["k", "b"]);
  await second.advance(10_000);
  await second.end();
  const opened = [...first.came, ...second.came].map(([, openAt]) => openAt);
  assertEquals(opened, [1_000 * HOUR, 1_000 * HOUR + 4_000]);
});

/** Emits every four seconds, by the time that `now` tells. */
function ticking(now: () => number): StatefulLogic<string, string, null> {
  let next = now() + 4_000;
  return {
    onItem: () => {},
    onNotify: (emit) => {
      next = now() + 4_000;
      emit("tick");
    },
    notifyAt: () => new Date(next),
    snapshot: () => null,
  };
}

for (const whose of ["the run's", "the machine's"]) {
  Deno.test(`a step of the user's that goes by ${whose} clock is notified in time when that is set back`, async () => {
    for (const options of [{}, { ttl: 1_000 * HOUR }]) {
      const machine: { clock?: SetClock } = {};
      const run = await start((items) =>
        items.stateful(
          "tick",
          (_resume: unknown, _key, time: StepTime) =>
            ticking(whose === "the run's" ? () => time.now() : () => machine.clock!.now()),
          options,
        )
      );
      machine.clock = run.shown;
      await run.push(["k", "a"]);
      await run.advance(1_000);
      run.shown.set = -HOUR;
      for (let step = 0; step < 50; step++) {
        await run.push(["k", "b"]);
        await run.advance(250);
      }
      assertEquals(run.came.map(([at]) => Math.round(at / 4_000)), [1, 2, 3]);
      await run.end();
    }
  });
}

Deno.test("steps follow a clock that is set forward", async () => {
  const run = await start(collected);
  await run.push(["k", "a"]);
  run.shown.set = HOUR;
  await run.push(["k", "b"]);
  assertEquals(run.came, [[0, ["a"]]]);
  await run.end();
});
