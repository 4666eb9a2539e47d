/**
 * What TypeScript infers and refuses: checked when this file is type-checked. The functions are
 * never called.
 *
 * @module
 */
import {
  type Dataflow,
  EventClockConfig,
  type JoinSide,
  type JoinSides,
  json,
  type Keyed,
  ManualEpochOutputConfig,
  ManualInputConfig,
  ManualOutputConfig,
  type OutputConfig,
  PartitionedInputConfig,
  run,
  type StatefulLogic,
  StdOutputConfig,
  SystemClockConfig,
  TestingInputConfig,
  TestingOutputConfig,
  TumblingWindowConfig,
  type WindowMetadata,
} from "../../mod.ts";

/** `true` where two types are the same, `any` and `never` told apart. */
type Equal<A, B> = (<X>() => X extends A ? 1 : 2) extends (<X>() => X extends B ? 1 : 2) ? true
  : false;

/** Compiles where the stream's items are of type `Expected`, and no other. */
function items<Expected>(): <Actual>(
  stream: Dataflow<Actual>,
  ...same: Equal<Actual, Expected> extends true ? [] : [expected: Expected, actual: Actual]
) => void {
  return () => {};
}

interface Circle {
  kind: "circle";
  radius: number;
}
interface Square {
  kind: "square";
  side: number;
}
type Shape = Circle | Square;
const isCircle = (shape: Shape): shape is Circle => shape.kind === "circle";

declare const root: Dataflow;
declare const numbers: Dataflow<number>;
declare const words: Dataflow<string>;
declare const shapes: Dataflow<Shape>;
declare const maybe: Dataflow<string | null | undefined>;
declare const amounts: Dataflow<Keyed<number>>;

/**
 * One group of checks. Its function is compiled but never called. So it is not a `Deno.test`, which
 * would claim to test something although it could not fail when it runs.
 */
function check(_title: string, _checks: () => void): void {}

check("the helper tells types apart", () => {
  items<number>()(numbers);
  // @ts-expect-error: they are numbers
  items<string>()(numbers);
  // @ts-expect-error: a wider type is not the same
  items<number | string>()(numbers);
  // @ts-expect-error: neither is any
  // deno-lint-ignore no-explicit-any
  items<any>()(numbers);
});

check("map infers pairs when the function returns an array of two, without as const", () => {
  items<[string, number]>()(words.map((word) => [word, 1]));
  items<[string, [number, boolean]]>()(words.map((word) => [word, [1, true] as [number, boolean]]));
  items<[string, string[]]>()(words.map((word) => [word, word.split("")]));
  items<[string, { n: number }]>()(words.map((word) => [word, { n: 1 }]));
  items<Keyed<number>>()(words.map((word): Keyed<number> => [word, 1]));
});

check("map widens literals", () => {
  items<number>()(words.map(() => 1));
  items<string>()(words.map(() => "a"));
  items<boolean>()(words.map((word) => word === "a"));
  items<{ n: number }>()(words.map(() => ({ n: 1 })));
  items<string[]>()(words.map((word) => word.split("")));
});

check("map gives null, undefined and unions as they are", () => {
  items<null>()(words.map(() => null));
  items<undefined>()(words.map(() => undefined));
  items<string | null>()(words.map((word) => word === "" ? null : word));
  items<unknown[]>()(words.map((): unknown[] => []));
});

check("map takes a function that gives unknown", () => {
  items<unknown>()(words.map((word): unknown => JSON.parse(word)));
  items<unknown>()(words.map((word) => json.decode(new TextEncoder().encode(word))));
});

check("map knows the item's type", () => {
  words.map((word) => word.length);
  // @ts-expect-error: strings have no toFixed
  words.map((word) => word.toFixed());
  // @ts-expect-error: the function takes numbers
  words.map((n: number) => n);
});

check("the root has no items", () => {
  items<never>()(root);
});

