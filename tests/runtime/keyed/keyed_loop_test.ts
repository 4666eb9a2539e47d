import { assertEquals, assertThrows } from "@std/assert";
import {
  Dataflow,
  EventClockConfig,
  type Keyed,
  TestingInputConfig,
  TestingOutputConfig,
  TumblingWindowConfig,
} from "../../../mod.ts";
import type { BuildLogic, Emit } from "../../../src/graph/contracts.ts";
import { KeyedLogic } from "../../../src/graph/keyed_logic.ts";
import type { StatefulNode } from "../../../src/graph/nodes.ts";
import { EventTime } from "../../../src/graph/event_time.ts";
import { graphOf } from "../../../src/graph/graph.ts";
import { createKeyedLoop, type KeyedLoop } from "../../../src/runtime/keyed/keyed_loop.ts";
import { Random } from "../../support/values/random.ts";
import { stillScope } from "../../support/runtime/step_scope.ts";

/** Makes the loop of a step with `build`. */
function stateOf<V, W, S>(build: BuildLogic<V, W, S>): KeyedLoop {
  const anyBuild = build as unknown as BuildLogic<never, unknown, unknown>;
  const node: StatefulNode = {
    kind: "stateful",
    name: { given: "step" },
    upstreams: [],
    begin: (time) => (state, key, resumed) => anyBuild(state, key, time, resumed),
    single: false,
    quiet: false,
    combiner: null,
    windowCombiner: null,
  };
  return createKeyedLoop(node, null, stillScope());
}

const snapshot = () => null;

/** Hands a whole batch over. Returns what was emitted. */
function feed(state: KeyedLoop, batch: unknown[]): unknown[] {
  const emitted: unknown[] = [];
  for (let at = 0; at < batch.length;) {
    at = state.items(batch, at, batch.length, 4096);
    emitted.push(...state.take());
  }
  return emitted;
}

Deno.test("keyed state builds a key's logic once, and emits with the key", () => {
  const built: string[] = [];
  const state = stateOf<number, number, null>((resumed, key) => {
    built.push(`${key} ${resumed}`);
    let sum = 0;
    return { onItem: (value, emit) => emit(sum += value), snapshot };
  });
  assertEquals(feed(state, [["a", 1], ["b", 10], ["a", 2]]), [["a", 1], ["b", 10], ["a", 3]]);
  assertEquals(feed(state, [["b", 1]]), [["b", 11]]);
  assertEquals(built, ["a undefined", "b undefined"]);
});

Deno.test("keyed state has keys with any name", () => {
  const names = ["", "__proto__", "constructor", "toString", "\ud800", "a\nb"];
  const state = stateOf<number, number, null>(() => {
    let sum = 0;
    return { onItem: (value, emit) => emit(sum += value), snapshot };
  });
  feed(state, names.map((name) => [name, 1]));
  assertEquals(feed(state, names.map((name) => [name, 1])), names.map((name) => [name, 2]));
});

Deno.test("keyed state builds a key again after isDone() returned true, also within a batch", () => {
  let built = 0;
  const state = stateOf<number, string, null>(() => {
    const nth = ++built;
    let done = false;
    return {
      onItem(value, emit) {
        emit(`${nth}:${value}`);
        done = value === 0;
      },
      isDone: () => done,
      snapshot,
    };
  });
  assertEquals(
    feed(state, [["a", 1], ["a", 0], ["a", 2], ["a", 3]]).map((pair) =>
      (pair as [string, string])[1]
    ),
    ["1:1", "1:0", "2:2", "2:3"],
  );
});

/** Logic that wants to be notified at the time that its last value was. */
const alarm: BuildLogic<number, string, null> = () => {
  let at: number | null = null;
  return {
    onItem: (value) => {
      at = value;
    },
    onNotify: (emit) => {
      emit(`rang for ${at}`);
      at = null;
    },
    notifyAt: () => at === null ? null : new Date(at),
    isDone: () => at === -1,
    snapshot,
  };
};

Deno.test("keyed state notifies the keys that are due, earliest first, and each once", () => {
  const state = stateOf(alarm);
  feed(state, [["c", 30], ["a", 10], ["b", 20]]);
  assertEquals(state.nextDue, 10);
  assertEquals(state.notify(9, 4096), 0);
  assertEquals(state.notify(20, 4096), 2);
  assertEquals(state.take(), [["a", "rang for 10"], ["b", "rang for 20"]]);
  assertEquals([state.notify(29, 4096), state.nextDue], [0, 30]);
});

Deno.test("keyed state asks notifyAt() once after a batch, for the last of its values", () => {
  let asked = 0;
  const state = stateOf<number, string, null>((state, key, time, resumed) => {
    const logic = alarm(state, key, time, resumed);
    return {
      ...logic,
      notifyAt: () => {
        asked++;
        return logic.notifyAt!();
      },
    };
  });
  feed(state, [["a", 10], ["a", 99], ["a", 50]]);
  assertEquals([asked, state.notify(49, 4096), state.notify(50, 4096)], [1, 0, 1]);
  assertEquals(state.take(), [["a", "rang for 50"]]);
});

