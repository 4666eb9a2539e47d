/**
 * How long a record takes from Kafka through another program to Kafka, at 1,000 records a second,
 * for a reader of committed records: `latency.ts COMMAND...`. The command is started with the
 * variables of `w6.ts`, and killed at the end.
 */
import { measureLatency, percentile } from "../latency_support.ts";

const brokers = [Deno.env.get("PEERS_BROKER")!];
const sorted = await measureLatency(brokers, { seconds: 20, warmUp: 10 }, (from, to) => {
  const command = new Deno.Command(Deno.args[0], {
    args: Deno.args.slice(1),
    env: {
      PEERS_IN: from,
      PEERS_OUT: to,
      PEERS_RUN: crypto.randomUUID().slice(0, 8),
      PEERS_N: "1000000000", // it must not end
      PEERS_TAIL: "1",
    },
    stdout: "null",
  }).spawn();
  return {
    stop: () => {
      command.kill("SIGKILL");
      return command.status;
    },
  };
});
const at = (share: number) => percentile(sorted, share);
console.log(`median ${at(0.5)} ms, p99 ${at(0.99)} ms, p99.9 ${at(0.999)} ms, most ${at(1)} ms`);
