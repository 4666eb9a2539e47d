import { kafkaClient } from "./client.ts";

/** Deletes the topics whose names begin with that of an app, and those that it was given. */
export async function deleteTopicsOf(
  brokers: string[],
  app: string,
  given: readonly string[],
): Promise<void> {
  const admin = kafkaClient(brokers).admin();
  await admin.connect();
  try {
    const topics = (await admin.listTopics())
      .filter((topic) => topic.startsWith(app) || given.includes(topic));
    if (topics.length > 0) await admin.deleteTopics({ topics });
  } finally {
    await admin.disconnect();
  }
}
