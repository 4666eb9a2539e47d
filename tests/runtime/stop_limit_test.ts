import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { createLog } from "../../src/core/log.ts";
import {
  closeMilliseconds,
  cutShort,
  describeLeft,
  ReadSince,
  StopLimit,
  stopMilliseconds,
  type StopOutcome,
} from "../../src/runtime/stop_limit.ts";
import { TestClock } from "../support/clock/test_clock.ts";

/** What happens when, after a stop at 1,000 s. */
function actsOf(stopMs: number, work: (limit: StopLimit, clock: TestClock) => void): string[] {
  const clock = new TestClock(1_000_000);
  const acts: string[] = [];
  const note = (what: string) => () => void acts.push(`${what} ${clock.at - 1_000_000}`);
  work(new StopLimit(stopMs, clock, { giveUp: note("give up"), end: note("end") }), clock);
  return acts;
}

Deno.test("StopLimit tells calls to end, and ends the run, both within the limit", () => {
  const whole = (stopMs: number) =>
    actsOf(stopMs, (limit, clock) => {
      limit.start();
      clock.advance(stopMs);
    });
  assertEquals(whole(30_000), ["give up 27000", "end 29000"]);
  assertEquals(whole(8_000), ["give up 5600", "end 7200"]);
  assertEquals(whole(1_000), ["give up 700", "end 900"]);
  assertEquals(closeMilliseconds(30_000), 1_000);
});

Deno.test("StopLimit counts from the first request on", () => {
  const acts = actsOf(10_000, (limit, clock) => {
    clock.advance(60_000); // a run may be as long as it likes
    limit.start();
    clock.advance(5_000);
    limit.start();
    clock.advance(4_000);
  });
  assertEquals(acts, ["give up 67000", "end 69000"]);
});

Deno.test("StopLimit does nothing to a run that is over, and leaves no timers", () => {
  const acts = actsOf(10_000, (limit, clock) => {
    limit.start();
    limit.clear();
    limit.start(); // a signal that comes too late
    assertEquals(clock.sleeps, []);
    clock.advance(60_000);
  });
  assertEquals(acts, []);
});

Deno.test("stopMilliseconds() is half a minute unless somebody says", () => {
  assertEquals(stopMilliseconds({}), 30_000);
  assertEquals(stopMilliseconds({ stopTimeout: { minutes: 2 } }), 120_000);
  for (const stopTimeout of [0, { seconds: 0 }]) {
    assertThrows(
      () => stopMilliseconds({ stopTimeout }),
      RangeError,
      "the stop timeout must be more than zero; got 0 ms: for a stop that ends soon give",
    );
  }
  assertThrows(() => stopMilliseconds({ stopTimeout: -1 }), RangeError, "the stop timeout must be");
});

Deno.test("ReadSince goes back to when the first epoch began that is not durable", () => {
  const clock = new TestClock(0);
  const since = new ReadSince(clock);
  assertEquals(since.at, null);
  since.commit(); // a run's beginning
  assertEquals(since.at, null);
  clock.advance(5);
  since.begin();
  assertEquals(since.at, 5);
  clock.advance(10);
  since.trigger();
  clock.advance(10);
  assertEquals(since.at, 5);
  since.commit();
  assertEquals(since.at, 15);
});

Deno.test("describeLeft() names workers, steps and items", () => {
  const lookup = { step: "lookup", inFlight: 16 };
  const out = { step: "out", inFlight: 0 };
  assertEquals(
    describeLeft([{ worker: 0, left: [lookup, out] }]),
    `step "lookup" with 16 items in flight, step "out"`,
  );
  assertEquals(
    describeLeft([
      { worker: 0, left: [] },
      { worker: 1, left: [{ ...lookup, inFlight: 1 }] },
      { worker: 2, left: "it does not answer" },
    ]),
    `worker 1: step "lookup" with 1 item in flight; worker 2: it does not answer`,
  );
  assertEquals(describeLeft([{ worker: 0, left: [] }]), "nothing but to commit the last epoch");
});

Deno.test("cutShort() is an error where something is lost, and a line of log where nothing is", () => {
  const of = (outcome: Partial<StopOutcome>) => {
    const lines: string[] = [];
    const log = createLog((level, message, fields) =>
      lines.push(`${level} ${message} ${JSON.stringify(fields)}`)
    );
    const whole = { stopMs: 8_000, left: `step "out"`, epoch: null, since: 0, ...outcome };
    return { error: cutShort(whole, log), lines };
  };
  assertEquals(of({ epoch: 7 }), {
    error: null,
    lines: [
      `warn the stop took too long: the run ends at the last committed epoch ` +
      `{"epoch":7,"left":"step \"out\""}`.replaceAll(`"out"`, `\\"out\\"`),
    ],
  });
  assertStringIncludes(of({ epoch: -1 }).lines[0], "the run ends where it began");
  const { error: none, lines: [line] } = of({ since: null });
  assertEquals(none, null);
  assertStringIncludes(line, "nothing had been read");
  const { error, lines } = of({});
  assertStringIncludes(error!.message, "(--stop-timeout, 8 s)");
  assertStringIncludes(error!.message, "read since 1970-01-01T00:00:00.000Z");
  assertStringIncludes(error!.message, `is dropped, as there is no recovery store`);
  assertStringIncludes(error!.message, `Left: step "out"`);
  assertEquals(lines, []);
});
