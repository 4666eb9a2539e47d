import type { PartitionName } from "../../core/ids.ts";
import type { OutputConfig, OutputWriter, Place, Positions } from "../../graph/contracts.ts";
import { isGzip } from "./chunks.ts";
import { cutIfLonger, type FilePosition, openWriter } from "./file_writer.ts";
import { pathOption } from "./path_option.ts";
import { fileOfWorker, isFileOfAnyWorker } from "./worker_files.ts";

/** Where a {@linkcode FileOutputConfig} writes. */
export interface FileOutputOptions {
  /**
   * The path of the file, in a folder that exists. Several workers write a file each, with the
   * worker's index before the extension: `out.txt` is `out.0.txt`, `out.1.txt` and so on. Relative
   * paths start at the folder that the process runs in.
   */
  readonly path: string | URL;
}

/**
 * Each item on a line of its own in a file: strings as they are, everything else as JSON, which here
 * also has forms for bigint, `Map`, `Set`, bytes and cycles. An item that would become several lines
 * is an error.
 *
 * A first run replaces what is in the file. A run that goes on after a snapshot first cuts off what
 * was written after that snapshot, so the file holds each line once. At the end of each epoch all
 * that was written is on the disk.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Dataflow, FileOutputConfig, run, TestingInputConfig } from "millrace";
 *
 * const path = await Deno.makeTempFile();
 * const flow = new Dataflow("write")
 *   .input("in", new TestingInputConfig(["hello", { to: "world" }]))
 *   .capture(new FileOutputConfig({ path }));
 * await run(flow);
 * assertEquals(await Deno.readTextFile(path), 'hello\n{"to":"world"}\n');
 * await Deno.remove(path);
 * ```
 */
export class FileOutputConfig implements OutputConfig<unknown> {
  readonly #path: string;

  /** Checks the options; opens nothing yet. */
  constructor(options: FileOutputOptions) {
    this.#path = pathOption("FileOutputConfig", options);
    if (isGzip(this.#path)) {
      throw new TypeError(
        `FileOutputConfig does not pack files, so "${this.#path}" would not be what it is called`,
      );
    }
  }

  /**
   * Opens this worker's file and cuts it to where to go on; for the engine.
   *
   * @throws {Error} If it cannot be opened, is written by another output already, or has less in it
   * than the snapshot says.
   */
  async open(at: Place, resume: Positions): Promise<OutputWriter<unknown>> {
    const path = fileOfWorker(this.#path, at.workerIndex, at.workerCount);
    // Of the files that are left from a run with other workers one worker has to take care.
    const left = at.workerIndex === 0 ? this.#left(at.workerCount, resume) : [];
    const kept = await cutLeftFiles(left, resume);
    return await openWriter(path, bytesIn(resume, path), kept);
  }

  #left(workerCount: number, resume: Positions): string[] {
    const used = new Set<string>();
    for (let i = 0; i < workerCount; i++) used.add(fileOfWorker(this.#path, i, workerCount));
    return [...resume.keys()]
      .filter((file) => !used.has(file) && isFileOfAnyWorker(this.#path, file));
  }
}

/**
 * Cuts off what was written after the snapshot, as it will be written again, elsewhere. The positions
 * go into the next snapshots: a later run may have as many workers as the earlier one.
 */
async function cutLeftFiles(
  files: readonly PartitionName[],
  resume: Positions,
): Promise<Map<PartitionName, FilePosition>> {
  const kept = new Map<PartitionName, FilePosition>();
  for (const file of files) {
    const bytes = bytesIn(resume, file);
    if (await cutIfLonger(file, bytes)) kept.set(file, { bytes });
  }
  return kept;
}

function bytesIn(resume: Positions, file: PartitionName): number {
  return (resume.get(file) as FilePosition | undefined)?.bytes ?? 0;
}
