import { assertEquals, assertThrows } from "@std/assert";
import type { WindowCombiner } from "../../../src/graph/nodes.ts";
import type { Message } from "../../../src/runtime/channel.ts";
import { WindowCombining } from "../../../src/runtime/exchange/window_combining.ts";
import type { From, SourceState, Tick } from "../../../src/runtime/time/controls.ts";

const WAIT = 10;

/** Windows of 100, of values that are times. A partial result lists values. */
const lists: WindowCombiner = {
  waitMs: WAIT,
  timeOf: (value) => value as number,
  endOf: (time) => 100 * (Math.floor(time / 100) + 1),
  start: () => [],
  add: (partial, value) => void (partial as unknown[]).push(value),
  take: (partial) => partial,
};

const fail = (item: unknown, thrown: unknown) =>
  new Error(`${Deno.inspect(item)}: ${(thrown as Error).message}`);

const from = (source: string, tick: number, origin = "in"): From => ({
  kind: "from",
  source,
  origin,
  tick,
});

const tick = (number: number, ...states: [string, SourceState][]): Tick => ({
  kind: "tick",
  origin: "in",
  number,
  states,
});

/** A combining end, what it has sent, and what the workers have agreed on. */
function combining(combiner = lists) {
  const sent: Message[] = [];
  const target = {
    room: Infinity,
    offered: () => {},
    push: (message: Message) => void sent.push(message),
  };
  const agreed = { through: 0, closedTo: -Infinity, newest: -Infinity };
  const end = new WindowCombining(
    combiner,
    target,
    {
      through: () => agreed.through,
      closedTo: () => agreed.closedTo,
      newestOf: () => agreed.newest,
    },
    new Set(["in"]),
    fail,
  );
  /** Returns what has been sent since the last call. */
  const take = () => sent.splice(0);
  return { end, take, agreed, target };
}

/** The same, once all workers hold their time back for the source "a". */
function agreeing(closedTo = -Infinity) {
  const it = combining();
  it.end.push(tick(1, ["a", "behind"]));
  it.end.push(from("a", 1));
  Object.assign(it.agreed, { through: 1, closedTo });
  it.take();
  return it;
}

const combined = (tick: number, pairs: unknown[], newest: number): Message[] => [
  { ...from("a", tick), isCombined: true },
  pairs,
  { kind: "newest", source: "a", origin: "in", tick, time: newest },
];

Deno.test("values are combined from the tick on that all workers have reported", () => {
  const { end, take, agreed } = combining();
  end.push(tick(1, ["a", "behind"]));
  end.push(from("a", 1));
  end.push([["k", 5]]);
  assertEquals(take(), [tick(1, ["a", "behind"]), from("a", 1), [["k", 5]]]);
  agreed.through = 1;
  end.push([["k", 6], ["l", 7]]);
  end.push([["k", 8]]);
  assertEquals(take(), []);
  end.push(tick(2));
  assertEquals(take(), [...combined(1, [["k", [6, 8]], ["l", [7]]], 8), tick(2)]);
});

Deno.test("partial results go before each message about time, activity and epochs", () => {
  const messages: Message[] = [
    tick(2),
    { kind: "idle" },
    { kind: "active" },
    { kind: "barrier", epoch: 3 },
    { kind: "end", stopped: false },
  ];
  for (const message of messages) {
    const { end, take } = agreeing();
    end.push([["k", 5]]);
    end.push(message);
    assertEquals(take(), [...combined(1, [["k", [5]]], 5), message]);
  }
});

Deno.test("partial results are of one source", () => {
  const { end, take } = agreeing();
  end.push([["k", 5]]);
  end.push(from("b", 1));
  assertEquals(take(), combined(1, [["k", [5]]], 5));
  end.push([["k", 6]]);
  assertEquals(take(), [from("b", 1), [["k", 6]]]); // nothing is known of its state
});

Deno.test("values of a source that is current, or has ended, go as they come", () => {
  for (const state of ["current", "ended"] as const) {
    const { end, take, agreed } = agreeing();
    end.push(tick(2, ["a", state]));
    agreed.through = 2;
    end.push(from("a", 2));
    end.push([["k", 5]]);
    assertEquals(take(), [tick(2, ["a", state]), from("a", 2), [["k", 5]]]);
    // Until it is behind again, and all workers have reported that.
    end.push(tick(3, ["a", "behind"]));
    end.push(from("a", 3));
    end.push([["k", 6]]);
    agreed.through = 3;
    end.push([["k", 7]]);
    end.push(tick(4));
    assertEquals(take(), [
      tick(3, ["a", "behind"]),
      from("a", 3),
      [["k", 6]],
      ...combined(3, [["k", [7]]], 7),
      tick(4),
    ]);
  }
});

