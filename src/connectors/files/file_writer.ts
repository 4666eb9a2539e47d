import { dirname } from "node:path";
import { ItemError } from "../../core/errors.ts";
import type { PartitionName } from "../../core/ids.ts";
import { toLine } from "../../core/preview.ts";
import type { OutputWriter, Positions } from "../../graph/contracts.ts";
import { isMissing } from "./glob.ts";

/** How much of a file a snapshot is sure of. */
export interface FilePosition {
  /** Its length, in bytes. */
  readonly bytes: number;
}

/** The files that this process writes: two outputs on one file would write over each other. */
const written = new Set<string>();

const encoder = new TextEncoder();

/** A file that is open for writing, at its end. */
interface OpenFile {
  readonly path: string;
  readonly realPath: string;
  readonly file: Deno.FsFile;
  readonly bytes: number;
}

/**
 * Opens a file and cuts it.
 *
 * @param path The file; made where there is none.
 * @param bytes How much of it to keep.
 * @param others Positions of other files, which go into the snapshots as they are.
 * @throws {Error} If it cannot be opened, is written already, or has fewer bytes.
 */
export async function openWriter(
  path: string,
  bytes: number,
  others: ReadonlyMap<PartitionName, FilePosition>,
): Promise<OutputWriter<unknown>> {
  const file = await openFile(path, bytes);
  let realPath: string | undefined;
  try {
    realPath = claim(path, await Deno.realPath(path));
    const { isFile, size } = await file.stat();
    if (!isFile) throw new TypeError(`"${path}" is not a file, but a pipe or a device`);
    if (size < bytes) throw changed(path, `has ${size} bytes`, bytes);
    await file.truncate(bytes);
    await file.seek(bytes, Deno.SeekMode.Start);
    return new FileWriter({ path, realPath, file, bytes }, others);
  } catch (error) {
    file.close();
    if (realPath !== undefined) written.delete(realPath);
    throw error;
  }
}

/** Writes lines, one call for each batch. */
class FileWriter implements OutputWriter<unknown> {
  readonly #to: OpenFile;
  readonly #others: ReadonlyMap<PartitionName, FilePosition>;
  #bytes: number;
  #synced = false; // that it was cut has to reach the disk, too
  #pending: Promise<void> = Promise.resolve();

  constructor(to: OpenFile, others: ReadonlyMap<PartitionName, FilePosition>) {
    this.#to = to;
    this.#bytes = to.bytes;
    this.#others = others;
  }

  write(batch: readonly unknown[]): Promise<void> {
    return this.#pending = this.#append(encoder.encode(linesOf(batch)));
  }

  async prepare(): Promise<Positions> {
    if (!this.#synced) await (this.#pending = this.#to.file.syncData());
    this.#synced = true;
    return new Map([...this.#others, [this.#to.path, { bytes: this.#bytes }]]);
  }

  async close(): Promise<void> {
    await this.#pending.catch(() => {}); // whoever made the call knows
    this.#to.file.close();
    written.delete(this.#to.realPath);
  }

  async #append(bytes: Uint8Array): Promise<void> {
    this.#synced = false;
    let rest = bytes;
    while (rest.length > 0) rest = rest.subarray(await this.#to.file.write(rest));
    this.#bytes += bytes.length;
  }
}

function claim(path: string, realPath: string): string {
  if (written.has(realPath)) {
    throw new TypeError(
      `"${path}" is written by another output already: ` +
        `give each a file of its own, or merge the streams before the output`,
    );
  }
  written.add(realPath);
  return realPath;
}

async function openFile(path: string, bytes: number): Promise<Deno.FsFile> {
  try {
    return await Deno.open(path, { write: true, create: bytes === 0 });
  } catch (cause) {
    if (cause instanceof Deno.errors.IsADirectory) {
      throw new Deno.errors.IsADirectory(`cannot write to "${path}": it is a folder`, { cause });
    }
    if (!isMissing(cause)) throw cause;
    if (bytes > 0) throw changed(path, "is not there", bytes);
    throw new Deno.errors.NotFound(
      `cannot write to "${path}": there is no folder "${dirname(path)}"`,
      { cause },
    );
  }
}

function changed(path: string, found: string, bytes: number): RangeError {
  return new RangeError(
    `"${path}" ${found}, but ${bytes} bytes of it belong to the snapshot: ` +
      `it was changed or moved since; put it back, or start anew without the snapshot`,
  );
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

/** Cuts a file to `bytes`. Says whether it has that many; where it has not, it stays as it is. */
export async function cutIfLonger(path: string, bytes: number): Promise<boolean> {
  try {
    const { isFile, size } = await Deno.stat(path);
    if (!isFile || size < bytes) return false;
    if (size > bytes) await Deno.truncate(path, bytes);
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}
