/**
 * Windows by event time, compared with a loop by hand that keeps the newest window of each key. It
 * also measures how much more sliding windows cost, and the cost per item of a timer for each of
 * many keys.
 */
import {
  Dataflow,
  type Dataflow as Flow,
  EventClockConfig,
  type Keyed,
  run,
  SlidingWindowConfig,
  TestingInputConfig,
  TumblingWindowConfig,
  type WindowedDataflow,
} from "millrace";
import { batchOutput, compare, rateOf } from "./support.ts";

type Item = Keyed<{ readonly at: number; readonly value: number }>;

const ITEMS = 1_000_000;
const MINUTE = 60_000;
const clock = new EventClockConfig<Item[1]>({ getTime: ({ at }) => at, wait: 0 });
const minutes = new TumblingWindowConfig({ length: MINUTE });
const tenFold = new SlidingWindowConfig({ length: MINUTE, offset: MINUTE / 10 });

/** One item a second of event time, in order; the keys in no order. */
function itemsOf(keys: number): Item[] {
  return Array.from(
    { length: ITEMS },
    (_, i) => [`key-${i * 7919 % keys}`, { at: i * 1_000, value: i }],
  );
}

/** Makes lists with a loop; returns their number, and the sum of their contents. */
function byHand(items: readonly Item[]): string {
  const open = new Map<string, { start: number; values: number[] }>();
  let lists = 0;
  let sum = 0;
  const close = (values: readonly number[]) => {
    lists++;
    for (const value of values) sum += value;
  };
  for (const [key, { at, value }] of items) {
    const start = Math.floor(at / MINUTE) * MINUTE;
    let window = open.get(key);
    if (window === undefined || window.start !== start) {
      if (window !== undefined) close(window.values);
      open.set(key, window = { start, values: [] });
    }
    window.values.push(value);
  }
  for (const { values } of open.values()) close(values);
  return `${lists} ${sum}`;
}

/** Lists, by a flow. */
async function byFlow(
  items: readonly Item[],
  step: (items: Flow<Item>) => WindowedDataflow<number[]>,
): Promise<string> {
  let lists = 0;
  let sum = 0;
  const input = new Dataflow("lists").input("in", new TestingInputConfig(items));
  const flow = step(input).capture(batchOutput((batch: readonly Keyed<number[]>[]) => {
    for (const [, values] of batch) {
      lists++;
      for (const value of values) sum += value;
    }
  }));
  await run(flow);
  return `${lists} ${sum}`;
}

const lists = (windower: TumblingWindowConfig | SlidingWindowConfig) => (items: Flow<Item>) =>
  items.foldWindow("lists", clock, windower, () => [] as number[], (list, { value }) => {
    list.push(value);
    return list;
  });

for (const keys of [2, 100_000]) {
  const items = itemsOf(keys);
  await compare(
    `one-minute windows of ${keys.toLocaleString("en")} keys, folded to lists`,
    { what: "items", count: ITEMS },
    [
      { name: "hand-written loop", run: () => byHand(items) },
      { name: "millrace, tumbling", run: () => byFlow(items, lists(minutes)) },
    ],
  );
}

{
  const items = itemsOf(2);
  const check = (run: () => Promise<unknown>) => async () => (await run(), "");
  await compare("ten windows an item, counted", { what: "items", count: ITEMS }, [
    {
      name: "tumbling",
      run: check(() => countAll(items, minutes)),
    },
    { name: "sliding, ten an item", run: check(() => countAll(items, tenFold)) },
  ]);
}

async function countAll(
  items: readonly Item[],
  windower: TumblingWindowConfig | SlidingWindowConfig,
): Promise<void> {
  let count = 0;
  const flow = new Dataflow("count").input("in", new TestingInputConfig(items))
    .countWindow("count", clock, windower)
    .capture(batchOutput((batch: readonly Keyed<number>[]) => {
      for (const [, more] of batch) count += more;
    }));
  await run(flow);
  const windows = windower instanceof SlidingWindowConfig ? 10 : 1;
  if (count !== ITEMS * windows) throw new Error(`${count} were counted`);
}

console.log("\na timer for each key: the time of an item of a few keys, beside many that wait");
for (const keys of [1_000, 10_000, 100_000, 1_000_000]) {
  const first = Array.from({ length: keys }, (_, i): Keyed<number> => [`key-${i}`, i]);
  const busy = Array.from({ length: ITEMS }, (_, i): Keyed<number> => [`key-${i % 1_000}`, i]);
  let started = 0;
  let ended = 0;
  const flow = new Dataflow("timers")
    .input("in", new TestingInputConfig([...first, ...busy]))
    .stateful<number, number, number>("timers", () => {
      let count = 0;
      return {
        onItem(_value, emit) {
          emit(++count);
        },
        notifyAt: () => new Date(Date.now() + 3_600_000),
        snapshot: () => count,
      };
    })
    .capture(batchOutput((batch: readonly Keyed<number>[]) => {
      if (started === 0 && batch.some(([, count]) => count > 1)) started = performance.now();
      ended = performance.now();
    }));
  await run(flow);
  const each = (ended - started) / ITEMS;
  console.log(
    `  ${keys.toLocaleString("en").padStart(9)} keys  ${(each * 1e6).toFixed(0)} ns an item  (${
      rateOf(1000 / each)
    } items/s)`,
  );
}
