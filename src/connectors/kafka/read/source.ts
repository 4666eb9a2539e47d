/**
 * Reads the partitions that belong to this worker.
 *
 * What has been fetched waits as bytes. Records become objects only when the flow asks for them.
 */
import type { ConnectionReading } from "../../../core/connection_reading.ts";
import type { PartitionName } from "../../../core/ids.ts";
import type {
  InputReader,
  Place,
  Positions,
  Progress,
  SourceAlignment,
} from "../../../graph/contracts.ts";
import type { KafkaConnection } from "../client/connection.ts";
import { GroupEpoch, type GroupOffset } from "../client/group_epoch.ts";
import type { KafkaInputSettings } from "../properties/settings.ts";
import { damagedBatch } from "../wire/damage.ts";
import type { LogRecord } from "../wire/read_batch.ts";
import { Fetcher } from "./fetcher.ts";
import { GroupPositions } from "./group_positions.ts";
import type { PartitionCursor } from "./partition_cursor.ts";
import type { ReaderParts } from "./partition_finder.ts";
import type { KafkaPosition } from "./position.ts";
import { unreadable } from "./unrecoverable.ts";
import type { Block } from "./waiting_blocks.ts";
import type { WorkerPartitions } from "./worker_partitions.ts";

/** Makes an item from a record. */
export interface ToItem<T> {
  (record: LogRecord, topic: string, partition: number): T;
  /** Whether it uses headers. */
  readonly withHeaders?: true;
}

/** The most items in a batch. */
const BATCH = 4096;

/** How many epochs may wait: one to be committed, and the one that ends. And one that is taken. */
const EPOCHS = 3;

/** The items that were handed out last, each with its origin. */
interface HandedOut<T> {
  readonly items: T[];
  readonly offsets: number[];
  readonly cursors: PartitionCursor[];
}

/** Hands out what the fetcher provides, record by record. */
export class KafkaReader<T> implements InputReader<T> {
  readonly #connection: KafkaConnection;
  readonly #partitions: WorkerPartitions;
  readonly #toItem: ToItem<T>;
  readonly #group: GroupPositions | null;
  readonly #groupId: string | null;
  #groupEpochs: readonly GroupEpoch[] = []; // the last ones, which outputs may have committed
  readonly #fetcher: Fetcher;
  #last: HandedOut<T> = { items: [], offsets: [], cursors: [] }; // for errors about an item
  readonly #alignment: SourceAlignment | null;
  #source: PartitionName = ""; // the partition of the last batch, if that is of one
  /** What waited when all of it was to wait for others; `null` if something else is waited for. */
  #held: readonly PartitionName[] | null = null;
  #failure: { error: unknown } | null = null; // thrown once what was read before is handed out

