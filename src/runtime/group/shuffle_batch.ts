/**
 * What tasks send one another through the log, as bytes.
 *
 * ```text
 *   version   1 byte    1
 *   task      2 bytes   the length of its name, big-endian like all numbers here
 *                       the name of the task that has sent it, as UTF-8
 *   frames:   4 bytes   the length of a frame, then the frame as `../exchange/frames.ts` writes it
 * ```
 *
 * A batch is a record. All of it belongs to one epoch of the sender.
 *
 * @module
 */
import { messageOf } from "../../core/errors.ts";
import type { TaskId } from "../../core/task_id.ts";
import { decodeUtf8, encodeUtf8 } from "../../core/utf8.ts";
import { FRAME_ROOM, joinFrames } from "../exchange/frame_stream.ts";
import { decodeFrame, type Frame } from "../exchange/frames.ts";

const VERSION = 1;

const BROKEN = "what another task has sent cannot be read";

/** What comes before the name of the task. */
const NAME_AT = 3;

/** Bytes are not a batch, or of another version. */
export class UnreadableBatchError extends Error {
  override readonly name = "UnreadableBatchError";
}

/** A batch, read. */
export interface SentFrames {
  /** The task that has sent it. */
  readonly task: TaskId;
  /** In the order in which they were sent. */
  readonly frames: readonly Frame[];
}

/** Frames as a batch. */
export function encodeShuffleBatch(task: TaskId, frames: readonly Uint8Array[]): Uint8Array {
  const name = encodeUtf8(task);
  const joined = joinFrames(frames);
  const bytes = new Uint8Array(NAME_AT + name.length + joined.length);
  bytes[0] = VERSION;
  new DataView(bytes.buffer).setUint16(1, name.length);
  bytes.set(name, NAME_AT);
  bytes.set(joined, NAME_AT + name.length);
  return bytes;
}

/**
 * A batch as frames, whose items are views on it.
 *
 * @throws {UnreadableBatchError} If it is none, or of another version.
 */
export function decodeShuffleBatch(bytes: Uint8Array): SentFrames {
  const end = nameEnd(bytes);
  const frames: Frame[] = [];
  try {
    const task = decodeUtf8(bytes.subarray(NAME_AT, end)) as TaskId;
    for (const [at, end] of framesAt(bytes)) {
      frames.push(decodeFrame(bytes.subarray(at + FRAME_ROOM, end)));
    }
    return { task, frames };
  } catch (cause) {
    if (cause instanceof UnreadableBatchError) throw cause;
    throw new UnreadableBatchError(`${BROKEN}: ${messageOf(cause)}`, { cause });
  }
}

/** Where each frame of a batch begins, with the length before it, and where it ends. */
export function* framesAt(bytes: Uint8Array): Generator<readonly [at: number, end: number]> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = nameEnd(bytes); at < bytes.length;) {
    if (at + FRAME_ROOM > bytes.length) throw broken();
    const end = at + FRAME_ROOM + view.getUint32(at);
    if (end > bytes.length) throw broken();
    yield [at, end];
    at = end;
  }
}

function nameEnd(bytes: Uint8Array): number {
  if (bytes.length < NAME_AT) throw broken();
  if (bytes[0] !== VERSION) {
    throw new UnreadableBatchError(
      `${BROKEN}: it is of version ${bytes[0]}, and this is version ${VERSION}`,
    );
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = NAME_AT + view.getUint16(1);
  if (end > bytes.length) throw broken();
  return end;
}

/** Returns how many items a batch has for each exchange, by its number. */
export function itemsOf(bytes: Uint8Array): Map<number, number> {
  const counts = new Map<number, number>();
  for (const frame of decodeShuffleBatch(bytes).frames) {
    if (frame.kind !== "batch") continue;
    counts.set(frame.exchange, (counts.get(frame.exchange) ?? 0) + frame.count);
  }
  return counts;
}

function broken(): Error {
  return new UnreadableBatchError(`${BROKEN}: it is cut off`);
}