Deno.test("keyed state does not notify a forgotten key, nor the same key too early when it is new again", () => {
  const state = stateOf(alarm);
  feed(state, [["a", 10]]);
  feed(state, [["a", -1], ["b", -1]]);
  assertEquals(state.notify(100, 4096), 0);
  feed(state, [["a", 110], ["a", -1], ["a", 120]]);
  assertEquals(state.notify(119, 4096), 0);
  assertEquals(state.notify(120, 4096), 1);
  assertEquals(state.take(), [["a", "rang for 120"]]);
});

Deno.test("keyed state notifies a key again when it still wants to be at a time that has come", () => {
  let left = 3;
  const state = stateOf<number, number, null>(() => ({
    onItem: () => {},
    onNotify: (emit) => emit(left--),
    notifyAt: () => left > 0 ? new Date(10 - left) : null,
    snapshot,
  }));
  feed(state, [["a", 1]]);
  const emitted: unknown[] = [];
  while (state.notify(10, 4096)) emitted.push(...state.take());
  assertEquals(emitted, [["a", 3], ["a", 2], ["a", 1]]);
});

Deno.test("keyed state lets other work run when a key wants to be notified for ever", () => {
  let notified = 0;
  const state = stateOf<number, number, null>(() => ({
    onItem: () => {},
    onNotify: () => {
      if (++notified > 10_000) throw new Error("notified ten thousand times in one call");
    },
    notifyAt: () => new Date(0),
    snapshot,
  }));
  feed(state, [["a", 1]]);
  state.notify(10, 4096);
  assertEquals(notified > 0, true);
});

Deno.test("keyed state ends each living key once, in the order in which they came", () => {
  const state = stateOf<number, string, null>(() => {
    let last = 0;
    return {
      onItem: (value) => {
        last = value;
      },
      onEnd: (emit: Emit<string>) => emit(`last ${last}`),
      isDone: () => last === 0,
      snapshot,
    };
  });
  feed(state, [["b", 1], ["a", 2], ["gone", 0], ["b", 3]]);
  assertEquals(state.end(4096), true);
  assertEquals(state.take(), [["b", "last 3"], ["a", "last 2"]]);
  assertEquals([state.end(4096), state.take()], [true, []]);
});

Deno.test("keyed state pauses when it has emitted thousands, and loses nothing", () => {
  const repeated = (count: number) => (emit: Emit<number>) => {
    for (let i = 0; i < count; i++) emit(i);
  };
  const state = stateOf<number, number, null>(() => ({
    onItem: (count, emit) => repeated(count)(emit),
    onEnd: repeated(1_000),
    onNotify: repeated(1_000),
    notifyAt: () => new Date(5),
    snapshot,
  }));
  const batch = Array.from({ length: 10 }, (_, key) => [`${key}`, 1_000]);
  const at = state.items(batch, 0, 10, 4096);
  assertEquals([at, state.take().length], [5, 5_000]);
  assertEquals(feed(state, batch.slice(5)).length, 5_000);
  state.notify(5, 4096);
  assertEquals(state.take().length, 5_000);
  const ended: number[] = [];
  for (let all = false; !all;) {
    all = state.end(4096);
    ended.push(state.take().length);
  }
  assertEquals(ended.reduce((sum, count) => sum + count, 0), 10_000);
  assertEquals(Math.max(...ended) <= 5_000, true);
});

Deno.test("keyed state shows the item that was worked on when an error was thrown", () => {
  const state = stateOf<number, number, null>(() => ({
    onItem(value) {
      if (value === 2) throw new Error("two");
    },
    snapshot,
  }));
  assertThrows(() => feed(state, [["a", 1], ["b", 2], ["c", 3]]), Error, "two");
  assertEquals(state.current, { item: ["b", 2] });
});

Deno.test("keyed state shows the key of a partial result, which the user has not made", () => {
  class Failing extends KeyedLogic<number, number, null> {
    onItem(): void {}
    override onPartial(): void {
      throw new Error("in a merger");
    }
    snapshot = snapshot;
  }
  const state = stateOf<number, number, null>(() => new Failing());
  const batch = [["a", [1, 0, 10, 5]]];
  assertThrows(() => state.items(batch, 0, 1, 4096, true), Error, "in a merger");
  assertEquals(state.current, { key: "a" });
});

Deno.test("keyed state shows the key when no item was worked on", () => {
  const state = stateOf<number, number, null>(() => ({
    onItem: () => {},
    onNotify() {
      throw new Error("in onNotify");
    },
    onEnd() {
      throw new Error("in onEnd");
    },
    notifyAt: () => new Date(0),
    snapshot,
  }));
  feed(state, [["a", 1]]);
  assertThrows(() => state.notify(0, 4096), Error, "in onNotify");
  assertEquals(state.current, { key: "a" });
  assertThrows(() => state.end(4096), Error, "in onEnd");
  assertEquals(state.current, { key: "a" });
});

