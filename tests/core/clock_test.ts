import { assert, assertEquals } from "@std/assert";
import { systemClock } from "../../src/core/clock.ts";

/** The delay that a `setTimeout` gets while `body` runs. */
function delayOf(body: () => void): number | undefined {
  const original = globalThis.setTimeout;
  let delay: number | undefined;
  globalThis.setTimeout = ((_wake: () => void, ms?: number) => {
    delay = ms;
    return 0;
  }) as unknown as typeof setTimeout;
  try {
    body();
  } finally {
    globalThis.setTimeout = original;
  }
  return delay;
}

Deno.test("systemClock tells the system's time", () => {
  const before = Date.now();
  const now = systemClock.now();
  assert(before <= now && now <= Date.now());
});

Deno.test("systemClock wakes once at the time, and at once when it has passed", async () => {
  let woken = 0;
  await new Promise<void>((resolve) =>
    systemClock.wakeAt(systemClock.now() - 1_000, () => {
      woken++;
      resolve();
    })
  );
  assertEquals(woken, 1);
});

Deno.test("systemClock does not wake when the call was taken back", async () => {
  let woken = 0;
  const cancel = systemClock.wakeAt(systemClock.now(), () => woken++);
  cancel();
  cancel();
  await new Promise((resolve) => setTimeout(resolve, 2));
  assertEquals(woken, 0);
});

Deno.test("systemClock sleeps no longer than timers can, and never less than nothing", () => {
  const year = 365 * 24 * 3_600_000;
  assertEquals(delayOf(() => systemClock.wakeAt(Date.now() + year, () => {})), 2 ** 31 - 1);
  assertEquals(delayOf(() => systemClock.wakeAt(0, () => {})), 0);
});
