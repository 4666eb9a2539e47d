import { assertEquals, assertThrows } from "@std/assert";
import { preview } from "../../src/core/preview.ts";
import { type Duration, parseDuration, toMilliseconds } from "../../src/core/duration.ts";

Deno.test("toMilliseconds() accepts a number as milliseconds", () => {
  assertEquals(toMilliseconds(0, "wait"), 0);
  assertEquals(toMilliseconds(1_500, "wait"), 1_500);
  assertEquals(toMilliseconds(0.5, "wait"), 0.5);
});

Deno.test("toMilliseconds() adds up the parts of a Temporal duration", () => {
  assertEquals(toMilliseconds({ minutes: 5 }, "wait"), 300_000);
  assertEquals(toMilliseconds({ hours: 1, seconds: 2, milliseconds: 3 }, "wait"), 3_602_003);
  assertEquals(toMilliseconds({ days: 1 }, "wait"), 86_400_000);
  assertEquals(toMilliseconds({ microseconds: 500 }, "wait"), 0.5);
  assertEquals(toMilliseconds(Temporal.Duration.from("PT90S"), "wait"), 90_000);
});

Deno.test("toMilliseconds() refuses a negative or infinite duration, and names its purpose", () => {
  const refused: [Duration, string][] = [
    [-1, "got -1 ms"],
    [NaN, "got NaN ms"],
    [Infinity, "got Infinity ms"],
    [{ seconds: -2 }, "got -2000 ms"],
  ];
  for (const [duration, message] of refused) {
    assertThrows(
      () => toMilliseconds(duration, "the epoch interval"),
      RangeError,
      `the epoch interval must be zero or more and finite; ${message}`,
    );
  }
});

Deno.test("toMilliseconds() refuses months and weeks, whose length depends on the calendar", () => {
  for (const duration of [{ months: 1 }, { weeks: 1 }, { years: 1 }]) {
    assertThrows(
      () => toMilliseconds(duration, "wait"),
      RangeError,
      "wait must be milliseconds or a duration such as { minutes: 5 }: days and shorter units, whole " +
        `numbers of them; got ${preview(duration)}`,
    );
  }
});

Deno.test("toMilliseconds() refuses anything that is not a duration", () => {
  for (const wrong of [{}, { minute: 5 }, null, undefined, "soon", true, { minutes: 1.5 }]) {
    assertThrows(
      () => toMilliseconds(wrong as Duration, "wait"),
      RangeError,
      "wait must be milliseconds or a duration such as { minutes: 5 }: ",
    );
  }
});

Deno.test("toMilliseconds() names an unknown unit, also beside a known one", () => {
  for (const wrong of [{ minute: 5 }, { hours: 1, minute: 5 }]) {
    const { message } = assertThrows(() => toMilliseconds(wrong as Duration, "wait"), RangeError);
    assertEquals(
      message,
      'wait must be milliseconds or a duration such as { minutes: 5 }: it has no unit "minute"; the ' +
        "units are: days, hours, minutes, seconds, milliseconds, microseconds, nanoseconds. Did you " +
        "mean minutes?",
    );
  }
});

Deno.test("parseDuration() reads each unit, and fractions", () => {
  assertEquals(
    ["500ms", "10s", "1.5m", "2h", "0s"].map((text) => parseDuration(text, "interval")),
    [500, 10_000, 90_000, 7_200_000, 0],
  );
});

Deno.test("parseDuration() refuses anything else, and shows it", () => {
  for (const text of ["", "10", "s", "10 s", "-1s", "1d", "1.s", ".5s", "1e3s", "10s ", "10S"]) {
    assertThrows(
      () => parseDuration(text, "--epoch-interval"),
      RangeError,
      `--epoch-interval must look like 500ms, 10s, 5m or 1h; got "${text}"`,
    );
  }
});
