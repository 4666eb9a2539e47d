/** Compaction that tests need not wait for. */
import { ConfigResourceTypes } from "kafkajs";
import { kafkaClient } from "./client.ts";

/** Makes our own broker look for something to compact all the time, and not every 15 s. */
export async function hurryCleaner(brokers: string[]): Promise<void> {
  if (Deno.env.get("KAFKA_BROKERS")) return; // its settings are not ours to change
  const admin = kafkaClient(brokers).admin();
  await admin.connect();
  try {
    const cluster = await admin.describeCluster();
    const configEntries = [{ name: "log.cleaner.backoff.ms", value: "100" }];
    await admin.alterConfigs({
      validateOnly: false,
      resources: cluster.brokers.map(({ nodeId }) => ({
        type: ConfigResourceTypes.BROKER,
        name: String(nodeId),
        configEntries,
      })),
    });
  } finally {
    await admin.disconnect();
  }
}
