/**
 * What the operations port costs: a flow with `--api` and a client, in turns with the same flow
 * without. The client has the dashboard's `/events`, or asks for the states of keys. With a ratio
 * of 1 it costs nothing.
 */
import { runTimed } from "./cluster_support.ts";
import { median } from "./support.ts";

const PORT = 18_090;
const ORIGIN = `http://127.0.0.1:${PORT}`;

/** The pause between two questions about a key, in milliseconds. */
const PAUSE_MS = 100;

/** What a client does until the run is over. Returns how much it has been told. */
type Client = (isOver: () => boolean) => Promise<number>;

/** Reads `/events` until the port closes. Returns how many bytes came. */
const watch: Client = async (isOver) => {
  let bytes = 0;
  while (!isOver()) {
    try {
      const { body } = await fetch(`${ORIGIN}/events`);
      for await (const chunk of body!) bytes += chunk.length;
    } catch (error) {
      await pauseUnlessOpen(error);
    }
  }
  return bytes;
};

/** How long each answer about a key has taken, in milliseconds. */
const answers: number[] = [];

/** Asks for one key after the other. Returns how many answers came. */
function askFor(keys: number): Client {
  return async (isOver) => {
    let came = 0;
    while (!isOver()) {
      const key = `key-${String(Math.floor(Math.random() * keys)).padStart(7, "0")}`;
      const asked = performance.now();
      try {
        const response = await fetch(`${ORIGIN}/state/count/${key}`);
        await response.body?.cancel();
        if (response.ok) {
          answers.push(performance.now() - asked);
          came++;
        }
        await pause();
      } catch (error) {
        await pauseUnlessOpen(error);
      }
    }
    return came;
  };
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
}

/** The port is not open yet, or has closed. */
async function pauseUnlessOpen(error: unknown): Promise<void> {
  if (!(error instanceof TypeError)) throw error;
  await pause();
}

/** A flow with or without a client. */
interface Case {
  readonly flow: string;
  readonly args: readonly string[];
  readonly workers: number;
  readonly client: Client;
  readonly rounds: number;
}

/** Returns how long the run took, in milliseconds. */
async function timed({ flow, args, workers, client }: Case, isWatched: boolean): Promise<number> {
  let isOver = false;
  const told = isWatched ? client(() => isOver) : Promise.resolve(1);
  const { ms } = await runTimed(flow, {
    workers,
    args,
    ...isWatched ? { api: { port: PORT } } : {},
  });
  isOver = true;
  if (await told === 0) throw new Error("the client was told nothing");
  return ms;
}

/** Returns the speed with a client as a multiple of that without, with the extremes, in words. */
async function compare(each: Case): Promise<string> {
  await timed(each, true);
  const ratios: number[] = [];
  for (let round = 0; round < each.rounds; round++) {
    const isFirst = round % 2 === 0;
    const first = await timed(each, isFirst);
    const second = await timed(each, !isFirst);
    ratios.push(isFirst ? second / first : first / second);
  }
  const [mid, least, most] = [median(ratios), Math.min(...ratios), Math.max(...ratios)]
    .map((ratio) => ratio.toFixed(2));
  return `${mid} (${least} to ${most})`;
}

const ITEMS = 12_000_000;
const KEYS = 1_000_000;

console.log("operations: the speed with the port and a client, as a multiple of that without");
const page = await compare({
  flow: "exchange.ts",
  args: ["pairs", String(ITEMS)],
  workers: 1,
  client: watch,
  rounds: 7,
});
console.log(`  ${ITEMS.toLocaleString("en")} items, a client of /events: ${page}`);

const state = await compare({
  flow: "running_count.ts",
  args: ["all", String(KEYS), String(ITEMS)],
  workers: 2,
  client: askFor(KEYS),
  rounds: 5,
});
answers.sort((a, b) => a - b);
const [p50, p99] = [0.5, 0.99].map((part) => answers[Math.floor(answers.length * part)].toFixed(1));
console.log(
  `  ${KEYS.toLocaleString("en")} keys on two workers, a key every ${PAUSE_MS} ms: ${state}; ` +
    `of ${answers.length} answers, p50 ${p50} ms, p99 ${p99} ms`,
);
