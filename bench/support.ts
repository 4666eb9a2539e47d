/** Shared by the benches: timing by turns, and figures as ratios. */
import type { OutputConfig } from "millrace";

/** Something to time: does the work, and returns a checksum that all contestants must agree on. */
export interface Contestant {
  readonly name: string;
  run(): unknown | Promise<unknown>;
}

/**
 * Times contestants by turns, `rounds` times after one round to warm up. Prints each one's median
 * as a rate and as a ratio to the first one's.
 *
 * @param what What is counted, such as `items`.
 * @param count How many of them a run works on.
 */
export async function compare(
  title: string,
  { what, count, rounds = 7 }: { what: string; count: number; rounds?: number },
  contestants: readonly Contestant[],
): Promise<void> {
  const times = new Map<string, number[]>(contestants.map(({ name }) => [name, []]));
  let agreed: string | undefined;
  for (let round = 0; round <= rounds; round++) {
    for (const { name, run } of contestants) {
      const started = performance.now();
      const check = String(await run());
      const took = performance.now() - started;
      agreed ??= check;
      if (check !== agreed) throw new Error(`${name} gave ${check}, the first one ${agreed}`);
      if (round > 0) times.get(name)!.push(took);
    }
  }
  const first = median(times.get(contestants[0].name)!);
  console.log(`\n${title} (${count.toLocaleString("en")} ${what}, median of ${rounds}, in turns)`);
  for (const { name } of contestants) {
    const all = times.get(name)!;
    const took = median(all);
    const rate = rateOf(count / took * 1000);
    const spread = `${Math.min(...all).toFixed(0)}-${Math.max(...all).toFixed(0)} ms`;
    console.log(
      `  ${name.padEnd(34)}${`${rate} ${what}/s`.padStart(20)}  ratio ${
        (first / took).toFixed(2)
      }  (${spread})`,
    );
  }
}

/** The middle one. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1];
}

/** A rate to three digits. */
export function rateOf(perSecond: number): string {
  if (perSecond >= 1e6) return `${(perSecond / 1e6).toPrecision(3)} M`;
  if (perSecond >= 1e3) return `${(perSecond / 1e3).toPrecision(3)} k`;
  return perSecond.toFixed(0);
}

/** Returns an output that passes batches to a function and costs next to nothing. */
export function batchOutput<T>(take: (batch: readonly T[]) => void): OutputConfig<T> {
  return {
    open: () =>
      Promise.resolve({
        write: (batch: readonly T[]) => take(batch),
        prepare: () => Promise.resolve(new Map()),
        close: () => Promise.resolve(),
      }),
  };
}

/** Resident memory of this process, in MiB. */
export function residentMiB(): number {
  return Math.round(Deno.memoryUsage().rss / (1 << 20));
}
