import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  CURRENT_HOLDS_MS,
  type SourcesOfStep,
  SourceTimes,
} from "../../../src/runtime/time/source_times.ts";
import { NO_SOURCE, type Tick, type TickReport } from "../../../src/runtime/time/controls.ts";
import { Random } from "../../support/values/random.ts";

/** A step on one worker with one origin. */
function stepOf(given: Partial<SourcesOfStep>): SourcesOfStep {
  return { origins: ["in"], worker: 0, workers: 1, isInOrder: false, ...given };
}

/** One worker and one origin, with a source that is behind for each name. */
function oneWorker(...sources: string[]): SourceTimes {
  const times = new SourceTimes(stepOf({}));
  times.tick({
    kind: "tick",
    origin: "in",
    number: 1,
    states: sources.map((name) => [name, "behind"]),
  });
  return times;
}

/** Items of a source that were read after a tick. */
function see(times: SourceTimes, source: string, tick: number, ...items: number[]): void {
  times.from(source, "in", tick);
  for (const time of items) times.event.see(time);
}

/** A source "a" that is current, from which 10 has just come, and "b", which is behind, with 20. */
function currentAndBehind(): SourceTimes {
  const times = oneWorker("a", "b");
  times.look(0, false);
  see(times, "a", 1, 10);
  times.onItems();
  see(times, "b", 1, 20);
  times.tick({ kind: "tick", origin: "in", number: 2, states: [["a", "current"]] });
  return times;
}

Deno.test("SourceTimes has the least of the newest times of the sources", () => {
  const times = oneWorker("a", "b");
  see(times, "a", 1, 10, 30, 20);
  see(times, "b", 1, 5);
  assertEquals(times.event.now, -Infinity);
  times.tick({ kind: "tick", origin: "in", number: 2, states: [] });
  assertEquals([times.event.now, times.holding], [5, "b"]);
});

Deno.test("SourceTimes counts a source from when it is named, not from its first item", () => {
  const times = oneWorker("a", "silent");
  see(times, "a", 1, 10);
  times.tick({ kind: "tick", origin: "in", number: 2, states: [] });
  assertEquals([times.event.now, times.holding], [-Infinity, "silent"]);
});

Deno.test("SourceTimes waits until all origins have named their sources", () => {
  const times = new SourceTimes(stepOf({ origins: ["in", "other"] }));
  times.tick({ kind: "tick", origin: "in", number: 1, states: [["a", "behind"]] });
  see(times, "a", 1, 10);
  times.tick({ kind: "tick", origin: "in", number: 2, states: [] });
  assertEquals(times.event.now, -Infinity);
  times.tick({ kind: "tick", origin: "other", number: 1, states: [] });
  assertEquals(times.event.now, 10);
});

Deno.test("SourceTimes goes on without sources that are current or have ended", () => {
  const times = oneWorker("a", "b", "c");
  see(times, "a", 1, 10);
  see(times, "b", 1, 20);
  times.tick({ kind: "tick", origin: "in", number: 2, states: [["a", "current"], ["c", "ended"]] });
  assertEquals([times.event.now, times.holding], [20, "b"]);
  times.tick({ kind: "tick", origin: "in", number: 3, states: [["b", "current"]] });
  assertEquals([times.event.now, times.holding], [20, null]);
});

Deno.test("SourceTimes goes on without a source that ends with the tick that closes its last items", () => {
  const workers = 2;
  const times = new SourceTimes(stepOf({ workers }));
  const first = { kind: "tick", origin: "in", number: 1 } as const;
  times.tick({ ...first, states: [["a", "behind"], ["b", "behind"]] });
  times.report(1, { kind: "report", origin: "in", number: 1, newest: [], closedTo: 0 });
  see(times, "a", 1, 10);
  see(times, "b", 1, 50);
  times.tick({ kind: "tick", origin: "in", number: 2, states: [["a", "ended"]] });
  times.report(1, { kind: "report", origin: "in", number: 2, newest: [["a", 20]], closedTo: 0 });
  assertEquals([times.event.now, times.leastBeside(""), times.holding], [50, 50, "b"]);
});

