/**
 * Reads the partitions of a topic that fall to this worker.
 *
 * One fetch is always on its way or decoded ahead of the flow, so that network, decoding and the flow
 * overlap; when enough is waiting, no more is asked for.
 *
 * @module
 */
import type { InputReader, Place, Positions, Progress } from "../../graph/contracts.ts";
import { isFatal, KafkaConnection, kindOf, messageOfKafka } from "./connection.ts";
import type { FetchedPartition, FetchedRecord, FetchResponse } from "./kafkajs.ts";
import type { KafkaInputSettings } from "./settings.ts";
import { committedRecords } from "./transactions.ts";

/** Makes an item of a record. */
export type ToItem<T> = (record: FetchedRecord, topic: string, partition: number) => T;

/** The most items in a batch. */
const BATCH = 4096;

/** Fetched bytes that may wait for the flow before no more is asked for. */
const MOST_WAITING_BYTES = 16 << 20;

/** The most bytes of a partition in one fetch; a larger record still comes, alone. */
const PARTITION_BYTES = 1 << 20;

/** The most bytes in one fetch. */
const FETCH_BYTES = 16 << 20;

/** How long the broker may hold a fetch while there is nothing new: also how long closing may take. */
const FETCH_WAIT_MS = 250;

/** How far a fetch of nothing but empty batches widens the next one before it steps over them. */
const LARGEST_PARTITION_BYTES = 50 << 20;

/** How long brokers must not know a topic, in milliseconds, before it counts as deleted. */
const DELETED_MS = 10_000;

/** `read_committed`, as the protocol has it. */
const READ_COMMITTED = 1;

/** Where the fetcher is in one partition, and where it stops. */
interface PartitionState {
  readonly partition: number;
  readonly start: bigint;
  /** The next offset to ask for. */
  fetched: bigint;
  /** The offset after what `next` handed out. */
  handedOut: bigint;
  /** Where to end; `null` for never. */
  readonly end: bigint | null;
  /** How many bytes to ask for. */
  maxBytes: number;
}

/** Records of one partition that wait for the flow. */
interface Block {
  readonly state: PartitionState;
  readonly records: readonly FetchedRecord[];
  /** The position when all of them have been handed out. */
  readonly next: bigint;
  readonly bytes: number;
}

/** Starts reading this worker's partitions. */
export async function openKafkaReader<T>(
  settings: KafkaInputSettings,
  at: Place,
  resume: Positions,
  toItem: ToItem<T>,
): Promise<InputReader<T>> {
  const { log, signal } = at;
  const { brokers, topic, connection: properties } = settings;
  const connection = new KafkaConnection(brokers, topic, properties, { log, signal });
  try {
    const offsets = await connection.open(() => fetchOffsets(settings, at, connection));
    const partitions = startingPositions(settings, resume, offsets);
    const reader = new KafkaReader(settings, connection, partitions, toItem, at);
    reader.start();
    return reader;
  } catch (error) {
    await connection.close();
    throw error;
  }
}

/** What the broker says of a partition when reading begins. */
interface PartitionOffsets {
  readonly partition: number;
  /** Of its oldest record. */
  readonly first: bigint;
  /** After its newest record that is not in an open transaction. */
  readonly last: bigint;
  /** Where to start without a stored position; -1 where there is no record as late as the timestamp. */
  readonly start: bigint;
}

/** Asks about each partition of this worker. */
async function fetchOffsets(
  { topic, start }: KafkaInputSettings,
  { workerIndex, workerCount }: Place,
  connection: KafkaConnection,
): Promise<PartitionOffsets[]> {
  const cluster = await connection.cluster();
  const mine = [...(await connection.leaders()).keys()]
    .filter((partition) => partition % workerCount === workerIndex)
    .sort((a, b) => a - b);
  if (mine.length === 0) return [];
  const partitions = mine.map((partition) => ({ partition }));
  type Which = { fromBeginning: boolean } | { fromTimestamp: number };
  const offsets = async (which: Which): Promise<Map<number, bigint>> => {
    const request = [{ topic, partitions, ...which }];
    const [found] = await cluster.fetchTopicsOffset(
      request as Parameters<typeof cluster.fetchTopicsOffset>[0],
    );
    return new Map(found.partitions.map(({ partition, offset }) => [partition, BigInt(offset)]));
  };
  const [low, high] = [
    await offsets({ fromBeginning: true }),
    await offsets({ fromBeginning: false }),
  ];
  const started = typeof start === "number"
    ? await offsets({ fromTimestamp: start })
    : start === "beginning"
    ? low
    : high;
  return mine.map((partition) => ({
    partition,
    first: low.get(partition)!,
    last: high.get(partition)!,
    start: started.get(partition)!,
  }));
}

