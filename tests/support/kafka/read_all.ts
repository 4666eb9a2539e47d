/**
 * Reads a whole topic, by fetch requests and without a consumer group. Joining a group takes
 * seconds. Also, the tests of our connector look at the groups on the broker.
 */
import { Buffer } from "node:buffer";
import type { Cluster, IHeaders } from "kafkajs";
import { kafkaClient } from "./client.ts";
import { isNotYetLed } from "./transient_errors.ts";

/** A record that was read back, with its bytes as UTF-8. */
export interface TopicRecord {
  partition: number;
  offset: string;
  key: string | null;
  value: string | null;
  /** A list where a name occurs more than once. */
  headers: Record<string, string | string[]>;
}

/** How long {@linkcode readAll} waits. */
export interface ReadAllOptions {
  /**
   * How long to wait for transactions that are open at the end of a partition, in milliseconds.
   *
   * Some wait is needed: a `commit` returns before the broker has written its marker.
   *
   * @default {2_000}
   */
  openTransactionMs?: number;
}

/**
 * All records of the topic now, by partition and offset, as a committed read returns them. It
 * leaves out aborted transactions, and ends each partition before a transaction that stays open.
 */
export async function readAll(
  brokers: string[],
  topic: string,
  options: ReadAllOptions = {},
): Promise<TopicRecord[]> {
  const cluster = bareCluster(brokers);
  await cluster.connect();
  try {
    await cluster.addMultipleTargetTopics([topic]);
    const partitions = await openWhenLed(cluster, topic);
    await readToEnd(cluster, topic, partitions, options.openTransactionMs ?? 2_000);
    return partitions.flatMap(({ partition, messages }) =>
      committed(messages).map((message) => toRecord(partition, message))
    );
  } finally {
    await cluster.disconnect();
  }
}

/** How many records have been written to the topic, those of open transactions included. */
export async function countWritten(brokers: string[], topic: string): Promise<number> {
  const cluster = bareCluster(brokers);
  await cluster.connect();
  try {
    await cluster.addMultipleTargetTopics([topic]);
    const partitions = await openWhenLed(cluster, topic);
    return partitions.reduce((sum, { written, position }) => sum + written - position, 0);
  } finally {
    await cluster.disconnect();
  }
}

/** A message as `Broker.fetch` of KafkaJS returns it, which its types leave open. */
interface RawMessage {
  offset: string;
  key: Buffer | null;
  value: Buffer | null;
  headers: IHeaders;
  isControlRecord: boolean;
  batchContext: {
    firstOffset: string;
    lastOffsetDelta: number;
    producerId: string;
    inTransaction: boolean;
  };
}

interface FetchResponse {
  responses: {
    partitions: { partition: number; lastStableOffset: string; messages: RawMessage[] }[];
  }[];
}

/** How far one partition is read. Offsets as numbers: no test writes 2^53 records. */
interface PartitionRead {
  readonly partition: number;
  /** One past the last record when reading began, committed or not. */
  readonly written: number;
  position: number;
  /** Up to here, every transaction is decided. */
  stable: number;
  /** Where to stop: the first `stable` that covers all of `written`. */
  end: number | undefined;
  messages: RawMessage[];
}

/**
 * KafkaJS passes its connections, with requests for single partitions, only to a partition
 * assigner. So this makes a consumer to get an assigner, and never connects it.
 */
function bareCluster(brokers: string[]): Cluster {
  let cluster: Cluster | undefined;
  kafkaClient(brokers).consumer({
    groupId: "unused",
    // So that the end of a partition is the end of what is written, instead of what is committed.
    readUncommitted: true,
    partitionAssigners: [(assigner) => {
      cluster = assigner.cluster;
      return {
        name: "unused",
        version: 0,
        protocol: () => ({ name: "unused", metadata: Buffer.alloc(0) }),
        assign: () => Promise.resolve([]),
      };
    }],
  });
  if (cluster === undefined) throw new Error("KafkaJS did not call the partition assigner");
  return cluster;
}

/** A broker that was frozen, or has just started, leads its partitions a moment later. */
async function openWhenLed(cluster: Cluster, topic: string): Promise<PartitionRead[]> {
  for (const deadline = Date.now() + 10_000;;) {
    try {
      return await openPartitions(cluster, topic);
    } catch (error) {
      if (Date.now() > deadline || !isNotYetLed(error)) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
      await cluster.refreshMetadata();
    }
  }
}

