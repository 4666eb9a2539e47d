/**
 * Partitions that could not be fetched, and what is done about each.
 *
 * If a leader has moved, asking again is enough. Two cases need a decision: a position that does
 * not exist any more, and an end that the partition does not reach any more.
 * @module
 */
import type { Log } from "../../../core/log.ts";
import type { KafkaConnection } from "../client/connection.ts";
import { errorKind } from "../client/errors.ts";
import type { KafkaInputSettings } from "../properties/settings.ts";
import { locate, type PartitionOffsets } from "./locate.ts";
import type { PartitionCursor } from "./partition_cursor.ts";
import { deletedUnread, requireHope } from "./unrecoverable.ts";

/** A partition is to be read up to an offset that it does not reach. */
export class EndsEarly extends Error {}

/** A partition that could not be fetched. */
interface Trouble {
  readonly error: unknown;
  /** Whether something has been done about it since. */
  isTried: boolean;
}

/** What the troubles need from the keeper. */
export interface TroublesHost {
  readonly connection: KafkaConnection;
  readonly log: Log;
  /** Continues at another offset of a partition, which is stored as its position. */
  jump(cursor: PartitionCursor, to: number): void;
}

/** The partitions of one worker that could not be fetched. */
export class PartitionTroubles {
  readonly #settings: KafkaInputSettings;
  readonly #host: TroublesHost;
  readonly #troubles = new Map<PartitionCursor, Trouble>();

  /** There are none yet. */
  constructor(settings: KafkaInputSettings, host: TroublesHost) {
    this.#settings = settings;
    this.#host = host;
  }

  /** How many partitions cannot be fetched now. */
  get size(): number {
    return this.#troubles.size;
  }

  /** A partition could not be fetched. */
  add(cursor: PartitionCursor, error: unknown): void {
    this.#troubles.set(cursor, { error, isTried: false });
  }

  /** A partition has been fetched, or is not to be read any more. */
  delete(cursor: PartitionCursor): void {
    this.#troubles.delete(cursor);
  }

  /** Whether a partition must not be fetched before something has been done about it. */
  holdsBack(cursor: PartitionCursor): boolean {
    return this.#troubles.get(cursor)?.isTried === false;
  }

  /**
   * Does something about each partition, except those of the topics in `problems`. Returns a
   * remaining error, so that this is tried again soon.
   *
   * @throws The error that ends the run.
   */
  async tryAll(problems: ReadonlyMap<string, unknown>): Promise<unknown> {
    let last: unknown;
    for (const [cursor, trouble] of this.#troubles) {
      last = trouble.error;
      if (trouble.isTried || problems.has(cursor.topic)) continue;
      requireHope(trouble.error, this.#settings.topics);
      try {
        if (errorKind(trouble.error) === "offsetOutOfRange") await this.#reset(cursor);
        else if (trouble.error instanceof EndsEarly) await this.#shorten(cursor);
        trouble.isTried = true;
        // No fetch will follow to show that it is well.
        if (cursor.state === "ended") this.#troubles.delete(cursor);
      } catch (error) {
        requireHope(error, this.#settings.topics);
        last = error;
      }
    }
    return last;
  }

  /**
   * The next records of a partition seem to have been deleted. If so, continues as
   * `auto.offset.reset` tells. A new leader may refuse a position at first that it has.
   */
  async #reset(cursor: PartitionCursor): Promise<void> {
    const { topic, partition, fetched } = cursor;
    const { first, last } = await this.#offsetsOf(cursor);
    if (first <= fetched && fetched <= last) return; // the next fetch shows it
    const { offsetReset } = this.#settings.input;
    if (offsetReset === "error") throw deletedUnread(cursor, fetched, { first, last });
    const to = offsetReset === "beginning" ? first : last;
    this.#host.log.warn("position lost: records were deleted before they were read", {
      topic,
      partition,
      position: fetched,
      goesOnAt: to,
    });
    this.#host.jump(cursor, to);
    if (cursor.end !== null) cursor.shorten(last);
  }

  /**
   * A partition seems to end before the offset up to which it is to be read. For a moment, a new
   * leader may not know how far its followers are. But it answers ListOffsets only once it knows,
   * so that answer counts.
   */
  async #shorten(cursor: PartitionCursor): Promise<void> {
    const { topic, partition, end } = cursor;
    const { first, last } = await this.#offsetsOf(cursor);
    if (end === null || last >= end) return;
    if (this.#settings.input.offsetReset === "error") {
      throw deletedUnread(cursor, end - 1, { first, last });
    }
    this.#host.log.warn("the partition is shorter than it was: records were deleted", {
      topic,
      partition,
      end,
      endsNowAt: last,
    });
    cursor.shorten(last);
  }

  async #offsetsOf(cursor: PartitionCursor): Promise<PartitionOffsets> {
    const { offsets: [offsets], failed } = await locate(
      [cursor],
      "beginning",
      this.#host.connection,
    );
    for (const error of failed.values()) throw error;
    return offsets;
  }
}
