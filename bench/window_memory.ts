/**
 * Memory while keys come and go: ten million items over a million keys, ten thousand of them at a
 * time. Time is virtual. When the input has nothing for a while, the windows of a generation of
 * keys close, and its keys are forgotten.
 */
import {
  Dataflow,
  EventClockConfig,
  type InputConfig,
  type Keyed,
  run,
  TumblingWindowConfig,
} from "millrace";
import { TestClock } from "../tests/support/clock/test_clock.ts";
import { batchOutput, residentMiB } from "./support.ts";

type Item = Keyed<{ readonly at: number }>;

const GENERATIONS = 100;
const KEYS = 10_000; // of a generation
const ITEMS = 100_000; // of a generation
const BATCH = 1_000;
const MINUTE = 60_000;
/** How long nothing comes after a generation: its windows close, and the retention ends. */
const QUIET_MINUTES = 5;

const clock = new TestClock(0);
let generation = 0;
let sent = 0;
let counted = 0;

console.log("\nkeys that come and go: items read, counted so far, resident and heap in MiB");

function report(): void {
  const heap = Math.round(Deno.memoryUsage().heapUsed / (1 << 20));
  console.log(
    `  ${(generation * ITEMS).toLocaleString("en").padStart(10)}  ${
      counted.toLocaleString("en").padStart(10)
    }  ${`${residentMiB()}`.padStart(5)}  ${`${heap}`.padStart(5)}`,
  );
}

let wake = () => {};

const input: InputConfig<Item> = {
  open: () =>
    Promise.resolve({
      next: () => {
        if (sent === ITEMS) return generation === GENERATIONS - 1 ? null : [];
        const batch = Array.from({ length: BATCH }, (_, i): Item => [
          `key-${generation * KEYS + (sent + i) % KEYS}`,
          { at: clock.at + (sent + i) / ITEMS * MINUTE },
        ]);
        sent += BATCH;
        return batch;
      },
      ready: () => new Promise<void>((resolve) => wake = resolve),
      positions: () => new Map(),
      close: () => Promise.resolve(),
    }),
};

/** Moves the time on when the input is at the end of a generation, and begins the next one. */
async function passTime(): Promise<void> {
  while (generation < GENERATIONS - 1) {
    while (sent < ITEMS) await turn();
    for (let half = 0; half < 2 * QUIET_MINUTES; half++) {
      await turn();
      clock.advance(MINUTE / 2);
    }
    await turn();
    generation++;
    sent = 0;
    if (generation % 10 === 0) report();
    wake();
    clock.advance(1_000); // an idle input is left alone for some milliseconds
  }
}

/** Lets the event loop run some rounds, in which all steps do their work. */
async function turn(): Promise<void> {
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setTimeout(resolve, 0));
}

const flow = new Dataflow("come-and-go").input("in", input)
  .countWindow(
    "count",
    new EventClockConfig<Item[1]>({ getTime: ({ at }) => at, wait: 0, retention: MINUTE }),
    new TumblingWindowConfig({ length: MINUTE }),
  )
  .capture(batchOutput((batch: readonly Keyed<number>[]) => {
    for (const [, count] of batch) counted += count;
  }));
await Promise.all([run(flow, { clock }), passTime()]);
generation++;
report();
if (counted !== GENERATIONS * ITEMS) throw new Error(`${counted} were counted`);
