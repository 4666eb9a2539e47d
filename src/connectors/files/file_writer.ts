import { dirname } from "node:path";
import { counted } from "../../core/counted.ts";
import { ItemError } from "../../core/errors.ts";
import type { PartitionName } from "../../core/ids.ts";
import { toLine } from "../../core/preview.ts";
import type { OutputWriter, Positions } from "../../graph/contracts.ts";
import { outputReplaced, outputReplacedMeanwhile } from "./errors.ts";
import { bytesBefore, crcOf, EVIDENCE_BYTES, lastBytes } from "./fingerprint.ts";
import { guarded, ifThere, isMissing } from "./guarded.ts";
import { claim } from "./open_outputs.ts";

/** How much of a file a snapshot guarantees, and which file that is. */
export interface FilePosition {
  /** Its length, in bytes. */
  readonly bytes: number;
  /** The CRC-32 of its last bytes: see `fingerprint.ts`. */
  readonly crc: number;
  /** Its inode; `null` if the system has none. */
  readonly inode: number | null;
}

/** A file of an earlier run, which this run does not write. */
export interface LeftFile {
  readonly path: PartitionName;
  readonly position: FilePosition;
  /** Whether to cut off what was written after the snapshot, since other workers wrote it. */
  readonly isCut: boolean;
}

/** What a {@linkcode FileWriter} writes. */
interface OpenFile {
  readonly path: string;
  /** For cutting it. */
  readonly file: Deno.FsFile;
  readonly claimed: Disposable;
  readonly left: readonly LeftFile[];
  /** Its length after the cut. */
  readonly bytes: number;
  /** The last of these bytes. */
  readonly last: Uint8Array;
  readonly inode: number | null;
}

const NOTHING: FilePosition = { bytes: 0, crc: 0, inode: null };
const encoder = new TextEncoder();

/**
 * Opens a file. It is cut only when something is written to it or an epoch ends. By then it is
 * known that no input of the flow reads it.
 *
 * @param path The file; made if it does not exist.
 * @param position How much of it to keep; `null` if the file is unknown, so that all is replaced.
 * @param left Files of earlier runs, whose positions are kept.
 * @param run The signal of the run.
 * @throws {Error} If it cannot be opened, is written already, or is not the file of the position.
 */
export async function openWriter(
  path: string,
  position: FilePosition | null,
  left: readonly LeftFile[],
  run: AbortSignal,
): Promise<OutputWriter<unknown>> {
  return await guarded(path, "written", () => open(path, position, left, run));
}

async function open(
  path: string,
  position: FilePosition | null,
  left: readonly LeftFile[],
  run: AbortSignal,
): Promise<OutputWriter<unknown>> {
  const { bytes } = position ?? NOTHING;
  const file = await openFile(path, bytes);
  let claimed: Disposable | undefined;
  try {
    claimed = await claim(path, run);
    const info = await file.stat();
    if (!info.isFile) {
      throw new TypeError(
        `"${path}" is not a file, but a pipe or a device: use StdOutputConfig or ManualOutputConfig`,
      );
    }
    const last = await bytesBefore(file, bytes);
    const differs = position === null ? null : difference(position, info, last);
    if (differs !== null) throw outputReplaced(path, bytes, differs);
    return new FileWriter({ path, file, claimed, left, bytes, last, inode: info.ino });
  } catch (error) {
    file.close();
    claimed?.[Symbol.dispose]();
    throw error;
  }
}

/** Returns how a file differs from that of a position; `null` if it does not. */
function difference(
  { bytes, crc, inode }: FilePosition,
  { size, ino }: Deno.FileInfo,
  last: Uint8Array,
): string | null {
  if (size < bytes) return `it has ${counted(size, "byte")}`;
  if (bytes > 0 && crcOf(last) !== crc) return "its bytes before that place differ";
  // A copy may have been put in its place. But if few bytes agree, another file is not cut.
  const isOther = inode !== null && ino !== inode;
  return isOther && bytes < EVIDENCE_BYTES && size > bytes ? "it is another file" : null;
}

/** Whether a file still is as a position describes it, so that it can be cut to it. */
export async function isUnchanged(path: string, position: FilePosition): Promise<boolean> {
  return await ifThere(path, async () => {
    using file = await Deno.open(path);
    const info = await file.stat();
    return info.isFile &&
      difference(position, info, await bytesBefore(file, position.bytes)) === null;
  }) ?? false;
}