check("flatMap infers the items of any iterable, pairs too", () => {
  items<string>()(words.flatMap((word) => word.split("")));
  items<number>()(words.flatMap((word) => new Set([word.length])));
  items<[string, number]>()(words.flatMap((word) => [[word, 1]]));
  items<number>()(words.flatMap(function* () {
    yield 1;
  }));
  const pairs = words.flatMap(function* (word) {
    yield [word, 1];
  });
  items<[string, number]>()(pairs);
  // @ts-expect-error: a number cannot be iterated
  words.flatMap((word) => word.length);
  // @ts-expect-error: an async generator is not iterable
  words.flatMap(async function* () {});
});

check("filter narrows by a type guard, and keeps the type otherwise", () => {
  items<Circle>()(shapes.filter(isCircle));
  items<Circle>()(shapes.filter((shape): shape is Circle => shape.kind === "circle"));
  items<Shape>()(shapes.filter((shape): boolean => shape.kind === "circle"));
  items<string>()(maybe.filter((text) => text !== null && text !== undefined));
  // @ts-expect-error: a predicate must return a boolean
  numbers.filter((n) => n & 1);
  // @ts-expect-error: and no promise
  // deno-lint-ignore require-await
  numbers.filter(async (n) => n > 1);
});

check("branch narrows both sides by a type guard", () => {
  const [circles, squares] = shapes.branch(isCircle);
  items<Circle>()(circles);
  items<Square>()(squares);
  const [small, large] = numbers.branch((n) => n < 10);
  items<number>()(small);
  items<number>()(large);
  // @ts-expect-error: a predicate must return a boolean
  numbers.branch((n) => n & 1);
});

check("filterMap removes null and undefined, and infers pairs", () => {
  items<string>()(maybe.filterMap((text) => text));
  items<number>()(words.filterMap((word) => word === "" ? null : word.length));
  items<number>()(words.filterMap((word) => word === "" ? undefined : word.length));
  items<[string, number]>()(words.filterMap((word) => word === "" ? null : [word, 1]));
  items<false | 0 | "">()(words.filterMap((): false | 0 | "" | null => null));
});

check("inspect, inspectEpoch and redistribute keep the type", () => {
  items<number>()(
    numbers.inspect((n) => n + 1).inspectEpoch((epoch, n) => epoch + n).redistribute(),
  );
});

check("mapAsync infers what the promise resolves with, pairs too, and gives a signal", () => {
  items<number>()(words.mapAsync(async (word) => await Promise.resolve(word.length)));
  items<Response>()(words.mapAsync((word, signal) => fetch(word, { signal })));
  const pairs = words.mapAsync(async (word) => [word, await Promise.resolve(1)]);
  items<[string, number]>()(pairs);
  words.mapAsync((word) => Promise.resolve(word), { concurrency: 2, ordered: false });
  // @ts-expect-error: what is not awaited belongs into map
  words.mapAsync((word) => word);
  // @ts-expect-error: no such option
  words.mapAsync((word) => Promise.resolve(word), { concurency: 2 });
  items<string>()(words.mapAsync((word) => Promise.resolve(word), { id: "fetch", ordered: true }));
  items<[string, number]>()(words.map((word) => [word, 1], { id: "pairs" }));
  items<string>()(maybe.filter((word) => typeof word === "string", { id: "known" }));
  items<string | number>()(words.merge(numbers, { id: "all" }));
  // @ts-expect-error: an id stands in an object
  words.map((word) => word, "parse");
  // @ts-expect-error: no such option
  words.map((word) => word, { name: "parse" });
  // @ts-expect-error: a number is not a stream
  words.merge(7);
});

check("keyOn makes pairs of a string key and the item", () => {
  items<Keyed<number>>()(numbers.keyOn((n) => `${n}`));
  // @ts-expect-error: a key is a string
  numbers.keyOn((n) => n);
});

check("mapValue and flatMapValue keep the key, and infer values", () => {
  items<Keyed<string>>()(amounts.mapValue((n) => n.toFixed()));
  items<Keyed<[string, number]>>()(amounts.mapValue((n) => ["a", n]));
  items<Keyed<string>>()(amounts.flatMapValue((n) => [n.toFixed()]));
  items<Keyed<[string, number]>>()(amounts.flatMapValue((n) => [["a", n]]));
  // @ts-expect-error: numbers have no key
  numbers.mapValue((n) => n);
  // @ts-expect-error: strings are not pairs
  words.flatMapValue((word) => [word]);
});