  /** Begins to fetch. */
  constructor(
    settings: KafkaInputSettings,
    parts: ReaderParts,
    toItem: ToItem<T>,
    at: Place,
  ) {
    this.#connection = parts.connection;
    this.#partitions = parts.partitions;
    this.#toItem = toItem;
    const { groupId } = settings.input;
    this.#groupId = groupId;
    this.#group = groupId === null ? null : new GroupPositions(
      groupId,
      (group, positions) => parts.connection.commitGroup(group, positions),
      at.log,
    );
    this.#alignment = at.alignment ?? null;
    this.#fetcher = new Fetcher(settings, parts, at);
    this.#fetcher.start();
  }

  next(limit = BATCH): T[] | null {
    const items: T[] = [];
    const most = Math.min(limit, BATCH);
    this.#last = { items, offsets: [], cursors: [] };
    if (this.#failure !== null) throw this.#failure.error;
    if (this.#alignment === null) this.#readInOrder(items, most);
    else this.#readChosen(items, most, this.#alignment);
    if (items.length > 0 || !this.#fetcher.waiting.isEmpty) return items;
    return this.#fetcher.isOver() ? null : [];
  }

  sources(): ReadonlyMap<PartitionName, "behind" | "current"> {
    const sources = new Map<PartitionName, "behind" | "current">();
    for (const name of this.#partitions.unreadNames()) sources.set(name, "behind");
    for (const cursor of this.#partitions.cursors()) {
      if (cursor.state === "ended") continue;
      sources.set(cursor.name, this.#fetcher.isCurrent(cursor) ? "current" : "behind");
    }
    // Also those that have ended, or whose topic has been replaced.
    for (const name of this.#fetcher.waiting.names) sources.set(name, "behind");
    return sources;
  }

  source(): PartitionName {
    return this.#source;
  }

  locate(item: unknown): string | null {
    const { items, offsets, cursors } = this.#last;
    const index = items.indexOf(item as T);
    if (index < 0) return null;
    const { topic, partition } = cursors[index];
    return `topic "${topic}", partition ${partition}, offset ${offsets[index]}`;
  }

  idle(): boolean {
    return this.#fetcher.idle();
  }

  async ready(): Promise<void> {
    if (this.#held === null) return await this.#fetcher.arrival();
    const other = this.#fetcher.otherArrival(this.#held);
    await Promise.race([other, this.#alignment!.changed()]);
  }

  positions(): Positions {
    return this.#partitions.positions();
  }

  progress(): Progress | null {
    if (this.#partitions.pendingCount > 0) return null;
    const sum = { done: 0, total: 0 };
    for (const { progress } of this.#partitions.cursors()) {
      if (progress === null) return null;
      sum.done += progress.done;
      sum.total += progress.total;
    }
    return { ...sum, unit: "records" };
  }

  lag(): ReadonlyMap<PartitionName, number> {
    const lags = new Map<PartitionName, number>();
    for (const { name, lag } of this.#partitions.cursors()) if (lag !== null) lags.set(name, lag);
    return lags;
  }

  lagAges(): ReadonlyMap<PartitionName, number> {
    const ages = new Map<PartitionName, number>();
    for (const cursor of this.#partitions.cursors()) {
      const age = cursor.end === null ? this.#fetcher.endAge(cursor) : null;
      if (age !== null) ages.set(cursor.name, age);
    }
    return ages;
  }

  itemTimes(): ReadonlyMap<PartitionName, number> {
    const times = new Map<PartitionName, number>();
    for (const { name, handedOutTime } of this.#partitions.cursors()) {
      if (handedOutTime !== null) times.set(name, handedOutTime);
    }
    return times;
  }

  waitingFor(): string | null {
    return this.#connection.waitingFor;
  }

  connections(): ConnectionReading[] {
    return this.#connection.connections();
  }

  async committed(positions: Positions): Promise<void> {
    if (this.#group === null) return;
    const offsets = this.#offsetsIn(positions);
    if (offsets.length === 0) return;
    if (this.#groupEpochs.some((epoch) => epoch.isTaken && epoch.has(offsets))) return;
    await this.#group.commit(offsets);
  }

  forOutputs(): GroupEpoch | undefined {
    if (this.#groupId === null) return undefined;
    const offsets = this.#offsetsIn(this.positions());
    const epoch = new GroupEpoch(this.#groupId, this.#connection.clusterId, offsets);
    this.#groupEpochs = [...this.#groupEpochs.slice(1 - EPOCHS), epoch];
    return epoch;
  }

  /** The next offsets of the partitions that are read. */
  #offsetsIn(positions: Positions): GroupOffset[] {
    return [...this.#partitions.cursors()].flatMap(({ topic, partition, name, topicId }) => {
      const stored = positions.get(name) as KafkaPosition | undefined;
      // A partition, or its topic, may have been found since the epoch ended.
      if (stored === undefined || (stored.topicId ?? null) !== topicId) return [];
      return [{ topic, partition, offset: stored.offset }];
    });
  }

  async close(): Promise<void> {
    await this.#fetcher.close();
  }

  /** Reads what has waited longest. */
  #readInOrder(items: T[], most: number): void {
    while (items.length < most) {
      const block = this.#fetcher.waiting.first;
      if (block === null || !this.#read(block, items, most)) return;
    }
  }

  /** Reads from the partition that is to be next. */
  #readChosen(items: T[], most: number, alignment: SourceAlignment): void {
    const { waiting } = this.#fetcher;
    this.#held = null;
    while (items.length === 0 && !waiting.isEmpty) {
      const chosen = alignment.choose(waiting.names);
      if (chosen === null) {
        // What waits might wait for the partition that has failed.
        this.#fetcher.requireFine();
        this.#held = waiting.names;
        return;
      }
      this.#source = chosen.source;
      const upTo = Math.min(most, chosen.most);
      while (items.length < upTo) {
        const block = waiting.firstOf(chosen.source);
        if (block === null) break;
        if (!this.#read(block, items, upTo)) return;
      }
    }
  }

  /** Reads from a block. Returns whether more may be read now: not after an error. */
  #read(block: Block, items: T[], most: number): boolean {
    try {
      this.#readInto(items, block, most);
      return true;
    } catch (error) {
      const { cursor } = block;
      this.#failure = { error: unreadable(cursor, cursor.handedOut, error) };
      if (items.length === 0) throw this.#failure.error;
      return false;
    }
  }

  /** Reads records of a block into `items`, until there are `most` or the block is done. */
  #readInto(items: T[], block: Block, most: number): void {
    const { cursor, records: reading, from, next } = block;
    const { topic, partition } = cursor;
    const toItem = this.#toItem;
    const withHeaders = toItem.withHeaders === true;
    const { offsets, cursors } = this.#last;
    let newest: LogRecord | null = null;
    let after = cursor.handedOut;
    try {
      while (items.length < most) {
        const records = reading.current(withHeaders);
        if (records === null) break;
        while (items.length < most && !records.done) {
          const record = records.read();
          if (record.offset < from || record.offset >= next) continue;
          // In old formats, the beginning of a batch is known only after unpacking.
          if (record.offset < after) {
            throw damagedBatch(record.offset, `the batch before it goes up to offset ${after - 1}`);
          }
          after = record.offset + 1;
          items.push(toItem(record, topic, partition));
          offsets.push(record.offset);
          cursors.push(cursor);
          newest = record;
        }
      }
    } finally {
      if (newest !== null) cursor.handOut(newest);
    }
    if (!reading.isOver) return;
    cursor.finish();
    this.#fetcher.taken(block);
  }
}