/** Writes lines, with one call for each batch. */
class FileWriter implements OutputWriter<unknown> {
  readonly #to: OpenFile;
  #file: Deno.FsFile;
  #bytes: number;
  #last: Uint8Array;
  #isCut = false;
  #synced = false; // the cut has to reach the disk, too
  #pending: Promise<void> = Promise.resolve();
  #closing: Promise<void> | null = null;

  constructor(to: OpenFile) {
    this.#to = to;
    this.#file = to.file;
    this.#bytes = to.bytes;
    this.#last = to.last;
  }

  write(batch: readonly unknown[]): Promise<void> {
    const bytes = encoder.encode(linesOf(batch));
    return this.#pending = guarded(this.#to.path, "written", () => this.#append(bytes));
  }

  async prepare(): Promise<Positions> {
    const { path, left, inode } = this.#to;
    await (this.#pending = guarded(path, "written", () => this.#settle()));
    const position: FilePosition = { bytes: this.#bytes, crc: crcOf(this.#last), inode };
    return new Map([
      ...left.map(({ path, position }) => [path, position] as const),
      [path, position],
    ]);
  }

  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  async #close(): Promise<void> {
    await this.#pending.catch(() => {}); // the caller of that write has the error
    this.#file.close();
    this.#to.claimed[Symbol.dispose]();
  }

  async #append(bytes: Uint8Array): Promise<void> {
    await this.#begin();
    this.#synced = false;
    let rest = bytes;
    while (rest.length > 0) rest = rest.subarray(await this.#file.write(rest));
    this.#bytes += bytes.length;
    this.#last = lastBytes(this.#last, bytes);
  }

  async #settle(): Promise<void> {
    await this.#begin();
    if (!this.#synced) await this.#file.syncData();
    this.#synced = true;
    await this.#requireThere();
  }

  /**
   * Cuts off what was written after the snapshot, as it will be written again, and moves to the
   * end.
   */
  async #begin(): Promise<void> {
    if (this.#isCut) return;
    const { path, file, left, bytes } = this.#to;
    for (const { path, position, isCut } of left) {
      if (isCut) await Deno.truncate(path, position.bytes);
    }
    await file.truncate(bytes);
    await this.#requireThere();
    // Appending leaves no hole if others have cut the file, so its length shows that they did.
    this.#file = await Deno.open(path, { append: true });
    file.close();
    this.#isCut = true;
  }

  /** Checks that what has been written is in the file of that name. */
  async #requireThere(): Promise<void> {
    const { path, inode } = this.#to;
    const found = await ifThere(path, () => Deno.stat(path));
    if (found === null) throw outputReplacedMeanwhile(path, "it is not there any more");
    if (found.size !== this.#bytes) {
      const has = counted(found.size, "byte");
      const differs = `it has ${has} and not the ${this.#bytes} that were written`;
      throw outputReplacedMeanwhile(path, differs);
    }
    if (found.ino === inode) return;
    // Some network file systems change a file's inode each time.
    const position = { bytes: this.#bytes, crc: crcOf(this.#last), inode: null };
    if (!await isUnchanged(path, position)) {
      throw outputReplacedMeanwhile(path, "another file has its name now");
    }
  }
}

async function openFile(path: string, bytes: number): Promise<Deno.FsFile> {
  try {
    return await Deno.open(path, { read: true, write: true, create: bytes === 0 });
  } catch (cause) {
    if (cause instanceof Deno.errors.IsADirectory) {
      throw new Deno.errors.IsADirectory(`"${path}" is a folder: give the path of a file`, {
        cause,
      });
    }
    if (!isMissing(cause) || cause instanceof Deno.errors.FilesystemLoop) throw cause;
    if (bytes > 0) throw outputReplaced(path, bytes, "it is not there");
    throw new Deno.errors.NotFound(
      `cannot write to "${path}": there is no folder "${dirname(path)}"; make it first`,
      { cause },
    );
  }
}

function linesOf(batch: readonly unknown[]): string {
  let lines = "";
  for (const item of batch) {
    const line = toLine(item);
    if (line.includes("\n")) {
      const cause = new TypeError(
        "the item would become several lines, as it has a line break in it; " +
          "write it as JSON.stringify(item), or split it first",
      );
      throw new ItemError(item, { cause });
    }
    lines += line + "\n";
  }
  return lines;
}
