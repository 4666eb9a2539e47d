import type { Log } from "../../core/log.ts";
import type { OutputConfig, OutputWriter, Place, Positions } from "../../graph/contracts.ts";
import { isGzip } from "./chunks.ts";
import { ifThere } from "./guarded.ts";
import { type FilePosition, isUnchanged, type LeftFile, openWriter } from "./file_writer.ts";
import { pathOption } from "./path_option.ts";
import { fileOfWorker, isFileOfAnyWorker } from "./worker_files.ts";

/** Options of {@linkcode FileOutputConfig}. */
export interface FileOutputOptions {
  /**
   * The path of the file, in a folder that exists. With several workers, each writes a file of its
   * own, with its index before the extension: `out.txt` becomes `out.0.txt`, `out.1.txt` and so on.
   * Relative paths start at the folder that the process runs in.
   */
  readonly path: string | URL;
}

/**
 * Writes each item on a line of a file: strings as they are, everything else as JSON. JSON here
 * also has forms for bigint, `Map`, `Set`, bytes and cycles. An item that would become several
 * lines is an error.
 *
 * A first run replaces the file's content. A resumed run first cuts off what was written after its
 * snapshot, so the file holds each line once. At the end of each epoch, everything written is on
 * the disk.
 *
 * The file must stay where it is, also between runs that resume. Do not rotate or edit it, and let
 * nobody else write to it. The run checks its length, and the 1024 bytes before the end of the
 * snapshot. If they are not what was written, the run ends with an error that names the cure. The
 * file then stays as it is. A copy in its place counts as the file. With another path, a run leaves
 * the old file as it is and keeps its position; a later run with the old path continues there. Each
 * epoch ends with a check that the file still exists. A file that an input of the same flow reads
 * is refused.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Dataflow, FileOutputConfig, run, TestingInputConfig } from "@millrace/millrace";
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

  /** Creates the config. Checks the options; opens nothing yet. */
  constructor(options: FileOutputOptions) {
    this.#path = pathOption("FileOutputConfig", options);
    if (isGzip(this.#path)) {
      throw new TypeError(
        `FileOutputConfig does not write gzip: give a path without .gz; got "${this.#path}"`,
      );
    }
  }

  /**
   * For the engine: opens this worker's file and cuts it to the snapshot.
   *
   * @throws {Error} If it cannot be opened, another output writes it already, or it is not the
   * snapshot's file.
   */
  async open(at: Place, resume: Positions): Promise<OutputWriter<unknown>> {
    const path = fileOfWorker(this.#path, at.workerIndex, at.workerCount);
    // One worker has to handle the files that are left from a run with other workers.
    const left = at.workerIndex === 0 ? this.#left(at.workerCount, resume) : [];
    const others = at.workerIndex === 0 ? await this.#others(at, resume) : [];
    return await openWriter(
      path,
      positionIn(resume, path),
      [...await cuttable(left, at.log), ...others],
      at.signal,
    );
  }

  #left(workerCount: number, resume: Positions): LeftFile[] {
    const used = new Set<string>();
    for (let i = 0; i < workerCount; i++) used.add(fileOfWorker(this.#path, i, workerCount));
    return [...resume.keys()]
      .filter((file) => !used.has(file) && isFileOfAnyWorker(this.#path, file))
      .map((path) => ({ path, position: positionIn(resume, path)!, isCut: true }));
  }

  /**
   * Returns the files that earlier runs wrote under another path, and that still exist. A later run
   * with that path continues in them; without their positions, it would empty them.
   */
  async #others({ log }: Place, resume: Positions): Promise<LeftFile[]> {
    const others: LeftFile[] = [];
    for (const path of resume.keys()) {
      if (isFileOfAnyWorker(this.#path, path)) continue;
      if (!(await ifThere(path, () => Deno.stat(path)))?.isFile) continue;
      others.push({ path, position: positionIn(resume, path)!, isCut: false });
    }
    if (others.length > 0) {
      const [{ path }] = others;
      log.info(`files that were written before are left as they are: "${path}"`, {
        files: others.length,
      });
    }
    return others;
  }
}

/**
 * Returns the files that still exist, to cut off what was written after the snapshot: it will be
 * written again, elsewhere. Their positions go into the next snapshots, since a later run may have
 * as many workers as the earlier one.
 */
async function cuttable(files: readonly LeftFile[], log: Log): Promise<LeftFile[]> {
  const there: LeftFile[] = [];
  for (const left of files) {
    if (await isUnchanged(left.path, left.position)) there.push(left);
    else {
      log.warn(
        `"${left.path}" is not what an earlier run wrote any more: it is left as it is, and lines that ` +
          "were written after the snapshot come again elsewhere",
      );
    }
  }
  return there;
}

/**
 * Returns how much of a file belongs to the snapshot; `null` if the snapshot does not know the
 * file.
 *
 * @throws {Error} If an earlier version stored it, which did not note which file it is of.
 */
function positionIn(resume: Positions, file: string): FilePosition | null {
  const state = resume.get(file) as FilePosition | undefined;
  if (state === undefined) return null;
  if ("crc" in state) return state;
  throw new Error(
    `the recovery store has the length of "${file}" in the form of an earlier version, which does ` +
      "not say which file it is of: drop the store with --from-scratch",
  );
}