check("a pair that map has made is keyed", () => {
  items<Keyed<number>>()(words.map((word) => [word, 1]).reduceFinal("sum", (a, b) => a + b));
  items<Keyed<number>>()(words.map((word) => [word, 1]).mapValue((n) => n + 1));
  // @ts-expect-error: the key is a number
  words.map((word) => [word.length, 1]).reduceFinal("sum", (a, b) => a + b);
});

check("stateful steps infer state and output", () => {
  items<Keyed<string>>()(
    amounts.statefulMap("s", () => 0, (sum, n) => [sum + n, `${sum}`]),
  );
  items<Keyed<string>>()(
    amounts.statefulMap("s", () => ({ sum: 0 }), (state, n) => {
      state.sum += n;
      return [state.sum > 100 ? null : state, state.sum.toFixed()];
    }),
  );
  items<Keyed<string>>()(
    amounts.statefulFlatMap("s", () => 0, (sum, n) => [sum + n, ["a", "b"]]),
  );
  items<Keyed<number>>()(amounts.reduce("s", (a, b) => a + b, (sum) => sum > 10));
  items<Keyed<number>>()(amounts.reduceFinal("s", (a, b) => a + b));
  items<Keyed<string>>()(amounts.foldFinal("s", (key) => key, (text, n) => text + n.toFixed()));
  items<Keyed<number[]>>()(amounts.foldFinal("s", (): number[] => [], (list, n) => [...list, n]));
  items<Keyed<number>>()(amounts.countFinal("s"));
  items<Keyed<number>>()(amounts.maxFinal("s"));
  items<Keyed<Shape>>()(shapes.keyOn(({ kind }) => kind).minFinal("s", () => 0));
});

check("stateful infers values and output from the logic's type", () => {
  class Doubling implements StatefulLogic<number, string, null> {
    onItem(value: number, emit: (text: string) => void): void {
      emit(`${value * 2}`);
    }
    snapshot(): null {
      return null;
    }
  }
  items<Keyed<string>>()(amounts.stateful("s", () => new Doubling()));
  // @ts-expect-error: the logic takes numbers
  words.keyOn((word) => word).stateful("s", () => new Doubling());
});

check("stateful steps do not compile on a stream without keys", () => {
  // @ts-expect-error: no keys
  numbers.stateful("s", () => ({ onItem() {}, snapshot: () => null }));
  // @ts-expect-error: no keys
  numbers.reduce("s", (a) => a, () => true);
  // @ts-expect-error: no keys
  numbers.statefulMap("s", () => 0, (state) => [state, 1]);
  // @ts-expect-error: no keys
  numbers.statefulFlatMap("s", () => 0, (state) => [state, []]);
  // @ts-expect-error: no keys
  numbers.reduceFinal("s", (a) => a);
  // @ts-expect-error: no keys
  words.foldFinal("s", () => 0, (count: number) => count);
  // @ts-expect-error: no keys
  words.countFinal("s");
  // @ts-expect-error: no keys
  numbers.maxFinal("s");
  // @ts-expect-error: no keys
  numbers.minFinal("s");
});

check("stateful steps do not compile when their functions give the wrong type", () => {
  // @ts-expect-error: an async mapper does not return a pair
  // deno-lint-ignore require-await
  amounts.statefulMap("s", () => 0, async (state) => [state, 1]);
  // @ts-expect-error: isComplete must return a boolean
  amounts.reduce("s", (a, b) => a + b, (sum) => sum);
  // @ts-expect-error: the reducer returns text for numbers
  amounts.reduceFinal("s", (a, b) => `${a}${b}`);
  // @ts-expect-error: the state is a number
  amounts.statefulMap("s", () => 0, () => ["text", 1]);
});

check("merge gives the union of its streams' items", () => {
  items<number>()(numbers.merge(numbers));
  items<number>()(numbers.merge());
  items<number | string>()(numbers.merge(words));
  const [circles, squares] = shapes.branch(isCircle);
  items<Shape>()(circles.merge(squares));
  items<number | string | Circle>()(numbers.merge<string | Circle>(words, circles));
});

