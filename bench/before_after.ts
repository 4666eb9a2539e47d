/**
 * Compares this checkout with another one, alternating within one process: `deno run -A
 * bench/before_after.ts PATH [NAME...]`, where PATH is the other checkout's folder.
 *
 * For each flow, it prints the speed of this one as a multiple of the other. That is the median of
 * the ratios of the rounds, with their quartiles. If the other checkout needs packages that this
 * one lacks, add its `--config`.
 */
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import type * as Millrace from "millrace";
import { batchOutput } from "./support.ts";

type Module = typeof Millrace;

const ROUNDS = 15;

const [other, ...chosen] = Deno.args;
if (other === undefined) {
  console.error("usage: deno run -A bench/before_after.ts PATH_OF_OTHER_CHECKOUT [NAME...]");
  Deno.exit(2);
}
const [before, after]: Module[] = [
  await import(new URL("mod.ts", `${pathToFileURL(resolve(other)).href}/`).href),
  await import(new URL("../mod.ts", import.meta.url).href),
];

const integers = Array.from({ length: 20_000_000 }, (_, i) => i);
const million = integers.slice(0, 1_000_000);
const events = million.map((i): Millrace.Keyed<{ at: number; value: number }> => [
  `key-${i * 7919 % 2}`,
  { at: i * 1_000, value: i },
]);

/** Runs a flow of a checkout, and returns a checksum that both must agree on. */
type Work = (checkout: Module) => Promise<number>;

function keyedCount(items: readonly number[]): Work {
  return async ({ Dataflow, TestingInputConfig, run }) => {
    let sum = 0;
    await run(
      new Dataflow("count").input("in", new TestingInputConfig(items))
        .map((i): Millrace.Keyed<number> => [String(i % 1000), 1])
        .statefulMap("count", () => 0, (count, more) => [count + more, count + more])
        .capture(batchOutput((batch: readonly Millrace.Keyed<number>[]) => {
          for (const [, count] of batch) sum += count;
        })),
    );
    return sum;
  };
}

const works: Readonly<Record<string, Work>> = {
  chain: async ({ Dataflow, TestingInputConfig, run }) => {
    let items = 0;
    await run(
      new Dataflow("chain").input("in", new TestingInputConfig(integers))
        .map((x) => x * 3).map((x) => x + 1).filter((x) => (x & 1) === 0).map((x) => x >> 1)
        .capture(batchOutput((batch) => items += batch.length)),
    );
    return items;
  },
  "keyed count, 8 M": keyedCount(integers.slice(0, 8_000_000)),
  "keyed count, 1 M": keyedCount(million),
  "final count": async ({ Dataflow, TestingInputConfig, run }) => {
    let keys = 0;
    await run(
      new Dataflow("final").input("in", new TestingInputConfig(million))
        .map((i): Millrace.Keyed<number> => [String(i % 1000), 1]).countFinal("count")
        .capture(batchOutput((batch) => keys += batch.length)),
    );
    return keys;
  },
  "windows of lists": async (checkout) => {
    const { Dataflow, EventClockConfig, TestingInputConfig, TumblingWindowConfig, run } = checkout;
    let values = 0;
    const clock = new EventClockConfig<{ at: number; value: number }>({
      getTime: ({ at }) => at,
      wait: 0,
    });
    await run(
      new Dataflow("lists").input("in", new TestingInputConfig(events))
        .foldWindow(
          "lists",
          clock,
          new TumblingWindowConfig({ length: 60_000 }),
          () => [] as number[],
          (list, { value }) => {
            list.push(value);
            return list;
          },
        )
        .capture(batchOutput((batch: readonly Millrace.Keyed<number[]>[]) => {
          for (const [, list] of batch) values += list.length;
        })),
    );
    return values;
  },
  "sliding windows, counted": async (checkout) => {
    const { Dataflow, EventClockConfig, SlidingWindowConfig, TestingInputConfig, run } = checkout;
    let counted = 0;
    const clock = new EventClockConfig<{ at: number }>({ getTime: ({ at }) => at, wait: 0 });
    await run(
      new Dataflow("sliding").input("in", new TestingInputConfig(events))
        .countWindow("count", clock, new SlidingWindowConfig({ length: 60_000, offset: 6_000 }))
        .capture(batchOutput((batch: readonly Millrace.Keyed<number>[]) => {
          for (const [, count] of batch) counted += count;
        })),
    );
    return counted;
  },
  mapAsync: async ({ Dataflow, TestingInputConfig, run }) => {
    let items = 0;
    await run(
      new Dataflow("async").input("in", new TestingInputConfig(million))
        .mapAsync((x) => Promise.resolve(x + 1))
        .capture(batchOutput((batch) => items += batch.length)),
    );
    return items;
  },
};

const names = chosen.length > 0 ? chosen : Object.keys(works);
console.log(`this checkout's speed as a multiple of the other's, ${ROUNDS} rounds in turns`);
for (const name of names) {
  const work = works[name];
  if (work === undefined) throw new Error(`no flow "${name}"; there are ${Object.keys(works)}`);
  const ratios: number[] = [];
  for (let round = 0; round <= ROUNDS; round++) {
    const took = new Map<Module, number>();
    const checks = new Set<number>();
    for (const checkout of round % 2 === 0 ? [before, after] : [after, before]) {
      const started = performance.now();
      checks.add(await work(checkout));
      took.set(checkout, performance.now() - started);
    }
    if (checks.size > 1) throw new Error(`${name}: results differ: ${[...checks]}`);
    if (round > 0) ratios.push(took.get(before)! / took.get(after)!); // the first round warms up
  }
  ratios.sort((a, b) => a - b);
  const at = (part: number) => ratios[Math.floor(ratios.length * part)].toFixed(2);
  console.log(`  ${name.padEnd(28)}${at(0.5)}  (${at(0.25)} to ${at(0.75)})`);
}
