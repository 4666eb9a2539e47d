/**
 * The numbers that exchanges have in shuffle topics.
 *
 * In a process, an exchange has its index in the flow. A new version of the flow may have others
 * before it. In the log, its number is made of what it is. So what was sent before an upgrade still
 * comes to the right exchange.
 *
 * @module
 */
import type { ShuffleReader, ShuffleRecord } from "../../group/log.ts";
import type { GroupExchange } from "../../group/topology.ts";
import { FRAME_ROOM } from "../exchange/frame_stream.ts";
import { BATCH, EXCHANGE_AT, KIND_AT } from "../exchange/frames.ts";
import { framesAt, UnreadableBatchError } from "./shuffle_batch.ts";

/** Where the number of its exchange is, from where a frame begins in a batch. */
const NUMBER_AT = FRAME_ROOM + EXCHANGE_AT;

/** Changes the numbers of exchanges in batches. */
export class ExchangeNumbers {
  readonly #numbers: readonly number[];
  readonly #indexes: ReadonlyMap<number, number>;

  constructor(exchanges: readonly Pick<GroupExchange, "number">[]) {
    this.#numbers = exchanges.map(({ number }) => number);
    this.#indexes = new Map(this.#numbers.map((number, index) => [number, index]));
  }

  /** Has the frames of a batch name exchanges as the log does. Changes the batch itself. */
  toLog(bytes: Uint8Array): Uint8Array {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (const [at] of framesAt(bytes)) {
      const number = this.#numbers[view.getUint16(at + NUMBER_AT)];
      if (number === undefined) throw new TypeError("the flow has no exchange of this number");
      view.setUint16(at + NUMBER_AT, number);
    }
    return bytes;
  }

  /**
   * Returns a batch whose frames name exchanges as the flow does. What an exchange that is gone has
   * told of its time is left out.
   *
   * @throws {Error} If it has items of an exchange that the flow does not have.
   */
  fromLog(bytes: Uint8Array): Uint8Array {
    const copy = bytes.slice();
    const view = new DataView(copy.buffer);
    let end: number | null = null; // of what is kept
    for (const [at, next] of framesAt(bytes)) {
      end ??= at;
      const index = this.#indexes.get(view.getUint16(at + NUMBER_AT));
      if (index === undefined) {
        if (bytes[at + FRAME_ROOM + KIND_AT] === BATCH) throw unknownExchange();
        continue;
      }
      view.setUint16(at + NUMBER_AT, index);
      copy.copyWithin(end, at, next);
      end += next - at;
    }
    return end === null ? copy : copy.subarray(0, end);
  }

  /** Reads what a reader of the log has. */
  reading(reader: ShuffleReader): ShuffleReader {
    const next = (): ShuffleRecord | null => {
      const record = reader.next();
      if (record === null) return null;
      try {
        return { next: record.next, bytes: this.fromLog(record.bytes) };
      } catch (error) {
        throw error instanceof UnreadableBatchError ? reader.unreadable(record, error) : error;
      }
    };
    return {
      next,
      ready: () => reader.ready(),
      get isCurrent() {
        return reader.isCurrent;
      },
      get lag() {
        return reader.lag;
      },
      unreadable: (record, cause) => reader.unreadable(record, cause),
      close: () => reader.close(),
    };
  }
}

function unknownExchange(): Error {
  return new Error(
    "another task has sent items to an exchange that this flow does not have here: all machines of a " +
      "group must run the same flow",
  );
}