check("capture takes an output of the items' type, or a wider one, and no other", () => {
  items<number>()(numbers.capture(new TestingOutputConfig<number>([])));
  items<number>()(numbers.capture("out", new TestingOutputConfig<number | string>([])));
  items<number>()(numbers.capture(new StdOutputConfig()));
  // @ts-expect-error: numbers do not fit into an output of strings
  numbers.capture(new TestingOutputConfig<string>([]));
  // @ts-expect-error: numbers do not fit into an output of strings
  numbers.capture("out", new TestingOutputConfig<string>([]));
  // @ts-expect-error: shapes do not fit into an output of circles
  shapes.capture(new TestingOutputConfig<Circle>([]));
  // @ts-expect-error: a handler of strings does not take numbers
  numbers.capture(new ManualOutputConfig<string>(() => () => {}));
});

check("capture tells a manual output's handler the items' type", () => {
  numbers.capture(new ManualOutputConfig(() => (n) => void n.toFixed()));
  numbers.capture(new ManualEpochOutputConfig(() => (epoch, n) => void (epoch + n).toFixed()));
  // @ts-expect-error: numbers have no split
  numbers.capture(new ManualOutputConfig(() => (n) => void n.split("")));
});

check("Dataflow is covariant: a stream of circles is a stream of shapes", () => {
  const circles = shapes.filter(isCircle);
  const wider: Dataflow<Shape> = circles;
  const unknowns: Dataflow<unknown> = numbers;
  // @ts-expect-error: not every shape is a circle
  const narrower: Dataflow<Circle> = shapes;
  return [wider, unknowns, narrower];
});

check("outputs are contravariant: an output of shapes is an output of circles", () => {
  const shapesOut = new ManualOutputConfig<Shape>(() => () => {});
  const narrower: ManualOutputConfig<Circle> = shapesOut;
  const config: OutputConfig<Circle> = new ManualEpochOutputConfig<Shape>(() => () => {});
  const testing: TestingOutputConfig<Circle> = new TestingOutputConfig<Shape>([]);
  // @ts-expect-error: an output of circles does not take every shape
  const wider: ManualOutputConfig<Shape> = new ManualOutputConfig<Circle>(() => () => {});
  return [narrower, config, testing, wider];
});

check("input knows its config's items", () => {
  items<number>()(root.input("in", new TestingInputConfig([1, 2])));
  items<string | null>()(root.input("in", new TestingInputConfig(["a", null])));
  items<Keyed<number>>()(root.input("in", new TestingInputConfig<Keyed<number>>([["a", 1]])));
  items<string>()(root.input(
    "in",
    new ManualInputConfig<string, number>(function* (worker, count, resume) {
      for (let n = resume === null ? 0 : resume + 1; n < 3; n++) yield [n, `${worker}/${count}`];
    }),
  ));
  items<string>()(root.input(
    "in",
    new PartitionedInputConfig<string, number>({
      partitions: () => ["a"],
      build: (name, resume) => [[(resume ?? 0) + 1, name]],
    }),
  ));
});

check("a manual input infers its items and states from the generator", () => {
  items<string>()(root.input(
    "in",
    new ManualInputConfig(function* (): Generator<[number, string]> {
      yield [1, "a"];
    }),
  ));
});

check("run takes a flow's handle of any type, and nothing else", () => {
  void [() => run(root), () => run(numbers), () => run(amounts)];
  // @ts-expect-error: no flow
  void (() => run({}));
  // @ts-expect-error: no flow
  void (() => run(new TestingInputConfig([1])));
});

declare const names: Dataflow<Keyed<string>>;
declare const flags: Dataflow<Keyed<boolean>>;

