import { assert, assertEquals } from "@std/assert";
import { KEY_GROUPS, keyGroupOf, ownersOf } from "../../src/core/key_groups.ts";

/** FNV-1a and fmix32 written down once more, with bigint in place of wrapping products. */
function hashOf(units: readonly number[]): number {
  const mask = 0xffffffffn;
  let hash = 0x811c9dc5n;
  for (const unit of units) hash = ((hash ^ BigInt(unit)) * 0x01000193n) & mask;
  hash = ((hash ^ (hash >> 16n)) * 0x85ebca6bn) & mask;
  hash = ((hash ^ (hash >> 13n)) * 0xc2b2ae35n) & mask;
  return Number(hash ^ (hash >> 16n));
}

Deno.test("keyGroupOf() always returns the same groups: stored state depends on them", () => {
  const groups = ["", "a", "foobar", "user-17", "größe", "\u{1f980}", "\ud800"].map(keyGroupOf);
  assertEquals(groups, [11, 435, 732, 777, 607, 457, 750]);
});

Deno.test("keyGroupOf() is FNV-1a over UTF-16 code units, finished with fmix32", () => {
  // The value that the draft of FNV has for "foobar", before it is finished.
  let fnv = 0x811c9dc5;
  for (const char of "foobar") fnv = Math.imul(fnv ^ char.charCodeAt(0), 0x01000193);
  assertEquals(fnv >>> 0, 0xbf9cf968);
  for (const key of ["", "foobar", "ключ", "\u{1f980}\ud800", "x".repeat(10_000)]) {
    const units = Array.from({ length: key.length }, (_, i) => key.charCodeAt(i));
    assertEquals(keyGroupOf(key), hashOf(units) % KEY_GROUPS);
  }
});

Deno.test("keyGroupOf() spreads similar keys evenly", () => {
  const counts = new Array(KEY_GROUPS).fill(0);
  for (let i = 0; i < 1_024_000; i++) counts[keyGroupOf(`user-${i}`)]++;
  const chi = counts.reduce((sum, count) => sum + (count - 1_000) ** 2 / 1_000, 0);
  // Chi-squared with 1023 degrees of freedom: beyond 1200 in one of 10,000 cases by chance.
  assert(chi < 1_200, `chi-squared is ${chi}`);
});

Deno.test("ownersOf() gives each worker a range of groups, as equal as can be", () => {
  for (const workers of [1, 2, 3, 5, 7, 1024]) {
    const owners = ownersOf(workers);
    assertEquals(owners.length, KEY_GROUPS);
    assertEquals(owners, owners.toSorted((a, b) => a - b));
    const sizes = Object.values(Object.groupBy(owners, (owner) => owner)).map((all) => all!.length);
    assertEquals(sizes.length, workers);
    assert(Math.max(...sizes) - Math.min(...sizes) <= 1);
  }
});
