/** Items that change workers: how many per second, of how many bytes, and the share of encoding. */
import { BatchEncoder, decodeBatch } from "../src/core/value_codec.ts";
import { runTimed } from "./cluster_support.ts";
import { median, rateOf } from "./support.ts";

const COUNT = 4_000_000;
const ROUNDS = 3;

/** One of the items of `flows/exchange.ts`. */
function item(shape: string, i: number): unknown {
  const key = `key-${String(i % 1_000).padStart(6, "0")}`;
  if (shape === "pairs") return [key, i];
  return [key, { id: i, user: key, amount: i / 4, paid: i % 2 === 0, note: "standard" }];
}

/** Encoding and decoding alone, in this process, in batches of 500 as they travel there. */
function codec(shape: string): { bytes: number; encode: number; decode: number } {
  const items = Array.from({ length: 500 }, (_, i) => item(shape, i));
  const encoder = new BatchEncoder();
  const times = { encode: [] as number[], decode: [] as number[] };
  let bytes = 0;
  for (let round = 0; round < 2_000; round++) {
    const started = performance.now();
    for (const each of items) encoder.write(each);
    const batch = encoder.take();
    const encoded = performance.now();
    decodeBatch(batch);
    times.encode.push(encoded - started);
    times.decode.push(performance.now() - encoded);
    bytes = batch.length;
  }
  return {
    bytes: bytes / items.length,
    encode: median(times.encode) / items.length * 1e6,
    decode: median(times.decode) / items.length * 1e6,
  };
}

for (const shape of ["pairs", "objects"]) {
  const alone: number[] = [];
  const together: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const args = [shape, String(COUNT)];
    alone.push((await runTimed("exchange.ts", { workers: 1, args })).ms);
    together.push((await runTimed("exchange.ts", { workers: 2, args })).ms);
  }
  const { bytes, encode, decode } = codec(shape);
  const ms = median(together);
  // Half of the items cross: each of those is encoded on one worker and decoded on the other.
  const perWorker = COUNT / 2 / 2 * (encode + decode) / 1e6;
  console.log(`\nexchange of ${shape}: ${COUNT.toLocaleString("en")} items through redistribute()`);
  console.log(`  1 worker, where nothing crosses   ${rateOf(COUNT / median(alone) * 1e3)} items/s`);
  console.log(
    `  2 workers, where half of it does  ${rateOf(COUNT / ms * 1e3)} items/s` +
      `  (${Math.min(...together)}-${Math.max(...together)} ms)`,
  );
  console.log(
    `  ${bytes.toFixed(1)} bytes an item; ${encode.toFixed(0)} ns to encode, ` +
      `${decode.toFixed(0)} ns to decode: ${(perWorker / ms * 100).toFixed(0)} % of the time`,
  );
}