check("join types its rows by side, the stream that it is called on first", () => {
  items<Keyed<[number, string]>>()(amounts.join("j", names));
  items<Keyed<[number, string]>>()(amounts.join("j", [names]));
  items<Keyed<[number, string, boolean]>>()(amounts.join("j", [names, flags]));
  items<Keyed<[number, string]>>()(amounts.join("j", names, { mode: "complete" }));
  items<Keyed<[number, string]>>()(amounts.join("j", names, { ttl: { days: 1 } }));
  items<Keyed<[number, string, boolean]>>()(amounts.join("j", [names, flags], { mode: "product" }));
  items<Keyed<[Shape, Shape]>>()(
    shapes.keyOn(({ kind }) => kind).join("j", shapes.keyOn(({ kind }) => kind)),
  );
  items<Keyed<[number, [number, string]]>>()(amounts.join("j", amounts.join("k", names)));
});

check("join says where a value may be missing", () => {
  items<Keyed<[number | undefined, string | undefined]>>()(
    amounts.join("j", names, { mode: "final" }),
  );
  items<Keyed<[number | undefined, string | undefined, boolean | undefined]>>()(
    amounts.join("j", [names, flags], { mode: "running", ttl: 5_000 }),
  );
  const mode = "final" as "final" | "complete";
  items<Keyed<[number | undefined, string | undefined]>>()(amounts.join("j", names, { mode }));
});

check("join takes an array of as many streams as there are", () => {
  const several: Dataflow<Keyed<string>>[] = [names, names];
  items<Keyed<[number, ...string[]]>>()(amounts.join("j", several));
  const frozen = [names, flags] as const;
  items<Keyed<[number, string, boolean]>>()(amounts.join("j", frozen));
});

check("join takes sides of a generic function's own types", () => {
  void (<S extends JoinSides>(sides: S) => amounts.join("j", sides));
  void (<S extends JoinSide>(side: S) =>
    amounts.joinWindow("j", new SystemClockConfig(), days, side));
  const joined = <V>(side: Dataflow<Keyed<V>>) => amounts.join("j", [names, side]);
  items<Keyed<[number, string, boolean]>>()(joined(flags));
});

check("join refuses streams without keys, and modes that are none", () => {
  // @ts-expect-error: no keys
  numbers.join("j", names);
  // @ts-expect-error: no keys
  amounts.join("j", words);
  // @ts-expect-error: no keys
  amounts.join("j", [names, words]);
  // @ts-expect-error: no stream
  amounts.join("j", 5);
  // @ts-expect-error: no such mode
  amounts.join("j", names, { mode: "outer" });
  // @ts-expect-error: no such option
  amounts.join("j", names, { tll: 5 });
});

const anyClock = new SystemClockConfig();
const numberClock = new EventClockConfig({ getTime: (n: number) => n, wait: 0 });
const bothClock = new EventClockConfig({ getTime: (_: number | string) => 0, wait: 0 });
const days = new TumblingWindowConfig({ length: { days: 1 } });

check("joinWindow types its rows by side and mode; it is final unless it is given one", () => {
  items<Keyed<[number | undefined, string | undefined]>>()(
    amounts.joinWindow("j", bothClock, days, names),
  );
  items<Keyed<[number | undefined, string | undefined]>>()(
    amounts.joinWindow("j", bothClock, days, [names], {}),
  );
  items<Keyed<[number | undefined, string | undefined, boolean | undefined]>>()(
    amounts.joinWindow("j", anyClock, days, [names, flags], { mode: "running" }),
  );
  items<Keyed<[number, string]>>()(
    amounts.joinWindow("j", bothClock, days, names, { mode: "complete" }),
  );
  items<Keyed<[number, string, boolean]>>()(
    amounts.joinWindow("j", anyClock, days, [names, flags], { mode: "product" }),
  );
  const mode = "final" as "final" | "complete";
  items<Keyed<[number | undefined, string | undefined]>>()(
    amounts.joinWindow("j", anyClock, days, names, { mode }),
  );
  const several: Dataflow<Keyed<string>>[] = [names, names];
  items<Keyed<[number, ...string[]]>>()(
    amounts.joinWindow("j", anyClock, days, several, { mode: "product" }),
  );
  items<Keyed<[Shape, Shape]>>()(
    shapes.keyOn(({ kind }) => kind).joinWindow(
      "j",
      anyClock,
      days,
      shapes.keyOn(({ kind }) => kind),
      { mode: "complete" },
    ),
  );
});

