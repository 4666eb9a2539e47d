/**
 * State that users' functions change in place and also emit. With any batches, workers, ttl and
 * restarts, each result stays as it was emitted. Each key and window has its own state.
 */
import { assert, assertEquals } from "@std/assert";
import {
  Dataflow,
  EventClockConfig,
  type InputConfig,
  type Keyed,
  SessionWindowConfig,
  SlidingWindowConfig,
  type StateOptions,
  TumblingWindowConfig,
} from "../../mod.ts";
import { byKey } from "../support/runtime/logic_driver.ts";
import { Random } from "../support/values/random.ts";
import { ExactOutput, numbers } from "../support/recovery/resumable.ts";
import { TestClock } from "../support/clock/test_clock.ts";
import { WatchedRecovery } from "../support/recovery/watched_recovery.ts";
import { runWorkers } from "../support/runtime/workers.ts";

/** A value that functions below change, where it is their state. */
interface Value {
  n: number;
  readonly time: number;
  readonly tags: string[];
}

type Values = Dataflow<Keyed<Value>>;

/** A step, and its results for the values of a key. */
interface Case {
  readonly step: (values: Values, options: StateOptions) => Dataflow<Keyed<unknown>>;
  readonly model: (values: readonly Value[]) => readonly unknown[];
  /** Whether the step takes a ttl. */
  readonly ttl?: true;
}

const clone = structuredClone;

/** The results of a function that accepts a state and returns the next one, and outputs. */
function modelOf<S>(
  build: () => S,
  mapper: (state: S, value: Value) => readonly [S | null, unknown[]],
) {
  return (values: readonly Value[]): unknown[] => {
    let state: S | null = null;
    return values.flatMap((value) => {
      const [next, outs] = mapper(state ?? clone(build()), clone(value));
      state = clone(next);
      return clone(outs);
    });
  };
}

/** `statefulMap` with these functions, and as `statefulFlatMap`, and by hand. */
function maps<S>(
  name: string,
  build: () => S,
  mapper: (state: S, value: Value) => [S | null, unknown],
): [string, Case][] {
  const model = modelOf(build, (state, value) => {
    const [next, out] = mapper(state, value);
    return [next, [out]];
  });
  const flat = (state: S, value: Value): [S | null, unknown[]] => {
    const [next, out] = mapper(state, value);
    return [next, [out]];
  };
  return [
    [`statefulMap, ${name}`, {
      ttl: true,
      step: (s, options) => s.statefulMap<Value, unknown, S>("step", build, mapper, options),
      model,
    }],
    [`statefulMap behind another and before a map, ${name}`, {
      ttl: true,
      step: (s, options) =>
        s.statefulMap("before", () => 0, (count: number, value) => [count + 1, value])
          .statefulMap<Value, unknown, S>("step", build, mapper, options)
          .mapValue((out) => [out]).mapValue(([out]) => out),
      model,
    }],
    [`statefulFlatMap, ${name}`, {
      ttl: true,
      step: (s, options) => s.statefulFlatMap<Value, unknown, S>("step", build, flat, options),
      model,
    }],
  ];
}

/** What `build` returns for all keys and windows. */
const START = { list: [] as number[], sums: { n: 0 } };

/** The windows of a key by the plainest way, each with the values in it in the order they came. */
function windowsOf(values: readonly Value[], length: number, offset: number): Value[][] {
  const windows: Value[][] = [];
  for (let openAt = -length; openAt < 1_000; openAt += offset) {
    const inside = values.filter(({ time }) => openAt <= time && time < openAt + length);
    if (inside.length > 0) windows.push(inside);
  }
  return windows;
}

/** The sessions of a key, each with its values by time. */
function sessionsOf(values: readonly Value[], gap: number): Value[][] {
  const sessions: Value[][] = [];
  for (const value of values.toSorted((a, b) => a.time - b.time)) {
    const last = sessions.at(-1);
    if (last !== undefined && value.time < last.at(-1)!.time + gap) last.push(value);
    else sessions.push([value]);
  }
  return sessions;
}

/** Tumbling and sliding windows, and the result of a fold in each. */
const clock = new EventClockConfig<Value>({ getTime: ({ time }) => time, wait: 1e6 });
const tumbling = new TumblingWindowConfig({ length: 30 });
const sliding = new SlidingWindowConfig({ length: 30, offset: 10 });
const long = new SlidingWindowConfig({ length: 150, offset: 50 });
const sessions = new SessionWindowConfig({ gap: 25 });

/** Adds to the first value in place. */
function add(acc: Value, { n, tags }: Value): Value {
  acc.n += n;
  acc.tags.push(...tags);
  return acc;
}

