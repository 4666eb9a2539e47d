/**
 * Reads the partitions of the topics that fall to this worker.
 *
 * What has been fetched waits as bytes: records become objects only when the flow asks for them.
 *
 * @module
 */
import type { InputReader, Place, Positions, Progress } from "../../../graph/contracts.ts";
import type { StoredRecord } from "../wire/read_batch.ts";
import type { RecordCursor } from "../wire/record_cursor.ts";
import { isFatal } from "../client/errors.ts";
import { KafkaConnection, WithoutLeaderError } from "../client/connection.ts";
import { type Block, Fetcher, unreadable } from "./fetcher.ts";
import { GroupPositions } from "./group_positions.ts";
import type { Kept } from "./partition_keeper.ts";
import { type KafkaPosition, storedPosition } from "./position.ts";
import { markOf } from "./record_mark.ts";
import { allowReplaced, replacedSince } from "./replaced_topics.ts";
import type { KafkaInputSettings } from "../properties/settings.ts";
import {
  locate,
  type Origin,
  partitionsOf,
  type PartitionState,
  type PendingPartition,
  startingStates,
} from "./start.ts";
import { forTime } from "./timed_reading.ts";
import { positionName, type TopicPartition } from "../wire/topic_partition.ts";
import { TopicWatch } from "../client/topic_watch.ts";
import { unreadPositions } from "./unread_positions.ts";

/** Makes an item of a record. */
export interface ToItem<T> {
  (record: StoredRecord, topic: string, partition: number): T;
  /** Whether it looks at headers. */
  readonly withHeaders?: true;
}

/**
 * How long all partitions are waited for before those in reach are read, in milliseconds: leaders move.
 */
const WHOLE_MS = 3_000;

/** The most items in a batch. */
const BATCH = 4096;

/** Starts reading this worker's partitions. */
export async function openKafkaReader<T>(
  given: KafkaInputSettings,
  at: Place,
  resume: Positions,
  toItem: ToItem<T>,
): Promise<InputReader<T>> {
  const settings = at.byTime === true ? forTime(given, at.log) : given;
  const { brokers, topics, input } = settings;
  const connection = new KafkaConnection(brokers, topics, input, {
    log: at.log,
    signal: at.signal,
    isolation: input.isolation,
  });
  const watch = new TopicWatch({
    ask: () => connection.metadata(),
    maxAgeMs: input.metadataMaxAgeMs,
  });
  try {
    const kept = await begin(settings, at, resume, { connection, watch });
    return new KafkaReader(settings, kept, toItem, at);
  } catch (error) {
    await connection.close();
    throw error;
  }
}

/** Finds out where to begin, in all partitions whose leaders are in reach. */
async function begin(
  settings: KafkaInputSettings,
  at: Place,
  resume: Positions,
  { connection, watch }: Pick<Kept, "connection" | "watch">,
): Promise<Kept> {
  const begun = performance.now();
  const { mine, located, replaced } = await connection.open(async () => {
    await watch.look(); // first: a topic that is replaced from here on is noticed later
    const mine: TopicPartition[] = [];
    for (const topic of settings.topics) {
      const partitions = partitionsOf(await connection.leaders(topic), at);
      for (const partition of partitions) mine.push({ topic, partition });
    }
    const located = await locate(mine, settings.start, connection);
    for (const error of located.failed.values()) {
      // A broker that is away is no reason to wait with what others have; one that is moving is.
      const isPart = located.offsets.length > 0 || error instanceof WithoutLeaderError;
      if (!isPart || isFatal(error) || performance.now() - begun < WHOLE_MS) throw error;
    }
    return { mine, located, replaced: await replacedSince(resume, settings, watch, connection) };
  }, { isWhole: ({ located }) => located.failed.size === 0 });
  for (const topic of replaced) allowReplaced(topic, settings, at.log);
  const others = new Set(replaced.map(({ topic }) => topic));
  const origins = new Map(mine.map((each): [string, Origin] => [positionName(each), {
    topicId: watch.idOf(each.topic),
    isReplaced: others.has(each.topic),
    stored: resume.get(positionName(each)) as KafkaPosition | undefined,
  }]));
  const originOf = (name: string) => origins.get(name)!;
  const states = startingStates(settings, located.offsets, originOf, at.log);
  const pending = new Map<string, PendingPartition>();
  for (const each of mine) {
    const name = positionName(each);
    pending.set(name, { ...each, ...originOf(name), start: settings.start });
  }
  for (const { name } of states) pending.delete(name);
  const { topics } = settings;
  const unread = unreadPositions(
    resume,
    { topics, replaced: others, names: new Set(origins.keys()) },
    at,
  );
  return { connection, watch, states, pending, unread };
}