Deno.test("SourceTimes counts nothing for a source that has ended, or is not known", () => {
  const times = oneWorker("a", "b");
  see(times, "b", 1, 5);
  see(times, "a", 1, 10);
  times.tick({ kind: "tick", origin: "in", number: 2, states: [["a", "ended"]] });
  times.event.see(70); // kept by a step before this one
  times.tick({ kind: "tick", origin: "in", number: 3, states: [] });
  assertEquals([times.event.now, times.holding], [5, "b"]);
  see(times, "b", 3, 20);
  times.from(NO_SOURCE, "", 0);
  times.event.see(30);
  times.tick({ kind: "tick", origin: "in", number: 4, states: [] });
  assertEquals([times.event.now, times.holding], [20, "b"]);
});

Deno.test("SourceTimes goes on after a restart without a source that had ended", () => {
  const times = new SourceTimes(stepOf({}));
  times.resume([["a", 10], ["ended", 5]], 5);
  times.resume([["a", 20]], 3);
  assertEquals(times.seen(), new Map([["a", 20], ["ended", 5]]));
  times.tick({ kind: "tick", origin: "in", number: 1, states: [["a", "behind"]] });
  assertEquals([times.event.now, times.leastBeside(""), times.holding], [20, 20, "a"]);
  assertEquals(times.seen(), new Map([["a", 20]]));
});

Deno.test("SourceTimes never goes back where a source comes back that was current", () => {
  const times = oneWorker("a", "b");
  see(times, "a", 1, 10);
  times.tick({ kind: "tick", origin: "in", number: 2, states: [["b", "current"]] });
  times.tick({ kind: "tick", origin: "in", number: 3, states: [["b", "behind"]] });
  assertEquals([times.event.now, times.holding], [10, "b"]);
});

Deno.test("SourceTimes waits for a current source until it has been silent for a second", () => {
  const times = currentAndBehind();
  assertEquals([times.event.now, times.holding, times.isCounting], [10, "a", true]);
  times.look(CURRENT_HOLDS_MS - 1, false);
  assertEquals([times.event.now, times.untilLook], [10, 1]);
  assertEquals(times.look(CURRENT_HOLDS_MS, false), true);
  assertEquals([times.event.now, times.holding, times.isCounting], [20, "b", false]);
  see(times, "a", 2, 15);
  times.onItems();
  assertEquals([times.event.now, times.isCounting], [20, true]);
});

Deno.test("SourceTimes does not count the time that a worker works in silence", () => {
  const times = currentAndBehind();
  assertEquals(times.look(10 * CURRENT_HOLDS_MS, true), false);
  assertEquals(times.event.now, 10);
});

Deno.test("SourceTimes does not count items that have overtaken others", () => {
  const times = oneWorker("a");
  see(times, "a", 3, 100); // read after the third tick, and here before the second
  times.tick({ kind: "tick", origin: "in", number: 2, states: [] });
  times.tick({ kind: "tick", origin: "in", number: 3, states: [] });
  assertEquals(times.event.now, -Infinity);
  times.tick({ kind: "tick", origin: "in", number: 4, states: [] });
  assertEquals(times.event.now, 100);
});

Deno.test("SourceTimes counts an item at once where nothing can overtake", () => {
  const times = new SourceTimes(stepOf({ isInOrder: true }));
  const leasts: number[] = [];
  const seen = (source: string, ...items: number[]) => {
    times.from(source, "in", 1);
    for (const time of items) {
      times.event.see(time);
      leasts.push(times.event.now);
    }
  };
  seen("a", 1);
  times.tick({ kind: "tick", origin: "in", number: 1, states: [["a", "behind"], ["b", "behind"]] });
  seen("a", 5);
  seen("b", 2, 1, 3, 9);
  seen("a", 8, 20);
  seen("b", 10);
  assertEquals(leasts, [-Infinity, -Infinity, 2, 2, 3, 5, 8, 9, 10]);
});

Deno.test("SourceTimes counts what another worker saw once all have passed the tick", () => {
  for (const isOwnFirst of [true, false]) {
    const times = new SourceTimes(stepOf({ workers: 2 }));
    const first: Tick = { kind: "tick", origin: "in", number: 1, states: [["a", "behind"]] };
    times.tick(first);
    times.report(1, { kind: "report", origin: "in", number: 1, newest: [], closedTo: 0 });
    const own: Tick = { kind: "tick", origin: "in", number: 2, states: [] };
    const others: TickReport = {
      kind: "report",
      origin: "in",
      number: 2,
      newest: [["a", 50]],
      closedTo: 0,
    };
    see(times, "a", 1, 40);
    if (isOwnFirst) times.tick(own);
    else times.report(1, others);
    assertEquals(times.event.now, -Infinity);
    if (isOwnFirst) times.report(1, others);
    else times.tick(own);
    assertEquals(times.event.now, 50);
  }
});

