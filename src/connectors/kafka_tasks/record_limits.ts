/**
 * How large the records of internal topics may be.
 *
 * A topic accepts batches up to its `max.message.bytes`. A record that is larger by itself is
 * refused whenever it is written. So that is found before a transaction begins, where it is known
 * which step and key it is of.
 *
 * @module
 */
import { sizeDown, sizeUp } from "../../core/byte_sizes.ts";
import { StepError } from "../../core/errors.ts";
import { preview } from "../../core/preview.ts";
import { partsOf, type TaskId } from "../../core/task_id.ts";
import type { RecordLimit } from "../../group/log.ts";
import type { KafkaConnection } from "../kafka/client/connection.ts";
import type { WireRecord } from "../kafka/wire/write_batch.ts";
import { batchLimitOf } from "./internal_topics.ts";
import { bytesOf, type PackingOptions } from "./pending_records.ts";
import { persisting } from "./persisting.ts";
import { parseStateKey } from "./state_records.ts";
import { TaskLogError } from "./task_log_error.ts";
import { Buffer } from "node:buffer";

/** Batches of several records stay below what brokers accept by default. */
const BATCH_BYTES = 1 << 19;

/** What a batch takes besides its records, and a record besides its value, at most. */
const BATCH_OVERHEAD = 61;
const NO_VALUE = bytesOf({ key: null, value: null, headers: [], timestamp: 0 });

/** A record of a changelog. */
export interface ChangedState {
  readonly task: TaskId;
  readonly topic: string;
  readonly record: WireRecord;
}

/** Knows the limits of a group's topics. */
export class RecordLimits {
  readonly #connection: KafkaConnection;
  readonly #bytes: Map<string, number>;
  readonly #packing = new Map<string, PackingOptions>();

  /** `bytes`: how large a batch each topic accepts, as `ensureInternalTopics` found it. */
  constructor(connection: KafkaConnection, bytes: ReadonlyMap<string, number>) {
    this.#connection = connection;
    this.#bytes = new Map(bytes);
  }

  /** How the records of a topic are packed. */
  packing(topic: string, writer: string): PackingOptions {
    let packing = this.#packing.get(topic);
    if (packing === undefined) {
      packing = { writer, batchBytes: Math.min(BATCH_BYTES, this.#room(topic)) };
      this.#packing.set(topic, packing);
    }
    return packing;
  }

  /** What the value of a record without a key may have. */
  ofValue(topic: string): RecordLimit {
    return { bytes: this.#room(topic) - NO_VALUE, raise: raise(topic) };
  }

  /** Whether the topic accepts a record. */
  fits(topic: string, record: WireRecord): boolean {
    return bytesOf(record) <= this.#room(topic);
  }

  /**
   * Makes sure that a topic accepts a record that did not fit when it was asked last.
   *
   * @throws {StepError} If it does not. The message names size, limit and cure.
   * @throws {TaskLogError} If it is the positions of a task.
   */
  async require({ task, topic, record }: ChangedState): Promise<void> {
    const connection = this.#connection;
    this.#bytes.set(topic, await persisting(connection, () => batchLimitOf(connection, topic)));
    if (this.fits(topic, record)) return;
    const takes = `takes ${sizeUp(bytesOf(record))}, and topic "${topic}" accepts no more than ` +
      `${sizeDown(this.#room(topic))}`;
    const of = parseStateKey(Buffer.from(record.key!));
    if (of === null) {
      throw new TaskLogError(`where the inputs of task "${task}" are ${takes}: ${raise(topic)}`);
    }
    const [stepId, key] = of;
    throw new StepError(
      { stepId, worker: partsOf(task).partition, task, item: preview({ key }) },
      new RangeError(
        `the state of the key ${takes}: keep less in one key, share it out over several, or ` +
          raise(topic),
      ),
    );
  }

  #room(topic: string): number {
    return (this.#bytes.get(topic) ?? Infinity) - BATCH_OVERHEAD;
  }
}

function raise(topic: string): string {
  return `raise max.message.bytes of topic "${topic}"`;
}
