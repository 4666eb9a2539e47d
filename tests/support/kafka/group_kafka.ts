/** A broker for groups of nodes that die. */
import { brokerOfThisRun } from "./broker/broker.ts";

/**
 * A broker that misses a dead member after 6 s in either protocol, as host:port.
 *
 * @throws {Error} If a tool to start one is missing.
 */
export async function groupKafka(): Promise<string[]> {
  return [(await brokerOfThisRun("group-kafka", { script: "group.sh", ports: 0 })).address];
}
