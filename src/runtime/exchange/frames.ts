/**
 * What workers say to one another, as frames of bytes.
 *
 * ```text
 *   kind      1 byte    1 batch, 2 barrier, 3 end, 4 credit, 5 idle, 6 active, 7 time
 *   exchange  2 bytes   which of the flow's exchanges, big-endian like all numbers here
 *   batch:    4 bytes   how many items, then the items as `core/value_codec.ts` writes them
 *   barrier:  8 bytes   the epoch that ends
 *   end:      1 byte    1 where the run is being stopped
 *   credit:   4 bytes   how many more batches of this exchange have been worked off
 *             1 byte    1 where the receiver has since had nothing left of what had come, else 0
 *   idle, active: nothing more
 *   time:     where items come from, or a tick, as `core/value_codec.ts` writes it
 * ```
 *
 * @module
 */
import type { Epoch } from "../../core/ids.ts";
import { decodeValue, encodeValue } from "../../core/value_codec.ts";
import type { TimeControl } from "../time/controls.ts";

/** The most bytes that an item may have. */
export const LONGEST_ITEM = 256 << 20;

/**
 * The most bytes that a frame may have: a longer one is not ours. Smaller items may go with a large
 * one.
 */
export const LONGEST_FRAME = LONGEST_ITEM + (16 << 20);

/** What comes before the items of a batch. */
export const BATCH_HEADER = 7;

/** The kind of a batch. */
export const BATCH = 1;

/** Where a frame has its kind, and where the number of its exchange. */
export const KIND_AT = 0;
export const EXCHANGE_AT = 1;

/** A frame, read. */
export type Frame =
  | {
    readonly kind: "batch";
    readonly exchange: number;
    readonly count: number;
    readonly items: Uint8Array;
  }
  | { readonly kind: "barrier"; readonly exchange: number; readonly epoch: Epoch }
  | { readonly kind: "end"; readonly exchange: number; readonly stopped: boolean }
  | {
    readonly kind: "credit";
    readonly exchange: number;
    readonly batches: number;
    readonly emptied: boolean;
  }
  | { readonly kind: "idle" | "active"; readonly exchange: number }
  | { readonly kind: "time"; readonly exchange: number; readonly message: TimeControl };

/** A frame as bytes. */
export function encodeFrame(frame: Frame): Uint8Array {
  switch (frame.kind) {
    case "batch": {
      const bytes = start(BATCH, frame.exchange, BATCH_HEADER + frame.items.length);
      viewOf(bytes).setUint32(3, frame.count);
      bytes.set(frame.items, BATCH_HEADER);
      return bytes;
    }
    case "barrier": {
      const bytes = start(2, frame.exchange, 11);
      viewOf(bytes).setBigUint64(3, BigInt(frame.epoch));
      return bytes;
    }
    case "end": {
      const bytes = start(3, frame.exchange, 4);
      bytes[3] = frame.stopped ? 1 : 0;
      return bytes;
    }
    case "credit": {
      const bytes = start(4, frame.exchange, 8);
      viewOf(bytes).setUint32(3, frame.batches);
      bytes[7] = frame.emptied ? 1 : 0;
      return bytes;
    }
    case "idle":
      return start(5, frame.exchange, 3);
    case "active":
      return start(6, frame.exchange, 3);
    case "time": {
      const message = encodeValue(frame.message, 3);
      message[KIND_AT] = 7;
      viewOf(message).setUint16(EXCHANGE_AT, frame.exchange);
      return message;
    }
  }
}

/**
 * Bytes as a frame. The items of a batch are a view on them.
 *
 * @throws {Error} If they are none.
 */
export function decodeFrame(bytes: Uint8Array): Frame {
  if (bytes.length < 3) throw broken();
  const view = viewOf(bytes);
  const exchange = view.getUint16(EXCHANGE_AT);
  switch (bytes[KIND_AT]) {
    case BATCH:
      if (bytes.length < BATCH_HEADER) break;
      return {
        kind: "batch",
        exchange,
        count: view.getUint32(3),
        items: bytes.subarray(BATCH_HEADER),
      };
    case 2:
      if (bytes.length !== 11) break;
      return { kind: "barrier", exchange, epoch: Number(view.getBigUint64(3)) };
    case 3:
      if (bytes.length !== 4 || bytes[3] > 1) break;
      return { kind: "end", exchange, stopped: bytes[3] === 1 };
    case 4:
      if (bytes.length !== 8 || bytes[7] > 1) break;
      return { kind: "credit", exchange, batches: view.getUint32(3), emptied: bytes[7] === 1 };
    case 5:
    case 6:
      if (bytes.length !== 3) break;
      return { kind: bytes[0] === 5 ? "idle" : "active", exchange };
    case 7:
      return { kind: "time", exchange, message: decodeValue(bytes.subarray(3)) as TimeControl };
  }
  throw broken();
}

function start(kind: number, exchange: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  bytes[KIND_AT] = kind;
  viewOf(bytes).setUint16(EXCHANGE_AT, exchange);
  return bytes;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function broken(): Error {
  return new Error("a frame from another worker cannot be read");
}
