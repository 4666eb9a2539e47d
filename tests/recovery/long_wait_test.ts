import { assertEquals, assertRejects } from "@std/assert";
import { createLog } from "../../src/core/log.ts";
import { tellLongWait } from "../../src/recovery/long_wait.ts";
import { TestClock } from "../support/clock/test_clock.ts";

/** Waits for `work`, with the lines that are logged meanwhile. */
function waiting(work: Promise<string>) {
  const clock = new TestClock();
  const lines: unknown[] = [];
  const log = createLog((level, message, fields) => lines.push([level, message, fields]));
  const wait = { what: "waiting for it", store: "s", log, clock };
  return { clock, lines, done: tellLongWait(wait, () => work) };
}

Deno.test("a wait of more than a second is told once", async () => {
  const work = Promise.withResolvers<string>();
  const { clock, lines, done } = waiting(work.promise);
  clock.advance(999);
  assertEquals(lines, []);
  clock.advance(1);
  assertEquals(lines, [["info", "waiting for it", { store: "s" }]]);
  clock.advance(60_000);
  work.resolve("done");
  assertEquals([await done, lines.length, clock.sleeps], ["done", 1, []]);
});

Deno.test("a wait that is soon over, well or not, is not told, and leaves no timer", async () => {
  const well = waiting(Promise.resolve("done"));
  assertEquals(await well.done, "done");
  const badly = waiting(Promise.reject(new Error("broken")));
  await assertRejects(() => badly.done, Error, "broken");
  for (const { clock, lines } of [well, badly]) {
    clock.advance(1_000);
    assertEquals([lines, clock.sleeps], [[], []]);
  }
});