/** Where each partition starts and ends. Positions are always numbers. */
function startingPositions(
  { topic, tail }: KafkaInputSettings,
  resume: Positions,
  offsets: readonly PartitionOffsets[],
): PartitionState[] {
  return offsets.map(({ partition, first, last, start }) => {
    const stored = resume.get(String(partition)) as bigint | undefined;
    if (stored !== undefined && (stored < first || stored > last)) {
      throw new Error(
        `the stored position ${stored} of topic "${topic}", partition ${partition} is not on the ` +
          `broker any more, which has ${first} to ${last}: records in between are lost`,
      );
    }
    const from = stored ?? (start < 0n ? last : start);
    return {
      partition,
      start: from,
      fetched: from,
      handedOut: from,
      end: tail ? null : last,
      maxBytes: PARTITION_BYTES,
    };
  });
}

/** Hands out records, and fetches more in the background. */
class KafkaReader<T> implements InputReader<T> {
  readonly #settings: KafkaInputSettings;
  readonly #connection: KafkaConnection;
  readonly #partitions: readonly PartitionState[];
  readonly #toItem: ToItem<T>;
  readonly #at: Place;
  readonly #blocks: Block[] = [];
  #taken = 0; // records of the first block that have been handed out
  #waitingBytes = 0;
  #fetching: Promise<void> = Promise.resolve();
  #closed = false;
  #ended = false;
  #unknownSince: number | null = null; // when the brokers began not to know the topic
  #failure: { error: unknown } | null = null;
  #onReady: (() => void) | null = null;
  #onRoom: (() => void) | null = null;

  constructor(
    settings: KafkaInputSettings,
    connection: KafkaConnection,
    partitions: readonly PartitionState[],
    toItem: ToItem<T>,
    at: Place,
  ) {
    this.#settings = settings;
    this.#connection = connection;
    this.#partitions = partitions;
    this.#toItem = toItem;
    this.#at = at;
  }