/**
 * Like `add`, but goes on from the second value, changed in place next time, where that is the
 * larger.
 */
function addOrBegin(acc: Value, value: Value): Value {
  return value.n > acc.n ? value : add(acc, value);
}

type Tags = string[] | number | null | undefined;

/**
 * Goes on from a part of the first value, or of the second one where `start` is a number. Each
 * value but the first adds its tags.
 */
function addTags(acc: Tags, { tags }: Value): Tags {
  if (typeof acc === "number" && acc > 0) return acc - 1;
  if (typeof acc !== "object" || acc === null) return tags;
  acc.push(...tags);
  return acc;
}

/** Goes on from the tags of the value that has more of them. */
function addOrBeginTags(acc: string[], { tags }: Value): string[] {
  if (tags.length > acc.length) return tags;
  acc.push(...tags);
  return acc;
}

/** `foldWindow` over sliding windows, and the same by the plainest way. */
function foldSliding<A>(name: string, start: A, folder: (acc: A, value: Value) => A): [
  string,
  Case,
] {
  return [`foldWindow over sliding windows, ${name}`, {
    step: (s) => s.foldWindow("step", clock, long, () => start, folder),
    model: (values) =>
      windowsOf(values, 150, 50).map((inside) =>
        inside.reduce((acc, value) => clone(folder(acc, clone(value))), clone(start))
      ),
  }];
}

/** Sums by tag, of which the first value with the tag is the beginning. */
function addByTag(sums: Map<string, Value>, value: Value): Map<string, Value> {
  const sum = sums.get(value.tags[0]);
  if (sum === undefined) sums.set(value.tags[0], value);
  else add(sum, value);
  return sums;
}

const reduced = (reducer: (acc: Value, value: Value) => Value) => (values: readonly Value[]) =>
  clone(values).reduce((acc, value) => clone(reducer(acc, value)));

const sorted = ({ tags, ...value }: Value) => ({ ...value, time: 0, tags: tags.toSorted() });

function reduceWindow(
  reducer: (acc: Value, value: Value) => Value,
): [string, Case][] {
  return [
    [`reduceWindow over tumbling windows, ${reducer.name}`, {
      step: (s) => s.reduceWindow("step", clock, tumbling, reducer),
      model: (values) => windowsOf(values, 30, 30).map(reduced(reducer)),
    }],
    [`reduceWindow over sliding windows, ${reducer.name}`, {
      step: (s) => s.reduceWindow("step", clock, sliding, reducer),
      model: (values) => windowsOf(values, 30, 10).map(reduced(reducer)),
    }],
  ];
}