/** Hands out what the fetcher brings, record by record. */
class KafkaReader<T> implements InputReader<T> {
  readonly #connection: KafkaConnection;
  readonly #states: readonly PartitionState[];
  readonly #pending: ReadonlyMap<string, PendingPartition>;
  readonly #unread: ReadonlyMap<string, KafkaPosition>;
  readonly #toItem: ToItem<T>;
  readonly #group: GroupPositions | null;
  readonly #fetcher: Fetcher;
  /** What was handed out last, for errors to say where an item came from. */
  #last: { items: T[]; offsets: number[]; states: PartitionState[] } = {
    items: [],
    offsets: [],
    states: [],
  };
  #batch = 0; // of the first block: the next batch to read
  #cursor: RecordCursor | null = null; // in the batch before that
  #cursors: RecordCursor[] = []; // in what else is in that batch
  #failure: { error: unknown } | null = null; // to be thrown once what was read before is handed out

  constructor(
    settings: KafkaInputSettings,
    kept: Kept,
    toItem: ToItem<T>,
    at: Place,
  ) {
    this.#connection = kept.connection;
    this.#states = kept.states;
    this.#pending = kept.pending;
    this.#unread = kept.unread;
    this.#toItem = toItem;
    const { groupId } = settings.input;
    this.#group = groupId === null ? null : new GroupPositions(
      groupId,
      (group, positions) => kept.connection.commitGroup(group, positions),
      at.log,
    );
    this.#fetcher = new Fetcher(settings, kept, at);
    this.#fetcher.start();
  }

  next(limit = BATCH): T[] | null {
    const items: T[] = [];
    const most = Math.min(limit, BATCH);
    this.#last = { items, offsets: [], states: [] };
    if (this.#failure !== null) throw this.#failure.error;
    while (items.length < most) {
      const block = this.#fetcher.first;
      if (block === null) break;
      try {
        this.#read(block, items, most);
      } catch (error) {
        this.#failure = { error: unreadable(block.state, block.state.handedOut, error) };
        if (items.length === 0) throw this.#failure.error;
        return items;
      }
    }
    if (items.length > 0 || this.#fetcher.first !== null) return items;
    return this.#fetcher.isOver() ? null : [];
  }

  locate(item: unknown): string | null {
    const { items, offsets, states } = this.#last;
    const at = items.indexOf(item as T);
    if (at < 0) return null;
    const { topic, partition } = states[at];
    return `topic "${topic}", partition ${partition}, offset ${offsets[at]}`;
  }

  idle(): boolean {
    return this.#fetcher.idle();
  }

  ready(): Promise<void> {
    return this.#fetcher.arrival();
  }

  positions(): Positions {
    const positions = new Map<string, KafkaPosition>(this.#unread);
    for (const { name, handedOut, topicId, mark, last } of this.#states) {
      positions.set(name, storedPosition(handedOut, topicId, mark ?? last));
    }
    // What is not in reach yet stays where an earlier run has read to.
    for (const [name, { stored, isReplaced }] of this.#pending) {
      if (stored !== undefined && !isReplaced) positions.set(name, stored);
    }
    return positions;
  }

  progress(): Progress | null {
    let done = 0;
    let total = 0;
    if (this.#pending.size > 0) return null;
    for (const { start, end, handedOut } of this.#states) {
      if (end === null) return null;
      total += Math.max(end - start, 0);
      done += Math.max(Math.min(handedOut, end) - start, 0);
    }
    return { done, total, unit: "records" };
  }

  waitingFor(): string | null {
    return this.#connection.waitingFor;
  }

  async committed(positions: Positions): Promise<void> {
    if (this.#group === null || this.#states.length === 0) return;
    const offsets = this.#states.flatMap(({ topic, partition, name, topicId }) => {
      const stored = positions.get(name) as KafkaPosition | undefined;
      // A partition, or its topic, may have been found since the epoch ended.
      if (stored === undefined || (stored.topicId ?? null) !== topicId) return [];
      return [{ topic, partition, offset: stored.offset }];
    });
    await this.#group.commit(offsets);
  }

  async close(): Promise<void> {
    await this.#fetcher.close();
  }

  /** Records of the first block into `items`, until there are `most` or it is done. */
  #read(block: Block, items: T[], most: number): void {
    const { state, batches, from, next } = block;
    const { topic, partition } = state;
    const toItem = this.#toItem;
    const { offsets, states } = this.#last;
    let newest: StoredRecord | null = null;
    try {
      while (items.length < most) {
        if (this.#cursor === null || this.#cursor.done) {
          if (this.#cursors.length === 0) {
            if (this.#batch === batches.length) {
              this.#finish(block);
              break;
            }
            this.#cursor = null; // frees what it was in before more is unpacked
            this.#cursors = batches[this.#batch++].read(toItem.withHeaders === true);
          }
          this.#cursor = this.#cursors.shift() ?? null;
          continue;
        }
        const record = this.#cursor.read();
        if (record.offset < from || record.offset >= next) continue;
        items.push(toItem(record, topic, partition));
        offsets.push(record.offset);
        states.push(state);
        state.handedOut = record.offset + 1;
        newest = record;
      }
    } finally {
      if (newest !== null && state.topicId === null) {
        state.last = markOf(newest);
        state.mark ??= state.last;
      }
    }
  }

  #finish(block: Block): void {
    block.state.handedOut = block.next;
    this.#batch = 0;
    this.#cursor = null;
    this.#fetcher.taken();
  }
}
