/**
 * Reads the partitions that belong to this worker.
 *
 * What has been fetched waits as bytes. Records become objects only when the flow asks for them.
 */
import type { InputReader, Place, Positions, Progress } from "../../../graph/contracts.ts";
import type { KafkaConnection } from "../client/connection.ts";
import type { KafkaInputSettings } from "../properties/settings.ts";
import { damagedBatch } from "../wire/damage.ts";
import type { LogRecord } from "../wire/read_batch.ts";
import type { RecordCursor } from "../wire/record_cursor.ts";
import { type Block, Fetcher } from "./fetcher.ts";
import { GroupPositions } from "./group_positions.ts";
import type { PartitionCursor } from "./partition_cursor.ts";
import type { ReaderParts } from "./partition_finder.ts";
import type { KafkaPosition } from "./position.ts";
import { unreadable } from "./unrecoverable.ts";
import type { WorkerPartitions } from "./worker_partitions.ts";

/** Makes an item from a record. */
export interface ToItem<T> {
  (record: LogRecord, topic: string, partition: number): T;
  /** Whether it uses headers. */
  readonly withHeaders?: true;
}

/** The most items in a batch. */
const BATCH = 4096;

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
  readonly #fetcher: Fetcher;
  #last: HandedOut<T> = { items: [], offsets: [], cursors: [] }; // for errors about an item
  #batch = 0; // of the first block: the next batch to read
  #records: RecordCursor | null = null; // in the batch before that
  #moreRecords: RecordCursor[] = []; // in what else is in that batch
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
    this.#group = groupId === null ? null : new GroupPositions(
      groupId,
      (group, positions) => parts.connection.commitGroup(group, positions),
      at.log,
    );
    this.#fetcher = new Fetcher(settings, parts, at);
    this.#fetcher.start();
  }

  next(limit = BATCH): T[] | null {
    const items: T[] = [];
    const most = Math.min(limit, BATCH);
    this.#last = { items, offsets: [], cursors: [] };
    if (this.#failure !== null) throw this.#failure.error;
    while (items.length < most) {
      const block = this.#fetcher.first;
      if (block === null) break;
      try {
        this.#read(block, items, most);
      } catch (error) {
        const { cursor } = block;
        this.#failure = { error: unreadable(cursor, cursor.handedOut, error) };
        if (items.length === 0) throw this.#failure.error;
        return items;
      }
    }
    if (items.length > 0 || this.#fetcher.first !== null) return items;
    return this.#fetcher.isOver() ? null : [];
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

  ready(): Promise<void> {
    return this.#fetcher.arrival();
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

  waitingFor(): string | null {
    return this.#connection.waitingFor;
  }

  async committed(positions: Positions): Promise<void> {
    if (this.#group === null) return;
    const cursors = [...this.#partitions.cursors()];
    if (cursors.length === 0) return;
    const offsets = cursors.flatMap(({ topic, partition, name, topicId }) => {
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

  /** Reads records of the first block into `items`, until there are `most` or the block is done. */
  #read(block: Block, items: T[], most: number): void {
    const { cursor, batches, from, next } = block;
    const { topic, partition } = cursor;
    const toItem = this.#toItem;
    const { offsets, cursors } = this.#last;
    let newest: LogRecord | null = null;
    let after = cursor.handedOut;
    try {
      while (items.length < most) {
        if (this.#records === null || this.#records.done) {
          if (this.#moreRecords.length === 0) {
            if (this.#batch === batches.length) break;
            this.#records = null; // frees its bytes before more is unpacked
            this.#moreRecords = batches[this.#batch++].read(toItem.withHeaders === true);
          }
          this.#records = this.#moreRecords.shift() ?? null;
          continue;
        }
        const record = this.#records.read();
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
    } finally {
      if (newest !== null) cursor.handOut(newest);
    }
    if (items.length < most) this.#finish(block);
  }

  #finish({ cursor }: Block): void {
    cursor.finish();
    this.#batch = 0;
    this.#records = null;
    this.#fetcher.taken();
  }
}