Deno.test("after silence, values are combined once a tick that followed it is reported", () => {
  const { end, take, agreed } = agreeing();
  end.push({ kind: "idle" });
  end.push(tick(2));
  agreed.through = 2;
  end.push(from("a", 2));
  end.push([["k", 5]]); // says that the input is active, but not to all workers
  assertEquals(take(), [{ kind: "idle" }, tick(2), from("a", 2), [["k", 5]]]);
  end.push({ kind: "active" });
  end.push([["k", 6]]);
  assertEquals(take(), [{ kind: "active" }, [["k", 6]]]);
  end.push(tick(3));
  end.push(from("a", 3));
  end.push([["k", 7]]);
  agreed.through = 3;
  end.push([["k", 8]]);
  end.push(tick(4));
  assertEquals(take(), [
    tick(3),
    from("a", 3),
    [["k", 7]],
    ...combined(3, [["k", [8]]], 8),
    tick(4),
  ]);
});

Deno.test("a value goes as it is if its window may have closed on some worker", () => {
  const { end, take } = agreeing(200);
  end.push([["k", 199], ["k", 200]]);
  end.push(tick(2));
  assertEquals(take(), [from("a", 1), [["k", 199]], ...combined(1, [["k", [200]]], 200), tick(2)]);
});

Deno.test("a value goes as it is if its source has closed its window", () => {
  const { end, take } = agreeing();
  end.push([["k", 100 + WAIT - 1], ["k", 98], ["k", 100 + WAIT], ["k", 99]]);
  end.push(tick(2));
  const pairs = [["k", [109, 98, 110]]];
  assertEquals(take(), [...combined(1, pairs, 110), from("a", 1), [["k", 99]], tick(2)]);
});

Deno.test("values that may be late keep their place among those that are combined", () => {
  const { end, take } = agreeing(100);
  end.push([["k", 110], ["k", 50], ["k", 51], ["k", 220], ["k", 300]]);
  end.push(tick(2));
  assertEquals(take(), [
    ...combined(1, [["k", [110]]], 110),
    from("a", 1),
    [["k", 50], ["k", 51]],
    ...combined(1, [["k", [220, 300]]], 300),
    tick(2),
  ]);
});

Deno.test("values that went as they came count for what their source has closed", () => {
  const { end, take, agreed } = combining();
  end.push(tick(1, ["a", "behind"]));
  end.push(from("a", 1));
  end.push([["k", 300]]);
  Object.assign(agreed, { through: 1, newest: 150 });
  end.push([["k", 250], ["k", 150]]);
  end.push(tick(2));
  assertEquals(take().slice(3), [
    ...combined(1, [["k", [250]]], 300),
    from("a", 1),
    [["k", 150]],
    tick(2),
  ]);
});

Deno.test("what came before a restart counts for what its source has closed", () => {
  const { end, take, agreed } = combining();
  end.push(tick(1, ["a", "behind"]));
  end.push(from("a", 1));
  Object.assign(agreed, { through: 1, newest: 300 });
  end.push([["k", 250], ["k", 150]]);
  end.push(tick(2));
  assertEquals(take().slice(1), [
    ...combined(1, [["k", [250]]], 300),
    from("a", 1),
    [["k", 150]],
    tick(2),
  ]);
});

Deno.test("values of steps, of other workers' inputs and of no source go as they come", () => {
  const { end, take } = agreeing();
  for (const other of [from("a", 1, "step"), from("", 0, "")]) {
    end.push(other);
    end.push([["k", 5]]);
    assertEquals(take(), [other, [["k", 5]]]);
  }
});

Deno.test("values go as they come for a while where combining saves little", () => {
  const { end, take, agreed } = agreeing();
  end.push(Array.from({ length: 4_096 }, (_, i) => [`k${i}`, i]));
  assertEquals(take().length, 3);
  const batch = Array.from({ length: 1 << 19 }, () => ["k", 5_000]);
  end.push(batch);
  assertEquals(take(), [from("a", 1), batch]);
  // Their times are not known, so it begins again with the tick that closes them.
  end.push([["k", 5_001]]);
  assertEquals(take(), [[["k", 5_001]]]);
  end.push(tick(2));
  agreed.through = 2;
  end.push(from("a", 2));
  end.push([["k", 5_002]]);
  end.push(tick(3));
  assertEquals(take(), [tick(2), ...combined(2, [["k", [5_002]]], 5_002), tick(3)]);
});

Deno.test("there is any room for what is combined, until the target has none", () => {
  const { end, target } = agreeing();
  target.room = 1;
  assertEquals(end.room, Infinity);
  target.room = 0;
  assertEquals(end.room, 0);
  end.push({ kind: "idle" });
  target.room = 1;
  assertEquals(end.room, 1);
});

Deno.test("an error of the clock is one of the step, and so is an item without a key", () => {
  const { end } = agreeing();
  assertThrows(() => end.push(["no pair"]), Error, '"no pair": ');
  const { end: failing, agreed } = combining({
    ...lists,
    timeOf: () => {
      throw new Error("no time");
    },
  });
  failing.push(tick(1, ["a", "behind"]));
  agreed.through = 1;
  failing.push(from("a", 1));
  assertThrows(() => failing.push([["k", 1]]), Error, '[ "k", 1 ]: no time');
});
