/** Logs full of transactions, and what Kafka's own consumer reads from them. */
import { assert, assertEquals } from "@std/assert";
import { ConfigResourceTypes, Partitioners, type Transaction } from "kafkajs";
import { Buffer } from "node:buffer";
import { KafkaMessageInputConfig } from "millrace";
import { EmptiedBatchError, readAll } from "../support/kafka/kafka.ts";
import { kafkaClient } from "../support/kafka/client.ts";
import type { KafkaCluster } from "../support/kafka/cluster.ts";
import { asText, collect, within, withTransactions } from "../support/kafka/reading.ts";
import { consoleConsume } from "../support/kafka/tools.ts";
import type { Random } from "../support/values/random.ts";

/** Some keys look like the one of an abort's marker. */
const KEYS = [Buffer.alloc(4), Buffer.from([0, 0, 0, 1]), Buffer.from("a"), Buffer.from("b"), null];
const KEYED = KEYS.filter((key) => key !== null);

const COMPACTED = {
  "cleanup.policy": "compact",
  "segment.ms": "100",
  "min.cleanable.dirty.ratio": "0.01",
  "max.compaction.lag.ms": "100",
};

/**
 * Fills a topic with interleaved transactions of three producers. Some are aborted, and one stays
 * open; there are other records too. Then it compares what our input and Java's console consumer
 * read.
 */
export async function compareWithJava(
  cluster: KafkaCluster,
  random: Random,
  options: { compacted: boolean; actions: number },
): Promise<{ read: number; aborted: number }> {
  const { brokers } = cluster;
  const topic = await cluster.createTopic({ config: options.compacted ? COMPACTED : {} });
  const plain = kafkaClient(brokers).producer({
    createPartitioner: Partitioners.DefaultPartitioner,
  });
  await plain.connect();
  let compared = { read: 0, aborted: 0 };
  try {
    await withTransactions(brokers, 3, async (producers) => {
      const open: (Transaction | null)[] = producers.map(() => null);
      const pending = producers.map(() => 0);
      let next = 0;
      let kept = 0;
      let aborted = 0;
      const record = (key = random.pick(options.compacted ? KEYED : KEYS)) => ({
        topic,
        messages: [{ key, value: `${next++}`, partition: 0 }],
      });
      const end = async (which: number) => {
        const transaction = open[which];
        if (transaction === null) return;
        open[which] = null;
        if (random.below(2) === 0) {
          await transaction.abort();
          aborted += pending[which];
        } else {
          await transaction.commit();
          kept += pending[which];
        }
        pending[which] = 0;
      };
      for (let action = 0; action < options.actions; action++) {
        const which = random.below(producers.length + 1);
        if (which === producers.length) {
          await plain.send(record());
          kept++;
        } else if (open[which] !== null && random.below(3) === 0) await end(which);
        else {
          open[which] ??= await producers[which].transaction();
          await open[which].send(record());
          pending[which]++;
        }
      }
      for (const which of producers.keys()) await end(which);
      assert(aborted > 0, "nothing was aborted");

      const compacted = async () => {
        try {
          return (await readAll(brokers, topic)).length < kept;
        } catch (error) {
          if (error instanceof EmptiedBatchError) return true;
          throw error;
        }
      };
      for (const deadline = performance.now() + 30_000; options.compacted && !await compacted();) {
        assert(performance.now() < deadline, "the broker does not compact the topic");
        await plain.send(record()); // closes a segment: only closed ones are compacted
        kept++;
      }
      await cluster.admin((admin) =>
        admin.alterConfigs({
          validateOnly: false,
          resources: [{
            type: ConfigResourceTypes.TOPIC,
            name: topic,
            configEntries: [{ name: "cleanup.policy", value: "delete" }],
          }],
        })
      );
      await plain.send(record(Buffer.from("the last one")));
      const unfinished = await producers[0].transaction();
      await unfinished.send(record());
      await plain.send(record(Buffer.from("after an open transaction")));
      const ours = await untilSame(() => readOurs(brokers, topic));
      assert(ours.at(-1)?.includes("the last one"), `the last one is ${ours.at(-1)}`);
      assertEquals(ours, await readJavas(brokers, topic, ours.length));
      await unfinished.abort();
      compared = { read: ours.length, aborted };
    });
  } finally {
    await plain.disconnect();
  }
  return compared;
}

/** The result of two equal reads, as compaction may go on for a moment. */
async function untilSame(read: () => Promise<string[]>): Promise<string[]> {
  let last = await read();
  for (const deadline = performance.now() + 30_000;;) {
    await new Promise((resolve) => setTimeout(resolve, 500));
    const now = await read();
    if (now.length === last.length) return now;
    assert(performance.now() < deadline, "the topic does not come to rest");
    last = now;
  }
}

async function readOurs(brokers: string[], topic: string): Promise<string[]> {
  const input = new KafkaMessageInputConfig({ brokers, topic, tail: false });
  const messages = await within(collect(input), "all was read");
  return messages.map(({ offset, key, value }) =>
    [`Offset:${offset}`, asText(key) ?? "null", asText(value)].join("\t")
  );
}

async function readJavas(brokers: string[], topic: string, count: number): Promise<string[]> {
  return await consoleConsume(brokers, topic, count, [
    ...["--isolation-level", "read_committed"],
    ...["--formatter-property", "print.offset=true", "--formatter-property", "print.key=true"],
  ]);
}
