/**
 * Which partitions may be fetched, if the flow takes them in an order of its own.
 *
 * The flow then leaves those alone that are ahead of others in event time. If they could use all
 * memory, the partition that everything waits for would never be fetched. So each partition has a
 * share. One that has used half of it is not asked for, until the flow has taken enough. The other
 * half is for the answer that comes on top, which is a quarter at most. So a partition is asked for
 * while more of it waits, and the flow does not wait for its broker each time.
 *
 * @module
 */
import type { PartitionName } from "../../../core/ids.ts";
import type { PartitionCursor } from "./partition_cursor.ts";

/**
 * The least to request of a partition, in bytes, however small its share is. A request for less
 * than a batch has to be repeated.
 */
const LEAST_REQUEST = 64 << 10;

/** What the room needs from its fetcher. */
export interface RoomHost {
  /** How much memory a partition uses. */
  bytesOf(name: PartitionName): number;
  /** How many partitions share the memory, at least one. */
  count(): number;
  /** Its broker is not asked for a partition. */
  hold(cursor: PartitionCursor): void;
  /** Its broker is asked for it again. */
  resume(cursor: PartitionCursor): void;
}

/** The room of each partition. */
export class PartitionRoom {
  readonly #bytes: number;
  readonly #mostRequest: number;
  readonly #host: RoomHost;
  readonly #held = new Map<PartitionName, PartitionCursor>();

  /** For partitions that use `bytes` together. `mostRequest`: the most to request of one. */
  constructor(bytes: number, mostRequest: number, host: RoomHost) {
    this.#bytes = bytes;
    this.#mostRequest = mostRequest;
    this.#host = host;
  }

  /** A partition is fetched from now on, or still is, or more of it waits. */
  look(cursor: PartitionCursor): void {
    const half = this.#half;
    cursor.request(Math.min(Math.max(half >> 1, LEAST_REQUEST), this.#mostRequest));
    if (this.#held.has(cursor.name) || this.#host.bytesOf(cursor.name) < half) return;
    this.#held.set(cursor.name, cursor);
    this.#host.hold(cursor);
  }

  /** The flow has taken something of a partition. */
  taken(name: PartitionName): void {
    const cursor = this.#held.get(name);
    if (cursor === undefined || this.#host.bytesOf(name) >= this.#half) return;
    this.#held.delete(name);
    this.#host.resume(cursor);
  }

  /** A partition is not fetched from now on. */
  forget(cursor: PartitionCursor): void {
    if (this.#held.get(cursor.name) === cursor) this.#held.delete(cursor.name);
  }

  /** At least a byte, so that a partition of which nothing waits is fetched. */
  get #half(): number {
    return Math.max(1, Math.floor(this.#bytes / this.#host.count() / 2));
  }
}