Deno.test("keyed state refuses items that are not pairs with a string key", () => {
  const state = stateOf<number, number, null>(() => ({ onItem: () => {}, snapshot }));
  const refusals: [unknown, string][] = [
    ["ab", `needs [key, value] pairs; got "ab"`],
    [["a"], `needs [key, value] pairs; got [ "a" ]`],
    [["a", 1, 2], `needs [key, value] pairs; got [ "a", 1, 2 ]`],
    [undefined, "needs [key, value] pairs; got undefined"],
    [{ 0: "a", 1: 2, length: 2 }, "needs [key, value] pairs"],
    [[7, 1], "needs string keys; got the key 7 in [ 7, 1 ]"],
    [[null, 1], "needs string keys; got the key null"],
  ];
  for (const [item, message] of refusals) {
    assertThrows(() => feed(state, [item]), TypeError, message);
    assertEquals(state.current, { item });
  }
});

Deno.test("keyed state refuses logic without onItem", () => {
  for (const logic of [undefined, null, {}, { onItem: 1 }]) {
    const state = stateOf((() => logic) as unknown as BuildLogic<number, number, null>);
    assertThrows(
      () => feed(state, [["a", 1]]),
      TypeError,
      "build must return an object with onItem and snapshot; got",
    );
  }
});

Deno.test("keyed state refuses promises from build, onItem, onNotify, onEnd, onStop and isDone", () => {
  const later = (() => Promise.resolve()) as unknown as () => void;
  const notifyAt = () => new Date(0);
  const onItem = () => {};
  const refused = (what: string, logic: object, call: (state: KeyedLoop) => unknown) => {
    const state = stateOf((() => logic) as unknown as BuildLogic<number, number, null>);
    assertThrows(
      () => {
        feed(state, [["a", 1]]);
        call(state);
      },
      TypeError,
      `${what} returned a promise, but stateful steps are synchronous`,
    );
  };
  refused("build", Promise.resolve({ onItem }), () => {});
  refused("onItem", { onItem: later }, () => {});
  refused("onNotify", { onItem, notifyAt, onNotify: later }, (state) => state.notify(1, 4096));
  refused("onEnd", { onItem, onEnd: later }, (state) => state.end(4096));
  refused("onStop", { onItem, onStop: later }, (state) => state.end(4096, true));
  refused("isDone", { onItem, isDone: later }, () => {});
});

Deno.test("keyed state lets methods return anything but a promise", () => {
  const seen: number[] = [];
  const state = stateOf<number, number, null>(() => ({
    onItem: (value) => seen.push(value) as unknown as void,
    snapshot,
  }));
  feed(state, [["a", 1], ["a", 2]]);
  assertEquals(seen, [1, 2]);
});

Deno.test("keyed state refuses a result of notifyAt() that is not a valid date, and names the key", () => {
  for (const at of [5, "soon", new Date(NaN), Promise.resolve(null)]) {
    const state = stateOf(
      (() => ({ onItem: () => {}, notifyAt: () => at, snapshot })) as unknown as BuildLogic<
        number,
        number,
        null
      >,
    );
    const error = assertThrows(() => feed(state, [["user-1", 1]]), TypeError);
    assertEquals(
      /notifyAt must return a valid Date or null; got .* for key "user-1"/.test(
        (error as Error).message,
      ),
      true,
    );
  }
});

Deno.test("keyed state agrees with a map when values come at random", () => {
  for (let seed = 0; seed < 30; seed++) {
    const random = new Random(seed);
    const model = new Map<string, number>();
    const state = stateOf<number, number, null>(() => {
      let sum = 0;
      return {
        onItem: (value, emit) => emit(sum += value),
        isDone: () => sum % 5 === 0,
        snapshot,
      };
    });
    for (let round = 0; round < 20; round++) {
      const batch = Array.from({ length: random.below(50) }, (): [string, number] => [
        `${random.below(6)}`,
        random.below(10),
      ]);
      const expected = batch.map(([key, value]) => {
        const sum = (model.get(key) ?? 0) + value;
        if (sum % 5 === 0) model.delete(key);
        else model.set(key, sum);
        return [key, sum];
      });
      assertEquals(feed(state, batch), expected);
    }
  }
});

Deno.test("a key that is asked after quiet time has passed its window still waits for the sources", () => {
  const clock = new EventClockConfig({ getTime: (time: number) => time, wait: 0 });
  const flow = new Dataflow("windows");
  flow.input("in", new TestingInputConfig<Keyed<number>>([]))
    .countWindow("count", clock, new TumblingWindowConfig({ length: 1_000 }))
    .capture(new TestingOutputConfig<unknown>([]));
  const node = graphOf(flow).nodes.find((each) => each.kind === "stateful")!;
  const event = new EventTime(500); // a source holds time back
  const loop = createKeyedLoop(node, null, { ...stillScope(), event });
  assertEquals(feed(loop, [["key", 900]]), []);
  event.passQuiet(300, 500); // all at once, before anybody has asked the key
  while (loop.becomeQuiet());
  assertEquals(loop.notifyQuiet(300, 10), 0); // it has been asked too late for that
  assertEquals(event.nextClose, 1_000);
  event.reach(1_000);
  loop.askSources();
  assertEquals(loop.notifySources(event.now, 10), 1);
  assertEquals(loop.take().length, 1);
});