const CASES = new Map<string, Case>([
  ...maps("the state is given out", (): number[] => [], (list, { n }) => {
    list.push(n);
    return [list, list];
  }),
  ...maps("a part of the state is given out", () => ({ list: [] as number[] }), (state, { n }) => {
    state.list.push(n);
    return [state, { list: state.list, again: [state.list] }];
  }),
  ...maps("a flat state is in what is given out", () => ({ n: 0 }), (state, value) => {
    state.n += value.n;
    return [state, { value, by: new Map([["state", [state]]]) }];
  }),
  ...maps("build gives one object for all keys", () => START, (state, { n }) => {
    state.list.push(n);
    state.sums.n += n;
    return [state, state.sums];
  }),
  ...maps("the first value is the state", (): Value | undefined => undefined, (state, value) => {
    if (state === undefined) return [value, value];
    add(state, value);
    return [state, state];
  }),
  ...maps("the state is given out and forgotten", (): Set<number> => new Set(), (set, { n }) => {
    set.add(n);
    return [set.size === 3 ? null : set, set];
  }),
  ...maps("values are kept, and given out", (): Value[] => [], (list, value) => {
    if (list.length === 3) list.shift();
    list.push(value);
    return [list, [...list]];
  }),
  ...maps("binary data and dates", () => ({ sums: new Uint32Array(3), at: new Date(0) }), (
    state,
    { n },
  ) => {
    state.sums[n % 3] += n;
    state.at.setTime(state.at.getTime() + n);
    return [state, [state.sums.subarray(0, 2), state.at]];
  }),
  ...[null, undefined, 0, 2].flatMap((start) =>
    maps(
      `from ${start} a part of a value is the state`,
      (): Tags => start,
      (acc, value) => {
        const list = addTags(acc, value)!;
        return [list, list];
      },
    )
  ),
  ["statefulFlatMap with an iterable object that changes what it has yielded", {
    ttl: true,
    step: (s, options) =>
      s.statefulFlatMap("step", () => ({ n: 0 }), (state, { tags }) => [state, {
        *[Symbol.iterator]() {
          for (const _tag of tags) {
            state.n++;
            yield state;
          }
        },
      }], options),
    model: (values) => values.flatMap(({ tags }) => tags).map((_, at) => ({ n: at + 1 })),
  }],
  ["statefulFlatMap with a generator that changes what it has yielded", {
    ttl: true,
    step: (s, options) =>
      s.statefulFlatMap("step", (): number[] => [], (list, { n, tags }) => [
        list.length > 4 ? null : list,
        (function* () {
          for (const _tag of tags) {
            list.push(n);
            yield list;
          }
        })(),
      ], options),
    model: (values) => {
      let list: number[] = [];
      return values.flatMap(({ n, tags }) => {
        const lasts = list.length <= 4;
        const outs = tags.map(() => clone((list.push(n), list)));
        if (!lasts) list = [];
        return outs;
      });
    },
  }],
  ["stateful, by hand", {
    ttl: true,
    step: (s, options) =>
      s.stateful<Value, unknown, { list: number[] }>("step", (resumed) => {
        const state = resumed ?? { list: [] };
        return {
          onItem({ n }, emit) {
            state.list.push(n);
            emit(state);
            emit([state.list]);
          },
          onEnd(emit) {
            state.list.push(-1);
            emit(state);
            state.list.push(-2);
            emit(state);
          },
          isDone: () => state.list.at(-1) === -2,
          snapshot: () => state,
        };
      }, options),
    model: (values) => {
      const lists = values.map((_, at) => values.slice(0, at + 1).map(({ n }) => n));
      const all = lists.at(-1)!;
      return [
        ...lists.flatMap((list) => [{ list }, [list]]),
        { list: [...all, -1] },
        { list: [...all, -1, -2] },
      ];
    },
  }],
  ["reduce", {
    ttl: true,
    step: (s, options) => s.reduce("step", addOrBegin, ({ tags }) => tags.length > 6, options),
    model: modelOf((): Value[] => [], ([acc], value) => {
      const next = acc === undefined ? value : clone(addOrBegin(acc, value));
      return next.tags.length > 6 ? [null, [next]] : [[next], []];
    }),
  }],
  ["reduceFinal", {
    step: (s) => s.reduceFinal("step", add),
    model: (values) => [reduced(add)(values)],
  }],
  ["reduceFinal, addOrBegin", {
    step: (s) => s.reduceFinal("step", addOrBegin),
    model: (values) => [reduced(addOrBegin)(values)],
  }],
  ["foldFinal from one object for all keys", {
    step: (s) =>
      s.foldFinal("step", () => START, (state, { n }) => {
        state.list.push(n);
        state.sums.n += n;
        return state;
      }),
    model: (values) => [{
      list: values.map(({ n }) => n),
      sums: { n: values.reduce((sum, { n }) => sum + n, 0) },
    }],
  }],
  ...[null, undefined, 0, 2].map((start): [string, Case] => [
    `foldFinal from ${start} to a part of a value`,
    {
      step: (s) => s.foldFinal("step", (): Tags => start, addTags),
      model: (values) => [
        clone(values).reduce<Tags>(
          (acc, value) => addTags(acc, value),
          start,
        ),
      ],
    },
  ]),
  ["foldFinal from null to a part of a value, with a merger", {
    step: (s) =>
      s.foldFinal(
        "step",
        (): string[] | null => null,
        (acc, value) => addTags(acc, value) as string[],
        (a, b) => [...a!, ...b!],
      ).mapValue((list) => list!.toSorted()),
    model: (values) => [values.flatMap(({ tags }) => tags).toSorted()],
  }],
  ["foldFinal from the first value, with a merger", {
    step: (s) =>
      s.foldFinal(
        "step",
        (): Value | null => null,
        (acc, value) => acc === null ? value : add(acc, value),
        (a, b) => add(a!, b!),
      ).mapValue((value) => sorted(value!)),
    model: (values) => [sorted(reduced(add)(values))],
  }],
  ...reduceWindow(add),
  ...reduceWindow(addOrBegin),
  ["reduceWindow over sessions", {
    step: (s) => s.reduceWindow("step", clock, sessions, add).mapValue(sorted),
    model: (values) => sessionsOf(values, 25).map(reduced(add)).map(sorted),
  }],
  ["foldWindow over sliding windows from one object for all", {
    step: (s) =>
      s.foldWindow("step", clock, sliding, () => START, (state, { n }) => {
        state.list.push(n);
        state.sums.n += n;
        return state;
      }),
    model: (values) =>
      windowsOf(values, 30, 10).map((inside) => ({
        list: inside.map(({ n }) => n),
        sums: { n: inside.reduce((sum, { n }) => sum + n, 0) },
      })),
  }],
  ...[null, undefined, 0, 2].flatMap((start) => [
    foldSliding<Tags>(`from ${start} to a part of a value`, start, addTags),
    foldSliding<{ list: string[] } | typeof start>(
      `from ${start} to an object with a part of a value`,
      start,
      (acc, { tags }) => {
        if (typeof acc === "number" && acc > 0) return acc - 1;
        if (typeof acc !== "object" || acc === null) return { list: tags };
        acc.list.push(...tags);
        return acc;
      },
    ),
  ]),
  foldSliding("from one part of a value to another", [], addOrBeginTags),
  foldSliding("with a new object for each value", { n: 0 }, (acc, { n }) => ({ n: acc.n + n })),
  ["foldWindow over sliding windows from the first value", {
    step: (s) =>
      s.foldWindow(
        "step",
        clock,
        sliding,
        (): Value | undefined => undefined,
        (acc, value) => acc === undefined ? value : add(acc, value),
      ),
    model: (values) => windowsOf(values, 30, 10).map(reduced(add)),
  }],
  ["foldWindow over sliding windows that keeps values, and adds to them", {
    step: (s) => s.foldWindow("step", clock, sliding, () => new Map<string, Value>(), addByTag),
    model: (values) =>
      windowsOf(values, 30, 10).map((inside) =>
        inside.reduce((sums, value) => clone(addByTag(sums, clone(value))), new Map())
      ),
  }],
  ["foldWindow over sliding windows that counts in the value it keeps", {
    step: (s) =>
      s.foldWindow("step", clock, sliding, () => ({} as { first?: Value }), (acc, value) => {
        acc.first ??= value;
        acc.first.n++;
        return acc;
      }),
    model: (values) =>
      windowsOf(values, 30, 10).map((inside) => ({
        first: { ...inside[0], n: inside[0].n + inside.length },
      })),
  }],
  ["foldWindow over sliding windows that keeps a part of a value, and adds to it", {
    step: (s) =>
      s.foldWindow(
        "step",
        clock,
        sliding,
        () => ({ n: 0, all: [] as string[] }),
        (acc, { n, tags }) => {
          if (acc.n === 0) acc.all = tags;
          else acc.all.push(...tags);
          acc.n += n + 1;
          return acc;
        },
      ),
    model: (values) =>
      windowsOf(values, 30, 10).map((inside) => ({
        n: inside.reduce((sum, { n }) => sum + n + 1, 0),
        all: inside.flatMap(({ tags }) => tags),
      })),
  }],
  ["foldWindow over sessions", {
    step: (s) =>
      s.foldWindow(
        "step",
        clock,
        sessions,
        () => START.list,
        (list, { n }) => (list.push(n), list),
        (earlier, later) => (earlier.push(...later), earlier),
      ).mapValue((list) => list.toSorted()),
    model: (values) => sessionsOf(values, 25).map((all) => all.map(({ n }) => n).toSorted()),
  }],
  ["collectWindow over sliding windows", {
    step: (s) => s.collectWindow("step", clock, sliding).mapValue((list) => list.reverse()),
    model: (values) =>
      windowsOf(values, 30, 10).map((all) => all.toSorted((a, b) => a.time - b.time).reverse()),
  }],
  ["maxWindow over sliding windows", {
    step: (s) => s.maxWindow("step", clock, sliding, (a, b) => a.n - b.n),
    model: (values) =>
      windowsOf(values, 30, 10).map((inside) =>
        inside.toSorted((a, b) => b.n - a.n || a.time - b.time)[0]
      ),
  }],
  ["joinWindow, running", {
    step: (s) =>
      s.joinWindow("step", clock, tumbling, s.mapValue(({ n, ...rest }) => ({ n: -n, ...rest })), {
        mode: "running",
      }).mapValue((row) => row.reverse()),
    model: (values) =>
      values.flatMap(({ time }, at) => {
        const inside = (value: Value) => Math.floor(value.time / 30) === Math.floor(time / 30);
        const newest = (upTo: number): Value | undefined =>
          values.slice(0, upTo).filter(inside).toSorted((a, b) => a.time - b.time).at(-1);
        const [before, now] = [newest(at), newest(at + 1)!];
        const right = { ...now, n: -now.n }; // comes first
        return [[right, before], [right, now]];
      }),
  }],
  ["join, product", {
    ttl: true,
    step: (s, options) =>
      s.join("step", s.mapValue(({ n }) => n), { mode: "product", ...options })
        .mapValue((row) => row.reverse()),
    model: (values) =>
      values.flatMap((value, at) => [
        ...values.slice(0, at).map((left) => [value.n, left]), // the right one comes first
        ...values.slice(0, at + 1).map(({ n }) => [n, value]),
      ]),
  }],
  ["collect", {
    step: (s) =>
      s.collect("step", { maxSize: 4, timeout: { days: 100 } }).mapValue((l) => l.reverse()),
    model: (values) => {
      const batches = [];
      for (let at = 0; at < values.length; at += 4) {
        batches.push(values.slice(at, at + 4).reverse());
      }
      return batches;
    },
  }],
]);

