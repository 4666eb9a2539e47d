/**
 * What has been fetched and waits for the flow. It is taken in the order in which it came, or from
 * one partition after another, in any order.
 *
 * @module
 */
import type { PartitionName } from "../../../core/ids.ts";
import type { BlockRecords } from "./block_records.ts";
import type { FetchedRange, PartitionCursor } from "./partition_cursor.ts";

/** One part of a partition that was fetched, and waits for the flow. */
export interface Block extends FetchedRange {
  readonly cursor: PartitionCursor;
  /** Only those within the range are wanted. */
  readonly records: BlockRecords;
  /** The memory that it uses, packed and unpacked. */
  readonly bytes: number;
  /** How much of that is unpacked. */
  readonly unpackedBytes: number;
}

/** What waits of one partition. */
interface Queue {
  readonly blocks: Block[]; // oldest first
  bytes: number;
}

/** All that waits. */
export class WaitingBlocks {
  readonly #inOrder: Block[] | null;
  readonly #queues = new Map<PartitionName, Queue>(); // none is empty
  #names: readonly PartitionName[] | null = null; // of those
  #bytes = 0;
  #unpackedBytes = 0;

  /** `isByPartition`: whether they are taken from one partition after another. */
  constructor(isByPartition: boolean) {
    this.#inOrder = isByPartition ? null : [];
  }

  /** Whether nothing waits. */
  get isEmpty(): boolean {
    return this.#queues.size === 0;
  }

  /** The memory that all of it uses. */
  get bytes(): number {
    return this.#bytes;
  }

  /** How much of that is unpacked. */
  get unpackedBytes(): number {
    return this.#unpackedBytes;
  }

  /**
   * The partitions of which something waits, first those of which nothing has been taken for
   * longest. It is another array after each change.
   */
  get names(): readonly PartitionName[] {
    return this.#names ??= [...this.#queues.keys()];
  }

  /** What has waited longest of all; `null` if they are taken by partition, or nothing waits. */
  get first(): Block | null {
    return this.#inOrder?.[0] ?? null;
  }

  /** What has waited longest of one partition; `null` if nothing does. */
  firstOf(name: PartitionName): Block | null {
    return this.#queues.get(name)?.blocks[0] ?? null;
  }

  /** The memory that a partition uses. */
  bytesOf(name: PartitionName): number {
    return this.#queues.get(name)?.bytes ?? 0;
  }

  /** Adds a block. Returns whether nothing waited of its partition. */
  push(block: Block): boolean {
    const { cursor: { name }, bytes, unpackedBytes } = block;
    this.#inOrder?.push(block);
    this.#bytes += bytes;
    this.#unpackedBytes += unpackedBytes;
    const queue = this.#queues.get(name);
    if (queue !== undefined) {
      queue.blocks.push(block);
      queue.bytes += bytes;
      return false;
    }
    this.#queues.set(name, { blocks: [block], bytes });
    this.#names = null;
    return true;
  }

  /** Removes a block: the first of all, or that of its partition. */
  remove({ cursor: { name }, bytes, unpackedBytes }: Block): void {
    const queue = this.#queues.get(name)!;
    this.#inOrder?.shift();
    this.#bytes -= bytes;
    this.#unpackedBytes -= unpackedBytes;
    queue.blocks.shift();
    queue.bytes -= bytes;
    this.#queues.delete(name);
    if (queue.blocks.length > 0) this.#queues.set(name, queue); // the others come first now
    this.#names = null;
  }
}
