/**
 * One worker and two: parsing JSON lines and counting by key, and five million rows of
 * temperatures.
 */
import { runTimed, type Timed } from "./cluster_support.ts";
import { median, rateOf } from "./support.ts";

const ROUNDS = 5;
const LINES = 1_000_000;
const ROWS = 5_000_000;

const folder = await Deno.makeTempDir();

/** Writes a file of this many lines. */
async function write(name: string, count: number, line: (i: number) => string): Promise<string> {
  const path = `${folder}/${name}`;
  using file = await Deno.open(path, { create: true, write: true });
  const encoder = new TextEncoder();
  const CHUNK = 20_000;
  for (let at = 0; at < count; at += CHUNK) {
    let text = "";
    for (let i = at; i < Math.min(count, at + CHUNK); i++) text += line(i) + "\n";
    let rest = encoder.encode(text);
    while (rest.length > 0) rest = rest.subarray(await file.write(rest));
  }
  return path;
}

/** Returns an order with this many goods, as JSON. */
function orderOf(i: number, goods: number): string {
  return JSON.stringify({
    id: `0192f3a4-${i}`,
    user: `user-${i * 7919 % 1_000}`,
    created: "2026-11-25T02:03:04.567Z",
    currency: "EUR",
    amount: i % 997 / 4,
    lines: Array.from({ length: goods }, (_, j) => ({
      sku: `sku-${(i + j * 77) % 513}`,
      title: "A thing with a name of some length",
      count: i % 5 + 1,
      price: { net: i % 89 / 4, tax: 0.19 },
    })),
    shipping: { name: "Ada Lovelace", street: "12 St James's Square", city: "London" },
    tags: ["web", "returning", "newsletter"],
    express: i % 3 === 0,
  });
}

/** The rows again, by a loop over the file in blocks. */
async function loopOverRows(path: string): Promise<{ ms: number; results: string[] }> {
  const started = performance.now();
  const all = new Map<string, { min: number; max: number; sum: number; count: number }>();
  const row = (line: string): void => {
    const at = line.indexOf(";");
    const station = line.slice(0, at);
    const temperature = Number(line.slice(at + 1));
    let stats = all.get(station);
    if (stats === undefined) {
      all.set(station, stats = { min: Infinity, max: -Infinity, sum: 0, count: 0 });
    }
    if (temperature < stats.min) stats.min = temperature;
    if (temperature > stats.max) stats.max = temperature;
    stats.sum += temperature;
    stats.count++;
  };
  using file = await Deno.open(path);
  const buffer = new Uint8Array(1 << 16);
  const decoder = new TextDecoder();
  let rest = "";
  for (let read; (read = file.readSync(buffer)) !== null;) {
    const lines = (rest + decoder.decode(buffer.subarray(0, read), { stream: true })).split("\n");
    rest = lines.pop()!;
    for (const line of lines) row(line);
  }
  const results = [...all].map(([station, { min, max, sum, count }]) =>
    `${station}=${min}/${(sum / count).toFixed(1)}/${max}`
  );
  return { ms: performance.now() - started, results };
}

/** Returns the median of several runs, by turns, and their results, which must be the same. */
async function inTurns(
  contestants: Readonly<Record<string, () => Promise<{ ms: number; found: string }>>>,
): Promise<Map<string, number[]>> {
  const times = new Map<string, number[]>(Object.keys(contestants).map((name) => [name, []]));
  let agreed: string | undefined;
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, run] of Object.entries(contestants)) {
      const { ms, found } = await run();
      agreed ??= found;
      if (found !== agreed) throw new Error(`${name} found something else`);
      times.get(name)!.push(ms);
    }
  }
  return times;
}

function print(title: string, count: number, times: ReadonlyMap<string, readonly number[]>): void {
  const first = median([...times.values()][0]);
  console.log(`\n${title} (median of ${ROUNDS}, in turns)`);
  for (const [name, all] of times) {
    const ms = median(all);
    console.log(
      `  ${name.padEnd(20)}${`${rateOf(count / ms * 1e3)} lines/s`.padStart(18)}  ` +
        `ratio ${(first / ms).toFixed(2)}  (${Math.min(...all).toFixed(0)}-` +
        `${Math.max(...all).toFixed(0)} ms)`,
    );
  }
}

try {
  const counted = ({ workers }: Timed) =>
    JSON.stringify(
      [0, 0].map((_, i) =>
        workers.reduce((sum, worker) => sum + Number(worker[["users", "orders"][i]]), 0)
      ),
    );
  for (const [goods, count] of [[3, LINES], [9, LINES / 2]]) {
    const orders = await write(`orders-${goods}.jsonl`, count, (i) => orderOf(i, goods));
    const bytes = (await Deno.stat(orders)).size / count;
    const parse = async (workers: number, ...mode: string[]) => {
      const timed = await runTimed("json_lines.ts", { workers, args: [orders, ...mode] });
      return { ms: timed.ms, found: counted(timed) };
    };
    print(
      `${count.toLocaleString("en")} lines of JSON of ${
        bytes.toFixed(0)
      } bytes, parsed and counted by ` +
        "user",
      count,
      await inTurns({
        "1 worker": () => parse(1),
        "2 workers": () => parse(2),
        "2, each value moves": () => parse(2, "each"),
      }),
    );
    await Deno.remove(orders);
  }

  const rows = await write(
    "rows.txt",
    ROWS,
    (i) => `station-${i * 31 % 413};${((i * 7919 % 1_000) / 10 - 40).toFixed(1)}`,
  );
  const sorted = (results: string[]) => results.sort().join("\n");
  const stations = async (workers: number) => {
    const { ms, workers: printed } = await runTimed("stations.ts", { workers, args: [rows] });
    return { ms, found: sorted(printed.flatMap(({ results }) => results as string[])) };
  };
  print(
    `${ROWS.toLocaleString("en")} rows: least, mean and greatest of 413 stations`,
    ROWS,
    await inTurns({
      "a loop by hand": async () => {
        const { ms, results } = await loopOverRows(rows);
        return { ms, found: sorted(results) };
      },
      "1 worker": () => stations(1),
      "2 workers": () => stations(2),
    }),
  );
} finally {
  await Deno.remove(folder, { recursive: true });
}