Deno.test("SourceTimes counts the newest time of partial results as that of items", () => {
  for (const isInOrder of [true, false]) {
    const times = new SourceTimes(stepOf({ isInOrder }));
    times.tick({ kind: "tick", origin: "in", number: 1, states: [["a", "behind"]] });
    times.from("a", "in", 1);
    const newest = { kind: "newest", source: "a", origin: "in", tick: 1 } as const;
    times.onNewest({ ...newest, time: 50 });
    times.onNewest({ ...newest, time: 40 });
    assertEquals(times.event.now, isInOrder ? 50 : -Infinity);
    const { newest: reported } = times.tick({ kind: "tick", origin: "in", number: 2, states: [] });
    assertEquals([reported, times.event.now], [[["a", 50]], 50]);
  }
});

Deno.test("SourceTimes knows how far a source is in order once its items have come here", () => {
  for (const isInOrder of [true, false]) {
    const times = new SourceTimes(stepOf({ workers: 2, isInOrder }));
    const tick = (number: number) => times.tick({ kind: "tick", origin: "in", number, states: [] });
    see(times, "a", 0, 5);
    tick(1);
    see(times, "b", 1, 5);
    tick(2);
    const known = () => ["a", "b"].map((source) => times.known("in", source));
    assertEquals(known(), isInOrder ? [1, 2] : [0, 0]);
    times.report(1, { kind: "report", origin: "in", number: 2, newest: [], closedTo: 0 });
    assertEquals(known(), [2, 2]);
  }
});

Deno.test("SourceTimes holds time for a source from the tick that says that it is behind", () => {
  const times = new SourceTimes(stepOf({ workers: 2 }));
  times.event.closedTo = () => times.event.now - 10;
  const tick = (number: number, ...states: [string, "behind" | "current"][]) =>
    times.tick({ kind: "tick", origin: "in", number, states });
  const report = (number: number, newest: [string, number][] = []) =>
    times.report(1, { kind: "report", origin: "in", number, newest, closedTo: 7 });
  tick(1, ["a", "current"], ["b", "behind"]);
  report(1, [["b", 20]]);
  assertEquals(times.event.now, 20);
  assertEquals(tick(2, ["a", "behind"]).closedTo, 10);
  tick(3, ["a", "current"]);
  tick(4, ["a", "behind"]);
  report(3, [["b", 30]]); // what "a" was at tick 3 is out of date
  assertEquals(times.event.now, 20);
  report(4, [["a", 25]]);
  assertEquals([times.event.now, times.closedTo("in")], [25, 10]);
});

Deno.test("SourceTimes refuses an origin that cannot send to the step", () => {
  const times = oneWorker("a");
  assertThrows(
    () => times.tick({ kind: "tick", origin: "elsewhere", number: 1, states: [] }),
    Error,
    `nothing of "elsewhere" can come here`,
  );
});

/** What goes over one way from a reader to a worker's part of the step. */
type Sent = { source: string; tick: number; time: number; newest: number } | Tick;

