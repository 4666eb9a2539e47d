import { assert, assertEquals } from "@std/assert";
import { CallSize } from "../../src/runtime/call_size.ts";
import { Random } from "../support/values/random.ts";

/** The sizes of calls that take what `cost` gives for a number of items. */
function sizes(calls: number, cost: (items: number) => number, size = new CallSize()): number[] {
  return Array.from({ length: calls }, () => {
    const { items } = size;
    size.took(items, cost(items));
    return items;
  });
}

Deno.test("CallSize begins with one item and doubles while calls are fast", () => {
  assertEquals(sizes(6, () => 1), [1, 2, 4, 8, 16, 32]);
  assertEquals(sizes(100, () => 1).at(-1), 8192);
});

Deno.test("CallSize stays where a call takes no more than a tenth of a second, if items cost the same", () => {
  for (const [itemMs, items] of [[20, 4], [5, 16], [60, 1], [0.1, 512]]) {
    assertEquals(new Set(sizes(60, (n) => n * itemMs).slice(20)), new Set([items]));
  }
});

Deno.test("CallSize tries two items of a long time each now and then, and no more", () => {
  const all = sizes(200, (n) => n * 300);
  assert(Math.max(...all) <= 2);
  assert(all.filter((n) => n === 2).length < 40);
});

Deno.test("CallSize grows where a call takes its time whatever it gets", () => {
  for (const ms of [150, 2_000]) {
    const all = sizes(100, () => ms);
    assertEquals(all.slice(0, 14), [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192]);
    // Now and then it measures again what a call takes for itself.
    assertEquals(all.slice(14).filter((n) => n !== 8192), [1, 1, 1]);
  }
});

Deno.test("CallSize stops where twice as many items take nearly twice as long", () => {
  assertEquals(sizes(30, (n) => 150 + n).at(-1), 1024);
});

Deno.test("CallSize follows an output that changes, both ways", () => {
  const size = new CallSize();
  assertEquals(sizes(20, (n) => n * 20, size).at(-1), 4);
  assertEquals(sizes(50, () => 150, size).at(-1), 8192);
  const after = sizes(200, (n) => n * 20, size);
  assert(after[2] <= 128);
  assertEquals(after.at(-1), 4);
});

Deno.test("CallSize has the next size wait while it grows", () => {
  const size = new CallSize();
  assertEquals([size.items, size.ahead], [1, 2]);
  size.took(1, 20);
  assertEquals([size.items, size.ahead], [2, 4]);
  size.took(2, 40);
  size.took(4, 80);
  assertEquals([size.items, size.ahead], [4, 4]);
  for (let n = 0; n < 20; n++) size.took(size.items, 1);
  assertEquals([size.items, size.ahead], [8192, 8192]);
});

Deno.test("CallSize learns nothing from calls with fewer items than it allows", () => {
  const size = new CallSize();
  sizes(4, () => 1, size);
  for (let n = 0; n < 10; n++) size.took(8, 1);
  for (let n = 0; n < 10; n++) size.took(8, 1_000);
  assertEquals(size.items, 16);
});

Deno.test("CallSize finds its way where times vary by half", () => {
  const random = new Random(1);
  const about = (ms: number) => ms * (0.5 + random.below(1_000) / 1_000);
  const each = sizes(1_000, (n) => about(n * 20)).slice(100);
  const mean = each.reduce((sum, n) => sum + n, 0) / each.length;
  assert(mean < 6, `${mean} items`);
  const fixed = sizes(1_000, () => about(150)).slice(100);
  assert(fixed.reduce((sum, n) => sum + n, 0) / fixed.length > 7_000);
});
