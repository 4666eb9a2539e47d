/**
 * Kafka → upper case → Kafka, for a comparison with other systems. The first argument is the number
 * of workers. With the second, `exactly-once` or `at-least-once`, there is a recovery store in a
 * file, and epochs last for a second. It prints one line of JSON. `PEERS_N`, `PEERS_BROKER`,
 * `PEERS_IN` and `PEERS_OUT` set the number of records, and where they are. `PEERS_EPOCH_MS` sets
 * the length of an epoch. With `PEERS_TAIL` it does not end.
 */
import { spawnCluster, SqliteRecoveryConfig } from "millrace";

const workers = Number(Deno.args[0] ?? 1);
const delivery = Deno.args[1];
let printed = "";
const decoder = new TextDecoder();
const folder = await Deno.makeTempDir();
await spawnCluster(import.meta.resolve("./w6_flow.ts"), {
  workers,
  args: delivery === undefined ? [] : [delivery],
  ...delivery === undefined ? {} : {
    recovery: new SqliteRecoveryConfig(`${folder}/state.db`),
    epoch: { interval: Number(Deno.env.get("PEERS_EPOCH_MS") ?? 1_000) },
  },
  taps: { stdout: (bytes) => void (printed += decoder.decode(bytes, { stream: true })) },
});
await Deno.remove(folder, { recursive: true });
const name = ["millrace", ...delivery === undefined ? [] : [delivery]].join("-");
console.log(JSON.stringify({
  workload: "W6",
  system: workers === 1 ? name : `${name}-w${workers}`,
  version: "0.1.0",
  workers,
  records: Number(Deno.env.get("PEERS_N")),
  seconds: null, // it ends at the broker's time of the last record
  per_second: null,
  check: null,
  start_ms: Math.min(...printed.trim().split("\n").map(Number)),
}));
