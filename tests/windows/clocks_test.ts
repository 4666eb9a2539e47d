import { assertEquals, assertThrows } from "@std/assert";
import { EventClockConfig, SystemClockConfig } from "../../mod.ts";

const getTime = () => 0;

Deno.test("EventClockConfig knows the time of a value, its wait, and a day of retention", () => {
  const clock = new EventClockConfig({
    getTime: (at: string) => new Date(at),
    wait: { seconds: 2 },
  });
  assertEquals(clock.timeOf("1970-01-01T00:00:01Z"), 1_000);
  assertEquals([clock.kind, clock.waitMs, clock.retentionMs], ["event", 2_000, 86_400_000]);
  const other = new EventClockConfig({ getTime, wait: 0, retention: { minutes: 1 } });
  assertEquals([other.waitMs, other.retentionMs], [0, 60_000]);
});

Deno.test("EventClockConfig refuses a getTime that is not a function, and invalid durations", () => {
  const make = (options: unknown) => () =>
    new EventClockConfig(options as ConstructorParameters<typeof EventClockConfig>[0]);
  assertThrows(make({ getTime: "at", wait: 0 }), TypeError, `a function as getTime; got "at"`);
  const wait = "EventClockConfig's wait must be";
  assertThrows(make({ getTime, wait: -1 }), RangeError, wait);
  assertThrows(make({ getTime, wait: NaN }), RangeError, wait);
  assertThrows(make({ getTime, wait: Infinity }), RangeError, wait);
  assertThrows(make({ getTime, wait: { seconds: -1 } }), RangeError, wait);
  assertThrows(make({ getTime, wait: { months: 1 } }), RangeError, wait);
  assertThrows(make({ getTime, wait: { second: 1 } }), RangeError, wait);
  assertThrows(make({ getTime }), RangeError, wait);
  assertThrows(make({ getTime, wait: null }), RangeError, wait);
  const retention = "EventClockConfig's retention must be";
  assertThrows(make({ getTime, wait: 0, retention: -1 }), RangeError, retention);
});

Deno.test("EventClockConfig shows what getTime returned if that is not a time", () => {
  const clock = new EventClockConfig({
    getTime: (value: { at: string }) => new Date(value.at),
    wait: 0,
  });
  assertThrows(
    () => clock.timeOf({ at: "yesterday" }),
    TypeError,
    "getTime must return a valid Date",
  );
  assertThrows(() => clock.timeOf({ at: "yesterday" }), TypeError, "got Invalid Date");
});

Deno.test("SystemClockConfig is not asked for the time of a value", () => {
  const clock = new SystemClockConfig();
  assertEquals([clock.kind, clock.waitMs], ["system", 0]);
  assertThrows(() => clock.timeOf(), TypeError, "does not know the time of a value");
});
