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
import type { TaskId } from "../../core/task_id.ts";
import { decodeUtf8, encodeUtf8 } from "../../core/utf8.ts";
import { joinFrames } from "../exchange/frame_stream.ts";
import { decodeFrame, type Frame } from "../exchange/frames.ts";

const VERSION = 1;

/** What comes before the name of the task. */
const NAME_AT = 3;

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
 * @throws {Error} If it is none, or of another version.
 */
export function decodeShuffleBatch(bytes: Uint8Array): SentFrames {
  if (bytes[0] !== VERSION || bytes.length < NAME_AT) {
    throw new Error(
      `what another task has sent cannot be read: it is of version ${bytes[0]}, and this is ` +
        `version ${VERSION}`,
    );
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = NAME_AT + view.getUint16(1);
  if (at > bytes.length) throw broken();
  const task = decodeUtf8(bytes.subarray(NAME_AT, at)) as TaskId;
  const frames: Frame[] = [];
  while (at < bytes.length) {
    if (at + 4 > bytes.length) throw broken();
    const end = at + 4 + view.getUint32(at);
    if (end > bytes.length) throw broken();
    frames.push(decodeFrame(bytes.subarray(at + 4, end)));
    at = end;
  }
  return { task, frames };
}

function broken(): Error {
  return new Error("what another task has sent cannot be read: it is cut off");
}