/** All items of a key are in one partition, as workers have no common order. */
const PARTS = 4;

/** Each of the values goes to two keys, which must not notice one another. */
const KEYS = ["", "+"];

function randomEvents(random: Random): Keyed<Value>[] {
  return Array.from({ length: 40 + random.below(30) }, (_, n): Keyed<Value> => [
    `k${n % PARTS}`,
    {
      n: random.below(9),
      // Never the same twice for a key: in order of time or not, equals are the business of other
      // tests.
      time: (n * 7) % 300 + n / 1_000,
      tags: Array.from({ length: 1 + random.below(3) }, () => random.pick(["x", "y", "z"])),
    },
  ]);
}

function build(
  { step }: Case,
  events: readonly Keyed<Value>[],
  input: InputConfig<number>,
  options: StateOptions,
  output: ExactOutput<Keyed<unknown>>,
) {
  const values = new Dataflow("in-place").input("in", input)
    .flatMap((at) => KEYS.map((more): Keyed<Value> => [events[at][0] + more, events[at][1]]));
  return step(values, options).capture("out", output);
}

const ttls = ({ ttl }: Case): StateOptions[] => ttl ? [{}, { ttl: { days: 100 } }] : [{}];

function expected({ model }: Case, events: readonly Keyed<Value>[]): Record<string, unknown[]> {
  const keys = Object.entries(byKey(events));
  return Object.fromEntries(
    keys.flatMap(([key, values]) => KEYS.map((more) => [key + more, [...model(values)]])),
  );
}

