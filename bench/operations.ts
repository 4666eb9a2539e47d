/**
 * What the operations port costs: a flow with `--api` and one client of `/events`, in turns with
 * the same flow without. With a ratio of 1 it costs nothing.
 */
import { runTimed } from "./cluster_support.ts";
import { median } from "./support.ts";

const COUNT = 12_000_000;
const ROUNDS = 7;
const PORT = 18_090;

/** Reads `/events` until the port closes. Returns how many bytes came. */
async function watch(isOver: () => boolean): Promise<number> {
  let bytes = 0;
  while (!isOver()) {
    try {
      const { body } = await fetch(`http://127.0.0.1:${PORT}/events`);
      for await (const chunk of body!) bytes += chunk.length;
    } catch (error) {
      if (!(error instanceof TypeError)) throw error; // the port is not open yet, or has closed
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
  return bytes;
}

async function timed(isWatched: boolean): Promise<number> {
  let isOver = false;
  const watching = isWatched ? watch(() => isOver) : Promise.resolve(1);
  const options = { workers: 1, args: ["pairs", String(COUNT)] };
  const { ms } = await runTimed("exchange.ts", {
    ...options,
    ...isWatched ? { api: { port: PORT } } : {},
  });
  isOver = true;
  if (await watching === 0) throw new Error("the client was told nothing");
  return ms;
}

await timed(true);
const ratios: number[] = [];
for (let round = 0; round < ROUNDS; round++) {
  const isFirst = round % 2 === 0;
  const first = await timed(isFirst);
  const second = await timed(!isFirst);
  ratios.push(isFirst ? second / first : first / second);
}
const text = (ratio: number) => ratio.toFixed(2);
console.log(
  `operations: ${COUNT.toLocaleString("en")} items with the port and a client of /events, ` +
    `as a multiple of the speed without:\n  ${text(median(ratios))} ` +
    `(${text(Math.min(...ratios))} to ${text(Math.max(...ratios))})`,
);