Deno.test("SourceTimes is never beyond the newest item of a source that is behind, in any order", () => {
  const advanced = { cases: 0, items: 0 };
  for (let seed = 0; seed < 300; seed++) {
    const random = new Random(seed);
    const workers = 1 + random.below(3);
    const sources = Array.from({ length: 1 + random.below(5) }, (_, i) => `s${i}`);
    const isInOrder = seed % 2 === 0;
    const steps = Array.from(
      { length: workers },
      (_, worker) => new SourceTimes(stepOf({ worker, workers, isInOrder })),
    );
    const ways: Sent[][] = steps.map(() => []);
    const reports: { from: number; report: TickReport }[][] = steps.map(() => []);
    const newest = new Map(sources.map((name) => [name, -Infinity]));
    let tick = 0;
    const sendTick = (states: Tick["states"]) => {
      tick++;
      for (const way of ways) way.push({ kind: "tick", origin: "in", number: tick, states });
    };
    sendTick(sources.map((name) => [name, "behind"]));
    const read = () => {
      const source = sources[random.below(sources.length)];
      const time = Math.max(newest.get(source)!, 0) + random.below(100) - 30;
      newest.set(source, Math.max(newest.get(source)!, time));
      ways[random.below(workers)].push({ source, tick, time, newest: newest.get(source)! });
    };
    const work = () => {
      const i = random.below(workers);
      if (random.below(2) === 0) {
        const told = reports[i].shift();
        if (told !== undefined) steps[i].report(told.from, told.report);
        return;
      }
      const sent = ways[i].shift();
      if (sent === undefined) return;
      if ("states" in sent) {
        const report = steps[i].tick(sent);
        reports.forEach((queue, j) => j !== i && queue.push({ from: i, report }));
        return;
      }
      steps[i].from(sent.source, "in", sent.tick);
      steps[i].event.see(sent.time);
      assert(
        steps[i].event.now <= sent.newest,
        `seed ${seed}: ${steps[i].event.now} > ${sent.newest}`,
      );
      if (steps[i].event.now > -Infinity) advanced.items++;
    };
    for (let n = 0; n < 300; n++) {
      if (random.below(3) === 0) read();
      else if (random.below(8) === 0) sendTick([]);
      else work();
    }
    sendTick([]);
    while (ways.some((way) => way.length > 0) || reports.some((queue) => queue.length > 0)) work();
    const least = Math.min(...newest.values());
    assertEquals(steps.map((step) => step.event.now), steps.map(() => least), `seed ${seed}`);
    if (least > -Infinity) advanced.cases++;
  }
  assert(advanced.cases > 100 && advanced.items > 1000, JSON.stringify(advanced));
});

/** Ticks of origins on workers 0 and 1, whose sources "a" and "b" have this state. */
function loggedTicks(times: SourceTimes) {
  const numbers = [0, 0];
  return (worker: number, state: "behind" | "current", at: number) => {
    const number = ++numbers[worker];
    const origin = `in on worker ${worker}`;
    const states = [["ab"[worker], state]] as const;
    times.tick({ kind: "tick", origin, number, states, logged: { at, idleSince: null } });
  };
}

/** A step in a group, with origins on workers 0 and 1. */
function inGroup(): SourceTimes {
  const origins = [0, 1].map((worker) => `in on worker ${worker}`);
  return new SourceTimes(stepOf({ origins, isInOrder: true, isLogged: true }));
}

/** The same after a first tick of each origin: both sources are behind. */
function behindInGroup(): SourceTimes {
  const times = inGroup();
  const tick = loggedTicks(times);
  tick(0, "behind", 0);
  tick(1, "behind", 0);
  return times;
}

/** An item of the source on a worker, read after a tick. */
function seeLogged(times: SourceTimes, worker: number, tick: number, time: number): void {
  times.from("ab"[worker], `in on worker ${worker}`, tick);
  times.event.see(time);
}

Deno.test("SourceTimes in a group follows others only as far as a silent source has confirmed", () => {
  const times = inGroup();
  const tick = loggedTicks(times);
  const newest = (worker: number, time: number, tick: number) =>
    times.onNewest({
      kind: "newest",
      source: "ab"[worker],
      origin: `in on worker ${worker}`,
      tick,
      time,
    });
  tick(0, "behind", 0);
  tick(1, "behind", 0);
  newest(0, 10, 1);
  newest(1, 20, 1);
  tick(0, "current", 5_000);
  tick(1, "behind", 5_000);
  assertEquals(times.event.now, 10); // "a" has just sent something
  tick(0, "current", 6_500); // it has been silent since
  assertEquals(times.event.now, 20);
  newest(1, 50, 2);
  tick(1, "behind", 7_000);
  newest(1, 60, 3);
  tick(1, "behind", 8_000);
  assertEquals(times.event.now, 20); // the machine of "a" may be dead since 6500
  tick(0, "current", 7_500);
  assertEquals(times.event.now, 50); // which "b" had by 7000
  newest(0, 55, 4);
  tick(0, "current", 9_000);
  assertEquals(times.event.now, 55);
});