for (const [name, each] of CASES) {
  Deno.test(`results stay what they were: ${name}`, async () => {
    Object.assign(START, { list: [], sums: { n: 0 } });
    const events = randomEvents(new Random(0));
    const before = clone(events);
    const results = expected(each, clone(events));
    for (const workers of [1, 2, 3]) {
      for (const batchSize of [1, 3, 1024]) {
        for (const options of ttls(each)) {
          const output = new ExactOutput<Keyed<unknown>>();
          const input = numbers(events.length, batchSize, { parts: PARTS });
          await runWorkers(build(each, events, input, options, output), workers, {
            clock: new TestClock(1_000_000),
          });
          const about = `${workers} workers, batches of ${batchSize}, ` +
            Deno.inspect(options);
          assertEquals(byKey(output.items), results, about);
          assertEquals(events, before, `the items themselves, ${about}`);
        }
      }
    }
  });
}

Deno.test("results stay what they were over failures and restarts, with other workers and batches", async () => {
  let resumes = 0;
  for (const [name, each] of CASES) {
    for (const [seed, options] of ttls(each).entries()) {
      const random = new Random(seed);
      Object.assign(START, { list: [], sums: { n: 0 } });
      const events = randomEvents(random);
      const results = expected(each, clone(events));
      const output = new ExactOutput<Keyed<unknown>>();
      const recovery = new WatchedRecovery();
      for (let left = 4; left >= 0; left--) {
        const failAfter = left > 0 ? 5 + random.below(events.length / 2) : Infinity;
        const input = numbers(events.length, random.pick([1, 4, 1024]), {
          parts: PARTS,
          failAfter,
        });
        await runWorkers(build(each, events, input, options, output), 1 + random.below(3), {
          clock: new TestClock(1_000_000),
          recovery,
          epochMs: 0,
        }).catch((error) => assertEquals(error.stepId, "in", `${name}: ${error}`));
        if (left > 0 && recovery.epoch !== null && recovery.epoch > 0) resumes++;
      }
      // Outputs of several workers have no common order.
      const unordered = (keys: Record<string, unknown[]>) =>
        Object.entries(keys).map(([key, list]) => [
          key,
          list.map((out) => Deno.inspect(out, { depth: 9, sorted: true })).sort(),
        ]).sort();
      assertEquals(unordered(byKey(output.items)), unordered(results), `${name}, seed ${seed}`);
    }
  }
  assert(resumes > CASES.size, `only ${resumes} runs went on after a snapshot in their middle`);
});
