/**
 * Kafka → upper case → Kafka, for a comparison with other systems. The first argument is the number
 * of workers. It prints one line of JSON. `PEERS_N`, `PEERS_BROKER`, `PEERS_IN` and `PEERS_OUT` set
 * the number of records, and where they are.
 */
import { spawnCluster } from "millrace";

const workers = Number(Deno.args[0] ?? 1);
let printed = "";
const decoder = new TextDecoder();
await spawnCluster(import.meta.resolve("./w6_flow.ts"), {
  workers,
  taps: { stdout: (bytes) => void (printed += decoder.decode(bytes, { stream: true })) },
});
console.log(JSON.stringify({
  workload: "W6",
  system: workers === 1 ? "millrace" : `millrace-w${workers}`,
  version: "0.1.0",
  workers,
  records: Number(Deno.env.get("PEERS_N")),
  seconds: null, // it ends at the broker's time of the last record
  per_second: null,
  check: null,
  start_ms: Math.min(...printed.trim().split("\n").map(Number)),
}));