Deno.test("SourceTimes in a group goes on where a snapshot has it", () => {
  const times = behindInGroup();
  seeLogged(times, 0, 1, 10);
  seeLogged(times, 1, 1, 20);
  const stored = structuredClone(times.logged());
  const { now } = times.event;
  const again = inGroup();
  again.resumeLogged({ ...stored, origins: [...stored.origins, "gone on worker 0"] }, now);
  const more = loggedTicks(again);
  assertEquals([again.event.now, again.newestOf("a"), again.newestOf("b")], [10, 10, 20]);
  seeLogged(again, 0, 1, 15); // before any origin has said more
  assertEquals([again.isComplete, again.event.now], [true, 15]);
  more(0, "behind", 100);
  more(1, "behind", 100);
  seeLogged(again, 0, 2, 18);
  assertEquals(again.event.now, 18);
});

Deno.test("SourceTimes in a group goes on with what a snapshot has of silent sources", () => {
  const times = inGroup();
  const tick = loggedTicks(times);
  tick(0, "behind", 0);
  tick(1, "current", 0);
  seeLogged(times, 0, 1, 10);
  tick(0, "behind", 3_000);
  tick(1, "current", 3_000); // it has been silent for long
  seeLogged(times, 0, 2, 20);
  tick(0, "behind", 4_000);
  assertEquals(times.event.now, 10);
  const again = inGroup();
  again.resumeLogged(structuredClone(times.logged()), 10);
  loggedTicks(again)(1, "current", 4_500);
  assertEquals(again.event.now, 20); // which "a" had by 4000
});

Deno.test("SourceTimes in a group waits for an origin that came after a snapshot", () => {
  const times = behindInGroup();
  seeLogged(times, 0, 1, 10);
  seeLogged(times, 1, 1, 10);
  const stored = structuredClone(times.logged());
  const again = inGroup();
  again.resumeLogged({ ...stored, origins: ["in on worker 0"] }, 10);
  seeLogged(again, 0, 1, 15);
  assertEquals([again.isComplete, again.event.now], [false, 10]);
});

Deno.test("SourceTimes in a group ends a source that a tick of its origin does not have", () => {
  const times = behindInGroup();
  seeLogged(times, 1, 1, 20);
  assertEquals(times.holding, "a");
  const logged = { at: 100, idleSince: null };
  times.tick({ kind: "tick", origin: "in on worker 0", number: 2, states: [], logged });
  assertEquals([times.holding, times.event.now], ["b", 20]);
});

Deno.test("SourceTimes in a group accepts an origin that reads a partition which was added", () => {
  const times = behindInGroup();
  const logged = { at: 100, idleSince: null };
  const states = [["c", "behind"]] as const;
  times.tick({ kind: "tick", origin: "in on worker 2", number: 1, states, logged });
  assertEquals(times.holding, "a");
  assertEquals(times.together.at, 0);
});

Deno.test("SourceTimes counts what comes before any source has a time, in the order of the items", () => {
  const times = new SourceTimes(stepOf({ isInOrder: true }));
  const states = [["a", "behind"], ["b", "behind"]] as const;
  times.tick({ kind: "tick", origin: "in", number: 1, states });
  see(times, "a", 1, 10);
  see(times, "b", 1, 20, 30);
  see(times, "a", 1, 40);
  see(times, "b", 1, 50);
  assertEquals(times.event.now, 40);
});

Deno.test("SourceTimes in a group takes what a window step has reached for as new as its news", () => {
  const origins = [0, 1].map((worker) => `first on worker ${worker}`);
  const steps = new Map(origins.map((origin) => [origin, "first"]));
  const times = new SourceTimes(stepOf({ origins, steps, isLogged: true }));
  const numbers = [0, 0];
  const tick = (worker: number, at: number, knownAt: number, reached: number) => {
    const origin = origins[worker];
    const logged = { at, knownAt, idleSince: null };
    const states = [[origin, "current"]] as const;
    times.tick({ kind: "tick", origin, number: ++numbers[worker], states, reached, logged });
  };
  tick(0, 100, 100, -Infinity);
  tick(1, 100, 100, -Infinity);
  tick(0, 100, 500, 7_000); // from values that others upstream have read by 500
  assertEquals(times.event.now, -Infinity); // those of this one may still be on their way
  tick(1, 400, 600, -Infinity);
  assertEquals(times.event.now, -Infinity);
  tick(1, 500, 700, -Infinity);
  tick(0, 600, 800, 7_000);
  assertEquals(times.event.now, 7_000);
});
