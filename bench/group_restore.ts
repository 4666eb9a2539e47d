/**
 * How fast the state of tasks is restored: `... group_restore.ts [KEYS] [TASKS]`. From changelogs,
 * and from the local disk. One process restores all tasks side by side, and decodes each state as
 * a worker does. The comparison is a consumer of bare KafkaJS that keeps the last value of each key
 * in a map.
 */
import { keyGroupOf } from "../src/core/key_groups.ts";
import { taskId } from "../src/core/task_id.ts";
import { decodeValue, encodeValue } from "../src/core/value_codec.ts";
import { epochOf, Group, SHARDS, shuffled } from "../tests/support/kafka/task_group.ts";
import type { StateChunk } from "../src/recovery/store.ts";
import { consumeBare } from "./kafka_support.ts";
import { median, rateOf } from "./support.ts";
import process from "node:process";

const KEYS = Number(Deno.args[0] ?? 1_000_000);
const CHUNK = 4096;
const EPOCH = 25 * CHUNK;
const ROUNDS = 3;
const state = encodeValue("x".repeat(98)); // 100 bytes
const tasks = Array.from({ length: SHARDS }, (_, shard) => taskId("keyed", shard));

await using group = await Group.create();
const folder = await Deno.makeTempDir();

/** The keys of each shard. */
const keys: string[][] = tasks.map(() => []);
for (let i = 0; i < KEYS; i++) {
  const key = `key-${String(i).padStart(8, "0")}`;
  keys[Math.floor(keyGroupOf(key) * SHARDS / 1024)].push(key);
}

function* chunksOf(all: readonly string[]): Generator<StateChunk> {
  for (let from = 0; from < all.length; from += CHUNK) {
    const some = all.slice(from, from + CHUNK);
    const states = new Uint8Array(some.length * state.length);
    for (let i = 0; i < some.length; i++) states.set(state, i * state.length);
    const lengths = new Int32Array(some.length).fill(state.length);
    yield { step: "count", ids: new Float64Array(some.length), keys: some, states, lengths };
  }
}

{
  const log = await group.machine();
  for (const [shard, all] of keys.entries()) {
    for (let from = 0; from < all.length; from += EPOCH) {
      const chunks = [...chunksOf(all.slice(from, from + EPOCH))];
      await log.commit(epochOf({ tasks: [shuffled(tasks[shard], BigInt(from), chunks)] }));
    }
  }
  await log.close();
}

/** Restores all tasks, and returns how long that took, in milliseconds. */
async function restoreAll(cacheFolder: string | null): Promise<number> {
  const log = await group.machine({ cacheFolder });
  const started = performance.now();
  let count = 0;
  await Promise.all(tasks.map(async (task) => {
    const { keys } = await log.restore(task);
    for await (const { keys: part } of keys()) {
      for (const { state } of part) {
        if (decodeValue(state) !== null) count++;
      }
    }
  }));
  const took = performance.now() - started;
  if (count !== KEYS) throw new Error(`${count} keys were restored`);
  await log.close();
  return took;
}

async function readBare(): Promise<number> {
  const topic = `${group.app}.keyed.state`;
  const started = performance.now();
  const last = new Map<string, Uint8Array>();
  await consumeBare(group.brokers, { topic, count: KEYS }, ({ batch: { messages } }) => {
    for (const { key, value } of messages) last.set(key!.toString(), value!);
    return messages.length;
  });
  return performance.now() - started;
}

let base: number | null = null;
async function timed(title: string, work: () => Promise<number>, rounds = ROUNDS): Promise<void> {
  const times: number[] = [];
  const cpu: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const before = process.cpuUsage();
    times.push(await work());
    const { user, system } = process.cpuUsage(before);
    cpu.push((user + system) / KEYS);
  }
  const took = median(times);
  base ??= took;
  console.log(
    `  ${title.padEnd(32)}${took.toFixed(0).padStart(7)} ms  ` +
      `${rateOf(KEYS / took * 1000).padStart(7)} keys/s  ${(base / took).toFixed(2)}  ` +
      `CPU ${median(cpu).toFixed(2)} µs a key`,
  );
}

console.log(`\n${KEYS.toLocaleString("en")} keys with states of 100 bytes, ${SHARDS} tasks`);
await timed("bare KafkaJS, into a map", readBare);
await timed("from the changelogs", () => restoreAll(null));
await timed("the same, and a file is made", () => restoreAll(folder), 1);
await timed("from the disk", () => restoreAll(folder));
await Deno.remove(folder, { recursive: true });