async function openPartitions(cluster: Cluster, topic: string): Promise<PartitionRead[]> {
  const partitions = cluster.findTopicPartitionMetadata(topic)
    .map(({ partitionId }) => ({ partition: partitionId }))
    .sort((a, b) => a.partition - b.partition);
  const [starts, ends] = await Promise.all([true, false].map(async (fromBeginning) => {
    const [offsets] = await cluster.fetchTopicsOffset([{ topic, partitions, fromBeginning }]);
    return new Map(offsets.partitions.map((p) => [p.partition, Number(p.offset)]));
  }));
  return partitions.map(({ partition }) => {
    const position = starts.get(partition)!;
    const written = ends.get(partition)!;
    const end = position === written ? written : undefined;
    return { partition, written, position, stable: position, end, messages: [] };
  });
}

async function readToEnd(
  cluster: Cluster,
  topic: string,
  partitions: readonly PartitionRead[],
  openTransactionMs: number,
): Promise<void> {
  let giveUp = Date.now() + openTransactionMs;
  for (;;) {
    const unread = partitions.filter(({ position, end }) => end === undefined || position < end);
    if (unread.length === 0) return;
    const before = unread.map(({ position }) => position);
    const leaders = cluster.findLeaderForPartitions(topic, unread.map((p) => p.partition));
    await Promise.all(
      Object.entries(leaders).map(([nodeId, led]) =>
        fetchOnce(cluster, topic, nodeId, unread.filter((p) => led.includes(p.partition)))
      ),
    );
    if (unread.some(({ position }, index) => position > before[index])) {
      giveUp = Date.now() + openTransactionMs;
    } else if (Date.now() > giveUp) {
      return assertAllStableRead(topic, unread);
    } else {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}

/** KafkaJS shows nothing of a batch that compaction has emptied, so there is no way around one. */
export class EmptiedBatchError extends Error {}

function assertAllStableRead(topic: string, partitions: readonly PartitionRead[]): void {
  for (const { partition, position, stable } of partitions) {
    if (position < stable) {
      throw new EmptiedBatchError(
        `${topic}, partition ${partition}: cannot read on at offset ${position}`,
      );
    }
  }
}

async function fetchOnce(
  cluster: Cluster,
  topic: string,
  nodeId: string,
  partitions: readonly PartitionRead[],
): Promise<void> {
  const broker = await cluster.findBroker({ nodeId });
  const { responses }: FetchResponse = await broker.fetch({
    isolationLevel: 1,
    // An answer at once, even an empty one. If nothing is new, `stable` is what counts.
    minBytes: 0,
    maxWaitTime: 0,
    maxBytes: 32 << 20,
    topics: [{
      topic,
      partitions: partitions.map(({ partition, position }) => ({
        partition,
        fetchOffset: String(position),
        maxBytes: 4 << 20,
      })),
    }],
  });
  for (const fetched of responses.flatMap((response) => response.partitions)) {
    const read = partitions.find(({ partition }) => partition === fetched.partition)!;
    read.stable = Number(fetched.lastStableOffset);
    if (read.stable >= read.written) read.end ??= read.stable;
    const last = fetched.messages.at(-1);
    if (last === undefined) continue;
    // A batch is sent whole, even if the position lies within it.
    const fresh = fetched.messages.filter(({ offset }) => Number(offset) >= read.position);
    read.messages = read.messages.concat(fresh);
    // Not the last offset plus one: the tail of a batch may be compacted away.
    read.position = Number(last.batchContext.firstOffset) + last.batchContext.lastOffsetDelta + 1;
  }
}

/**
 * Drops the markers of transactions, and the records of aborted ones.
 *
 * Backwards, the nearest marker of a producer is the one that decided its records. That needs no
 * list of aborted transactions, which KafkaJS gets wrong if transactions interleave. It also shares
 * nothing with the connector's own filter, which it checks.
 */
function committed(messages: readonly RawMessage[]): RawMessage[] {
  const wasCommitted = new Map<string, boolean>();
  return messages.toReversed().filter(({ isControlRecord, key, batchContext }) => {
    const { producerId, inTransaction } = batchContext;
    if (isControlRecord) {
      // Of a marker's key, the first int16 is its version, the second 0 for abort and 1 for commit.
      wasCommitted.set(producerId, key?.readInt16BE(2) === 1);
      return false;
    }
    return !inTransaction || wasCommitted.get(producerId) === true;
  }).toReversed();
}

function toRecord(partition: number, { offset, key, value, headers }: RawMessage): TopicRecord {
  return {
    partition,
    offset,
    key: key?.toString() ?? null,
    value: value?.toString() ?? null,
    headers: Object.fromEntries(
      Object.entries(headers).map(([name, content]) => [
        name,
        Array.isArray(content) ? content.map(String) : String(content),
      ]),
    ),
  };
}