check("joinWindow has late values of any side, and rows with their windows", () => {
  const rows = amounts.joinWindow("j", anyClock, days, [names, flags], { mode: "product" });
  items<Keyed<number | string | boolean>>()(rows.late);
  items<Keyed<[window: WindowMetadata, row: [number, string, boolean]]>>()(rows.windows);
  items<Keyed<number | string>>()(amounts.joinWindow("j", bothClock, days, names).late);
  items<Keyed<[window: WindowMetadata, row: [number | undefined, string | undefined]]>>()(
    amounts.joinWindow("j", bothClock, days, names).windows,
  );
  // The rows of one join are a side of another.
  items<Keyed<[number, [number, string, boolean]]>>()(
    amounts.joinWindow("k", anyClock, days, rows, { mode: "complete" }),
  );
});

check("joinWindow needs keys, a clock of all sides, a windower, and knows its options", () => {
  items<Keyed<[number, number]>>()(
    amounts.joinWindow("j", numberClock, days, amounts, { mode: "complete" }),
  );
  // @ts-expect-error: the clock does not know the time of names
  amounts.joinWindow("j", numberClock, days, names);
  // @ts-expect-error: nor of the names among the sides
  amounts.joinWindow("j", numberClock, days, [amounts, names]);
  // @ts-expect-error: nor of the stream that it is called on
  names.joinWindow("j", numberClock, days, amounts);
  // @ts-expect-error: no keys
  numbers.joinWindow("j", anyClock, days, names);
  // @ts-expect-error: no keys
  amounts.joinWindow("j", anyClock, days, words);
  // @ts-expect-error: no keys
  amounts.joinWindow("j", anyClock, days, [names, words]);
  // @ts-expect-error: no windower
  amounts.joinWindow("j", anyClock, names);
  // @ts-expect-error: no sides
  amounts.joinWindow("j", anyClock, days);
  // @ts-expect-error: no such mode
  amounts.joinWindow("j", anyClock, days, names, { mode: "outer" });
  // @ts-expect-error: windows end, so they need no ttl
  amounts.joinWindow("j", anyClock, days, names, { ttl: 5 });
});

check("window steps need a clock that knows all of the values", () => {
  const mixed = amounts.mapValue((n): number | string => n);
  items<Keyed<number>>()(mixed.countWindow("w", bothClock, days));
  items<Keyed<number>>()(amounts.countWindow("w", bothClock, days));
  // @ts-expect-error: the clock does not know the time of text
  mixed.countWindow("w", numberClock, days);
});

check("dedupe keeps the type, and collect gives arrays; both need keys and their options", () => {
  items<Keyed<number>>()(amounts.dedupe("d", { ttl: { hours: 1 } }));
  items<Keyed<number[]>>()(amounts.collect("c", { maxSize: 10, timeout: { seconds: 1 } }));
  // @ts-expect-error: no keys
  numbers.dedupe("d", { ttl: 5 });
  // @ts-expect-error: no keys
  numbers.collect("c", { maxSize: 10, timeout: 5 });
  // @ts-expect-error: a ttl is needed
  amounts.dedupe("d");
  // @ts-expect-error: a timeout is needed
  amounts.collect("c", { maxSize: 10 });
});

check("stateful steps take a ttl, and infer as they do without", () => {
  items<Keyed<string>>()(
    amounts.statefulMap("s", () => 0, (sum, n) => [sum + n, `${sum}`], { ttl: { days: 1 } }),
  );
  items<Keyed<string>>()(
    amounts.statefulFlatMap("s", () => 0, (sum, n) => [sum + n, ["a"]], { ttl: 1_000 }),
  );
  items<Keyed<number>>()(
    amounts.reduce("s", (a, b) => a + b, (sum) => sum > 10, { ttl: { minutes: 1 } }),
  );
  // @ts-expect-error: no such option
  amounts.reduce("s", (a, b) => a + b, (sum) => sum > 10, { timeout: 5 });
});
