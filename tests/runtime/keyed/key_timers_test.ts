import { assertEquals } from "@std/assert";
import { KeyTimers, type Timed } from "../../../src/runtime/keyed/key_timers.ts";
import { Random } from "../../support/values/random.ts";

interface Entry extends Timed {
  readonly name: string;
}

const entry = (name: string): Entry => ({ name, due: Infinity, queued: Infinity, index: -1 });

/** The names of all that are due, in the order in which they are taken. */
function takeAll(timers: KeyTimers<Entry>, now: number): string[] {
  const names: string[] = [];
  for (let taken = timers.takeDue(now); taken !== undefined; taken = timers.takeDue(now)) {
    names.push(taken.name);
  }
  return names;
}

Deno.test("KeyTimers gives what is due, earliest first, and each once", () => {
  const timers = new KeyTimers<Entry>();
  timers.schedule(entry("c"), 30);
  timers.schedule(entry("a"), 10);
  timers.schedule(entry("b"), 20);
  assertEquals(takeAll(timers, 9), []);
  assertEquals(takeAll(timers, 20), ["a", "b"]);
  assertEquals(timers.next, 30);
  assertEquals(takeAll(timers, 100), ["c"]);
  assertEquals([takeAll(timers, 1_000), timers.next], [[], Infinity]);
});

Deno.test("KeyTimers gives an entry at its new time when it was moved later", () => {
  const timers = new KeyTimers<Entry>();
  const moved = entry("moved");
  timers.schedule(moved, 10);
  timers.schedule(moved, 50);
  assertEquals(takeAll(timers, 49), []);
  assertEquals(timers.next, 50);
  assertEquals(takeAll(timers, 50), ["moved"]);
});

Deno.test("KeyTimers gives an entry once, at its new time, when it was moved earlier", () => {
  const timers = new KeyTimers<Entry>();
  const moved = entry("moved");
  timers.schedule(moved, 50);
  timers.schedule(moved, 10);
  assertEquals(timers.next, 10);
  assertEquals(takeAll(timers, 10), ["moved"]);
  assertEquals([takeAll(timers, 100), timers.next], [[], Infinity]);
});

Deno.test("KeyTimers gives an entry again when it was moved earlier, taken, and set to its old time", () => {
  const timers = new KeyTimers<Entry>();
  const moved = entry("moved");
  timers.schedule(moved, 50);
  timers.schedule(moved, 10);
  assertEquals(takeAll(timers, 10), ["moved"]);
  timers.schedule(moved, 50);
  assertEquals(takeAll(timers, 49), []);
  assertEquals(takeAll(timers, 100), ["moved"]);
});

Deno.test("KeyTimers never gives an entry that was set to never", () => {
  const timers = new KeyTimers<Entry>();
  const never = entry("never");
  timers.schedule(never, 10);
  timers.schedule(never, Infinity);
  assertEquals([takeAll(timers, 1_000), timers.next], [[], Infinity]);
  timers.schedule(never, 20);
  assertEquals(takeAll(timers, 1_000), ["never"]);
});

Deno.test("KeyTimers queues an entry once when it moves later ten thousand times", () => {
  const timers = new KeyTimers<Entry>();
  const session = entry("session");
  for (let due = 1; due <= 10_000; due++) timers.schedule(session, due);
  // Each look at an old time costs a step; there is one for the first time and one for the last.
  assertEquals(timers.takeDue(1), undefined);
  assertEquals(timers.next, 10_000);
});

Deno.test("KeyTimers never returns what was taken out, until it is set again", () => {
  const timers = new KeyTimers<Entry>();
  const [a, b, c] = ["a", "b", "c"].map(entry);
  for (const [i, each] of [a, b, c].entries()) timers.schedule(each, 10 * i);
  timers.remove(a);
  timers.remove(a); // it is gone
  timers.remove(entry("never there"));
  assertEquals([timers.next, a.index, a.due], [10, -1, Infinity]);
  timers.remove(c);
  assertEquals([takeAll(timers, 100), timers.next], [["b"], Infinity]);
  timers.schedule(a, 5);
  assertEquals(takeAll(timers, 5), ["a"]);
});

Deno.test("KeyTimers agrees with a sorted list when entries move at random", () => {
  for (let seed = 0; seed < 100; seed++) {
    const random = new Random(seed);
    const timers = new KeyTimers<Entry>();
    const entries = Array.from({ length: 20 }, (_, i) => entry(`${i}`));
    const model = new Map<string, number>(); // when each is due
    let now = 0;
    for (let round = 0; round < 200; round++) {
      if (random.below(8) === 0) {
        const removed = random.pick(entries);
        timers.remove(removed);
        model.delete(removed.name);
        continue;
      }
      if (random.below(3) > 0) {
        const moved = random.pick(entries);
        const due = random.below(5) === 0 ? Infinity : now + random.below(60) - 10;
        timers.schedule(moved, due);
        model.set(moved.name, due);
        continue;
      }
      now += random.below(20);
      const expected = [...model].filter(([, due]) => due <= now).sort(([, a], [, b]) => a - b);
      const taken = takeAll(timers, now);
      assertEquals(taken.map((name) => model.get(name)), expected.map(([, due]) => due));
      assertEquals(taken.toSorted(), expected.map(([name]) => name).toSorted());
      for (const name of taken) model.delete(name);
      assertEquals(timers.next > now, true);
      assertEquals(timers.next <= Math.min(...model.values(), Infinity), true);
    }
  }
});
