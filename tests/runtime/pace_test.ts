import { assert, assertEquals } from "@std/assert";
import { Pace } from "../../src/runtime/pace.ts";

Deno.test("Pace comes down to one item when rounds take seconds", () => {
  const pace = new Pace();
  for (let round = 0; round < 100; round++) pace.took(1_000);
  assertEquals(pace.items, 1);
});

Deno.test("Pace goes up when rounds take no time, and stays bounded", () => {
  const pace = new Pace();
  for (let round = 0; round < 100; round++) pace.took(0);
  assert(pace.items >= 1 << 16);
  assert(pace.items < 1 << 30);
});

Deno.test("Pace stays as it is when rounds take some milliseconds", () => {
  const pace = new Pace();
  const before = pace.items;
  for (let round = 0; round < 100; round++) pace.took(5);
  assertEquals(pace.items, before);
});

Deno.test("Pace settles where rounds take some milliseconds when an item takes 100 µs", () => {
  const pace = new Pace();
  for (let round = 0; round < 100; round++) pace.took(pace.items * 0.1);
  assert(pace.items * 0.1 >= 1 && pace.items * 0.1 <= 20, `${pace.items} items`);
});
