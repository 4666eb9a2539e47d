import { assert, assertEquals } from "@std/assert";
import { Pace } from "../../src/runtime/pace.ts";

/** Rounds that each take what `ms` says for the items that there were. */
function rounds(pace: Pace, ms: (items: number) => number, had = Infinity): void {
  for (let round = 0; round < 100; round++) {
    pace.begin(0);
    const items = Math.min(had, pace.items);
    pace.works(items);
    pace.took(ms(items));
  }
}

Deno.test("Pace begins with one item", () => {
  assertEquals(new Pace().items, 1);
});

Deno.test("Pace comes down to one item when rounds take seconds", () => {
  const pace = new Pace();
  pace.items = 1 << 20;
  rounds(pace, () => 1_000);
  assertEquals(pace.items, 1);
});

Deno.test("Pace comes down to what rounds can take when an item takes long, in one round", () => {
  const pace = new Pace();
  pace.items = 1024;
  pace.begin(0);
  pace.works(1024);
  pace.took(10_240);
  assertEquals(pace.items, 1);
});

Deno.test("Pace goes up when rounds take no time, and stays bounded", () => {
  const pace = new Pace();
  rounds(pace, () => 0);
  assert(pace.items >= 1 << 16);
  assert(pace.items < 1 << 30);
});

Deno.test("Pace does not go up when rounds have fewer items than it allows", () => {
  const pace = new Pace();
  rounds(pace, () => 0, 3);
  assertEquals(pace.items, 8); // twice what a round had, as a power of two
});

Deno.test("Pace stays as it is when rounds take some milliseconds, or have no items", () => {
  const pace = new Pace();
  pace.items = 64;
  rounds(pace, () => 5);
  assertEquals(pace.items, 64);
  rounds(pace, () => 100, 0);
  assertEquals(pace.items, 64);
});

Deno.test("Pace settles where rounds take some milliseconds when an item takes 100 µs", () => {
  const pace = new Pace();
  rounds(pace, (items) => items * 0.1);
  assert(pace.items * 0.1 >= 1 && pace.items * 0.1 <= 20, `${pace.items} items`);
});
