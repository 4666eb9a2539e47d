import { assertEquals, assertThrows } from "@std/assert";
import { toEpochMilliseconds } from "../../src/windows/instants.ts";

Deno.test("toEpochMilliseconds() accepts dates, numbers and instants", () => {
  const instant = Temporal.Instant.from("2026-01-01T00:00:00.123456789Z");
  assertEquals(toEpochMilliseconds(instant, "it"), Date.UTC(2026, 0, 1, 0, 0, 0, 123));
  assertEquals(toEpochMilliseconds(new Date(-5), "it"), -5);
  for (const ms of [0, -1, 1.5, 8.64e15, -8.64e15]) {
    assertEquals(toEpochMilliseconds(ms, "it"), ms);
    if (Number.isInteger(ms)) assertEquals(toEpochMilliseconds(new Date(ms), "it"), ms);
  }
  const before = Temporal.Instant.fromEpochNanoseconds(-1n);
  assertEquals(toEpochMilliseconds(before, "it"), -1); // as a date before the epoch is cut off
});

Deno.test("toEpochMilliseconds() refuses all else, and shows it", () => {
  const cases: [unknown, string][] = [
    [new Date(NaN), "Invalid Date"],
    [NaN, "NaN"],
    [Infinity, "Infinity"],
    [8.64e15 + 2, "8640000000000002, which is farther than dates go, 8.64e15 ms"],
    ["2026-01-01", `"2026-01-01"`],
    [1n, "1n"],
    [null, "null"],
    [undefined, "undefined"],
    [{ at: 1 }, "{ at: 1 }"],
    [{ epochMilliseconds: "1" }, `{ epochMilliseconds: "1" }`],
    [Promise.resolve(1), "Promise { 1 }"],
  ];
  for (const [got, shown] of cases) {
    assertThrows(
      () => toEpochMilliseconds(got, "getTime must return"),
      TypeError,
      `getTime must return a valid Date, milliseconds since the Unix epoch or a Temporal.Instant; got ${shown}`,
    );
  }
});
