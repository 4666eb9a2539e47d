/** Windows at the first and the last moments that dates can show. */
import { assertEquals } from "@std/assert";
import {
  type Dataflow,
  EventClockConfig,
  type Keyed,
  SessionWindowConfig,
  SlidingWindowConfig,
  SystemClockConfig,
  TumblingWindowConfig,
  type Windower,
} from "../../../mod.ts";
import { runByHand } from "../../support/runtime/manual_run.ts";
import { collect, pairs } from "../../support/runtime/collect.ts";
import { WatchedRecovery } from "../../support/recovery/watched_recovery.ts";

const FARTHEST = 8.64e15;
const LAST = new Date(FARTHEST);
const FIRST = new Date(-FARTHEST);

const clock = new EventClockConfig({ getTime: (time: number) => time, wait: 0 });
const endless: Windower = {
  overlap: "never",
  windowsAt: () => [{ openAt: -Infinity, closeAt: Infinity }],
};

/** The windows of values, as [openAt, closeAt, count], with dates that show. */
const counted =
  (windower: Windower, by: EventClockConfig<number> | SystemClockConfig = clock) =>
  (items: Dataflow<Keyed<number>>) =>
    items.countWindow("count", by, windower).windows
      .mapValue(([{ id, openAt, closeAt }, count]) => {
        assertEquals(id, `${openAt.toISOString()}/${closeAt.toISOString()}`);
        return [openAt, closeAt, count] as [Date, Date, number];
      });

Deno.test("windows close where they end beyond the last date, or begin before the first", async () => {
  const hour = 3_600_000;
  const edge = 3 * hour + 1_000; // the farthest times are on a boundary of hours
  const tumbling = new TumblingWindowConfig({ length: hour, alignTo: 1_000 });
  const sliding = new SlidingWindowConfig({ length: 2 * hour, offset: hour, alignTo: 1_000 });
  const sessions = new SessionWindowConfig({ gap: hour });
  const at = (ms: number) => new Date(ms);
  const cases: [Windower, number, [Date, Date][]][] = [
    [tumbling, FARTHEST, [[at(FARTHEST - hour + 1_000), LAST]]],
    [tumbling, -FARTHEST, [[FIRST, at(-FARTHEST + 1_000)]]],
    [tumbling, FARTHEST - edge, [[
      at(FARTHEST - 4 * hour + 1_000),
      at(FARTHEST - 3 * hour + 1_000),
    ]]],
    [sliding, FARTHEST, [
      [at(FARTHEST - 2 * hour + 1_000), LAST],
      [at(FARTHEST - hour + 1_000), LAST],
    ]],
    [sliding, -FARTHEST, [
      [FIRST, at(-FARTHEST + 1_000)],
      [FIRST, at(-FARTHEST + hour + 1_000)],
    ]],
    [sessions, FARTHEST, [[LAST, LAST]]],
    [sessions, -FARTHEST, [[FIRST, at(-FARTHEST + hour)]]],
    [endless, 0, [[FIRST, LAST]]],
  ];
  for (const [windower, time, windows] of cases) {
    assertEquals(
      await collect(pairs(["a", time]), counted(windower)),
      windows.map(([openAt, closeAt]) => ["a", [openAt, closeAt, 1]]),
      `${windower.constructor.name} at ${time}`,
    );
  }
});

Deno.test("a window that ends beyond the last date is stored, and closes in a later run", async () => {
  for (const time of [FARTHEST, FARTHEST - 1, -FARTHEST]) {
    const recovery = new WatchedRecovery();
    const windower = new TumblingWindowConfig({ length: { days: 3 }, alignTo: 1 });
    const first = await runByHand(counted(windower), { recovery });
    await first.push(["a", time]);
    await first.stop();
    assertEquals(first.out, []);
    const second = await runByHand(counted(windower), { recovery });
    await second.end();
    assertEquals(second.out.map(([, [, , count]]) => count), [1], `${time}`);
    await (await runByHand(counted(windower), { recovery })).end();
  }
});

Deno.test("a window of the system's clock without an end, or of thousands of years, stays open until the end", async () => {
  const long = new TumblingWindowConfig({ length: { days: 4_000_000 } });
  const gap = new SessionWindowConfig({ gap: { days: 4_000_000 } });
  for (const windower of [endless, long, gap]) {
    const recovery = new WatchedRecovery();
    const start = () => runByHand(counted(windower, new SystemClockConfig()), { recovery });
    const first = await start();
    await first.push(["a", 1]);
    await first.stop();
    const second = await start();
    await second.push(["a", 2]);
    assertEquals(second.out, []);
    await second.end();
    assertEquals(second.out.map(([, [, , count]]) => count), [2]);
  }
});

Deno.test("waits and retentions as long as numbers can be hold back windows until the end", async () => {
  const longest = new EventClockConfig({
    getTime: (time: number) => time,
    wait: 1e300,
    retention: 1e300,
  });
  const recovery = new WatchedRecovery();
  const windower = new TumblingWindowConfig({ length: 10 });
  const first = await runByHand(counted(windower, longest), { recovery });
  await first.push(["a", 5], ["a", FARTHEST], ["a", -FARTHEST]);
  assertEquals(first.out, []);
  await first.stop();
  const second = await runByHand(counted(windower, longest), { recovery });
  await second.push(["a", 6]);
  await second.end();
  assertEquals(second.out.map(([, [, , count]]) => count), [1, 2, 1]);
});
