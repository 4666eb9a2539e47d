import { assertEquals } from "@std/assert";
import { TestClock } from "./test_clock.ts";

Deno.test("TestClock wakes sleepers at their times when it is moved on, in order", () => {
  const clock = new TestClock(100);
  const woken: string[] = [];
  clock.wakeAt(130, () => woken.push(`b at ${clock.at}`));
  clock.wakeAt(110, () => {
    woken.push(`a at ${clock.at}`);
    clock.wakeAt(120, () => woken.push(`again at ${clock.at}`));
  });
  clock.advance(29);
  assertEquals([woken, clock.at], [["a at 110", "again at 120"], 129]);
  clock.advance(1);
  assertEquals(woken.at(-1), "b at 130");
  assertEquals(clock.sleeps, []);
});

Deno.test("TestClock wakes a sleeper soon, and not at once, when its time has passed", async () => {
  const clock = new TestClock(100);
  let woken = 0;
  clock.wakeAt(100, () => woken++);
  const cancel = clock.wakeAt(50, () => woken++);
  cancel();
  assertEquals(woken, 0);
  await Promise.resolve();
  assertEquals(woken, 1);
});