  start(): void {
    this.#fetching = this.#fetchAll().catch((error) => {
      this.#failure = { error };
    }).finally(() => this.#wakeReader());
  }

  next(): T[] | null {
    const block = this.#blocks[0];
    if (block === undefined) {
      if (this.#failure !== null) throw this.#failure.error;
      return this.#ended ? null : [];
    }
    const { state, records } = block;
    const { topic } = this.#settings;
    const to = Math.min(this.#taken + BATCH, records.length);
    const items: T[] = new Array(to - this.#taken);
    for (let i = this.#taken; i < to; i++) {
      items[i - this.#taken] = this.#toItem(records[i], topic, state.partition);
    }
    if (to === records.length) {
      state.handedOut = block.next;
      this.#blocks.shift();
      this.#taken = 0;
      this.#waitingBytes -= block.bytes;
      this.#onRoom?.();
    } else {
      state.handedOut = BigInt(records[to].offset);
      this.#taken = to;
    }
    return items;
  }

  ready(): Promise<void> {
    if (this.#blocks.length > 0 || this.#ended || this.#failure !== null) return Promise.resolve();
    return new Promise((resolve) => this.#onReady = resolve);
  }

  positions(): Positions {
    return new Map(
      this.#partitions.map(({ partition, handedOut }) => [String(partition), handedOut]),
    );
  }

  progress(): Progress | null {
    let done = 0n;
    let total = 0n;
    for (const { start, end, handedOut } of this.#partitions) {
      if (end === null) return null;
      if (end <= start) continue;
      total += end - start;
      done += (handedOut < end ? handedOut : end) - start;
    }
    return { done: Number(done), total: Number(total), unit: "records" };
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#onRoom?.();
    await this.#fetching;
    await this.#connection.close();
  }

  #wakeReader(): void {
    this.#onReady?.();
    this.#onReady = null;
  }

  /** Fetches until all partitions are at their end, or the reader is closed. */
  async #fetchAll(): Promise<void> {
    for (;;) {
      const open = this.#partitions.filter(({ fetched, end }) => end === null || fetched < end);
      if (open.length === 0) {
        this.#ended = true;
        return;
      }
      if (this.#waitingBytes >= MOST_WAITING_BYTES) await this.#room();
      if (this.#closed || this.#at.signal.aborted) return;
      try {
        await this.#fetchRound(open);
        this.#connection.succeeded();
        this.#unknownSince = null;
      } catch (error) {
        await this.#recover(error);
      }
    }
  }

  #room(): Promise<void> {
    if (this.#closed) return Promise.resolve();
    return new Promise((resolve) => {
      this.#onRoom = () => {
        if (this.#waitingBytes >= MOST_WAITING_BYTES && !this.#closed) return;
        this.#onRoom = null;
        resolve();
      };
    });
  }

  /** One fetch from each broker, for all the partitions that it leads: they wait side by side. */
  async #fetchRound(open: readonly PartitionState[]): Promise<void> {
    const leaders = await this.#connection.leaders();
    const byLeader = Map.groupBy(open, ({ partition }) => {
      const leader = leaders.get(partition);
      if (leader === undefined || leader < 0) {
        throw new Error(`partition ${partition} has no leader at the moment`);
      }
      return leader;
    });
    await Promise.all([...byLeader].map(([leader, states]) => this.#fetchFrom(leader, states)));
  }

  async #fetchFrom(leader: number, states: readonly PartitionState[]): Promise<void> {
    const broker = await this.#connection.broker(leader);
    const { topic } = this.#settings;
    const response: FetchResponse = await broker.fetch({
      maxWaitTime: FETCH_WAIT_MS,
      minBytes: 1,
      maxBytes: FETCH_BYTES,
      isolationLevel: READ_COMMITTED,
      topics: [{
        topic,
        partitions: states.map(({ partition, fetched, maxBytes }) => ({
          partition,
          fetchOffset: String(fetched),
          maxBytes,
        })),
      }],
    });
    const byPartition = new Map(states.map((state) => [state.partition, state]));
    for (const { topicName, partitions } of response.responses) {
      if (topicName !== topic) continue;
      for (const fetched of partitions) this.#take(fetched, byPartition.get(fetched.partition)!);
    }
  }

  /** Keeps what was fetched of a partition for the flow. */
  #take(fetched: FetchedPartition, state: PartitionState): void {
    const { messages } = fetched;
    const from = state.fetched;
    if (messages.length === 0) {
      this.#stepOverEmpty(fetched, state);
      return;
    }
    const { firstOffset, lastOffsetDelta } = messages[messages.length - 1].batchContext;
    const after = BigInt(firstOffset) + BigInt(lastOffsetDelta) + 1n;
    const { end } = state;
    const next = end !== null && after > end ? end : after;
    const records = between(committedRecords(fetched), from, next);
    state.fetched = next;
    state.maxBytes = PARTITION_BYTES;
    if (records.length === 0) {
      if (this.#blocks.every((block) => block.state !== state)) state.handedOut = next;
      this.#wakeReader();
      return;
    }
    const bytes = records.reduce(
      (sum, { key, value }) => sum + (key?.length ?? 0) + (value?.length ?? 0) + 64,
      0,
    );
    this.#blocks.push({ state, records, next, bytes });
    this.#waitingBytes += bytes;
    this.#wakeReader();
  }

  /** Compaction leaves batches without records: nothing comes, though more is there. */
  #stepOverEmpty({ lastStableOffset }: FetchedPartition, state: PartitionState): void {
    if (BigInt(lastStableOffset) <= state.fetched) return; // there is nothing more yet
    if (state.maxBytes < LARGEST_PARTITION_BYTES) state.maxBytes *= 2;
    else state.fetched += 1n;
  }

  /** After an error: a new connection, and on from the same positions; or the end of the run. */
  async #recover(error: unknown): Promise<void> {
    if (this.#closed) return;
    const kind = kindOf(error);
    const { topic } = this.#settings;
    if (kind === "OFFSET_OUT_OF_RANGE" || kind === "KafkaJSOffsetOutOfRange") {
      const { partition } = error as { partition?: number };
      const state = this.#partitions.find((state) => state.partition === partition);
      throw new Error(
        `position ${state?.fetched} of topic "${topic}", partition ${partition} is not on the broker ` +
          `any more: its records were deleted before they were read`,
        { cause: error },
      );
    }
    if (kind === "UNKNOWN_TOPIC_OR_PARTITION") {
      this.#unknownSince ??= performance.now();
      if (performance.now() - this.#unknownSince >= DELETED_MS) {
        throw new Error(`topic "${topic}" has been deleted while it was being read`, {
          cause: error,
        });
      }
    } else this.#unknownSince = null;
    if (isFatal(error)) {
      throw new Error(`cannot read topic "${topic}": ${messageOfKafka(error)}`, { cause: error });
    }
    await this.#connection.drop();
    await this.#connection.pause(error);
  }
}

/**
 * The records with offsets from `from` up to `to`. A broker answers with whole batches, which may begin
 * before what was asked for; mostly there is nothing to cut.
 */
function between(
  records: readonly FetchedRecord[],
  from: bigint,
  to: bigint,
): readonly FetchedRecord[] {
  let first = 0;
  let last = records.length;
  while (first < last && BigInt(records[first].offset) < from) first++;
  while (last > first && BigInt(records[last - 1].offset) >= to) last--;
  return first === 0 && last === records.length ? records : records.slice(first, last);
}
