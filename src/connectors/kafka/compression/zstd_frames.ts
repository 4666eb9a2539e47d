/**
 * Finds where the frames of Zstandard end.
 *
 * `node:zlib` in Deno 2.9 decompresses the first frame and ignores the rest. If a frame is cut off,
 * it returns what there was without an error. Records would be lost silently. The sizes in the
 * headers show where a frame has to end, and what it claims to make.
 *
 * Node has, or had, the same two faults: nodejs/node#64741 (several frames) and nodejs/node#64592
 * (cut off). Once Deno has mended both, only the claimed sizes are still needed from here. The
 * library fzstd does not help: it is slow, and it only decompresses.
 *
 * ```text
 *   frame: magic 28 b5 2f fd │ descriptor │ window? │ dictionary id? │ content size?
 *          blocks … │ checksum?
 *   block: 24 bits: last?, type, size │ contents
 * ```
 *
 * (RFC 8878, section 3.1.)
 *
 * @module
 */

const MAGIC = 0xfd2fb528;
/** Frames with these 16 magic numbers have no content, and are skipped. */
const SKIPPABLE = 0x184d2a50;

/** Each frame needs a call of its own to be unpacked. Clients write a batch as one frame. */
const MOST_FRAMES = 4096;

const RLE_BLOCK = 1;
const RESERVED_BLOCK = 3;

/** A frame with content. */
export interface ZstdFrame {
  readonly start: number;
  readonly end: number;
  /** How many bytes it claims to make; `null` if it does not claim a size. */
  readonly contentBytes: number | null;
}

/**
 * The frames with content.
 *
 * @throws {Error} If the bytes are not whole frames.
 */
export function zstdFrames(packed: Uint8Array): ZstdFrame[] {
  const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength);
  const frames: ZstdFrame[] = [];
  let at = 0;
  do {
    need(view, at, 4);
    const magic = view.getUint32(at, true);
    if ((magic & ~0xf) === SKIPPABLE) {
      need(view, at, 8);
      const size = view.getUint32(at + 4, true);
      need(view, at + 8, size);
      at += 8 + size;
      continue;
    }
    if (magic !== MAGIC) throw new Error(`a frame begins with ${magic.toString(16)}`);
    const frame = frameAt(view, at);
    frames.push(frame);
    if (frames.length > MOST_FRAMES) throw new Error(`there are more than ${MOST_FRAMES} frames`);
    at = frame.end;
  } while (at < packed.length);
  return frames;
}

function need(view: DataView, at: number, bytes: number): void {
  if (at + bytes > view.byteLength) throw new Error("a frame is cut off");
}

function frameAt(view: DataView, start: number): ZstdFrame {
  let at = start + 4;
  need(view, at, 1);
  const descriptor = view.getUint8(at++);
  const single = (descriptor & 0x20) !== 0; // a single segment: the content is the window
  if (!single) at += 1;
  at += [0, 1, 2, 4][descriptor & 3]; // dictionary id
  const width = [single ? 1 : 0, 2, 4, 8][descriptor >>> 6];
  need(view, at, width);
  const contentBytes = contentSize(view, at, width);
  at += width;
  for (let last = false; !last;) {
    need(view, at, 3);
    const header = view.getUint16(at, true) | (view.getUint8(at + 2) << 16);
    last = (header & 1) !== 0;
    const type = (header >>> 1) & 3;
    if (type === RESERVED_BLOCK) throw new Error("a frame has a block of an unknown type");
    at += 3;
    const size = type === RLE_BLOCK ? 1 : header >>> 3;
    need(view, at, size);
    at += size;
  }
  const checksum = (descriptor & 4) !== 0 ? 4 : 0;
  need(view, at, checksum);
  return { start, end: at + checksum, contentBytes };
}

function contentSize(view: DataView, at: number, width: number): number | null {
  switch (width) {
    case 1:
      return view.getUint8(at);
    case 2:
      return view.getUint16(at, true) + 256;
    case 4:
      return view.getUint32(at, true);
    case 8:
      return view.getUint32(at + 4, true) * 2 ** 32 + view.getUint32(at, true);
    default:
      return null;
  }
}
