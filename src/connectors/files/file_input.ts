import { preview } from "../../core/preview.ts";
import type { InputConfig, InputReader, Place, Positions } from "../../graph/contracts.ts";
import { withEvidence } from "./evidence.ts";
import { findFiles } from "./find_files.ts";
import { filesToRead, type OnReplaced } from "./known_files.ts";
import { LinesReader } from "./lines_reader.ts";
import { requireNotWritten } from "./open_outputs.ts";
import { pathOption } from "./path_option.ts";
import { type Range, type ReadPart, unreadRanges } from "./ranges.ts";
import { shareOut } from "./share_out.ts";
import { SideBySideReader } from "./side_by_side.ts";

/** Options of {@linkcode FileInputConfig}. */
export interface FileInputOptions {
  /**
   * The path of a file, or a pattern for paths. `*` and `?` match any characters and one character
   * of a name. `[a-z]` and `[!a-z]` match a character in a set and one outside of it. `**` matches
   * any folders, `{a,b}` each of its choices. A file of exactly that name is read even if the name
   * could be a pattern. Relative paths start at the folder that the process runs in.
   */
  readonly path: string | URL;
  /**
   * What to do when a run resumes, another file has the name of one that was read, and the old one
   * is not found. `"fail"` ends the run, as lines of the old file may be lost. `"read"` logs a
   * warning and reads the new file from its start: use it for files that are replaced as a whole. A
   * copy of the old file that the pattern finds then counts as new, and its lines are read again.
   * This applies to copies of small logs (logrotate's `copytruncate`) of which less than 1024 bytes
   * had been read.
   *
   * @default {"fail"}
   */
  readonly onReplaced?: "fail" | "read";
}

/** How an input is divided among workers. */
interface FilePlan {
  /** What each worker reads. */
  readonly shares: readonly (readonly Range[])[];
  /** The paths of files that were read before, are still there, and are not asked for now. */
  readonly kept: readonly string[];
}

/**
 * Reads the lines of a text file, or of each file that matches a pattern, in the order of their
 * paths. Files that end in `.gz` are unpacked, even if one consists of several gzip files. Damage
 * is an error. Zeros after the last one are padding, with a warning.
 *
 * A line ends with `\n` or `\r\n`; the last one may end with the file. Bytes that are not UTF-8,
 * and lines of more than 64 MiB, are errors that name the place.
 *
 * Several workers share the bytes about equally. So several read a large file at once, and each
 * line is read by the worker in whose range it begins. A gzip file cannot be cut, and is read by
 * one. Lines keep their order within a range. One worker alone reads everything in order.
 *
 * For windows that use event time, each range is a source of its own: a file, or a worker's part of
 * it. They are read side by side, so that none gets far ahead of the others, and nothing is late
 * because of the order of reading. At most 64 files are open at once on each worker.
 *
 * A snapshot holds which bytes of which files have been read, in whole lines. A resumed run shares
 * the rest over its workers, however many there are. (For a gzip file these are unpacked bytes; it
 * is unpacked again up to there.) If a file has grown, reading continues where it ended. If that
 * was within a line, the rest becomes a line of its own, with a warning.
 *
 * A file is known by its content and its inode, not by its path alone, so files may be rotated:
 *
 * - A file that was renamed or moved, and that the pattern still finds, is read on under its new
 *   name.
 * - A file that was renamed within its folder, to a name outside of the pattern, is read to its
 *   end. For `app.log`, that is the rest of what is now `app.log.1`; the new `app.log` is read from
 *   its start.
 * - A copy that was made before a file was cut (logrotate's `copytruncate`) is recognised by 1024
 *   bytes of content. With fewer it is an error; with `onReplaced: "read"` the copy is read again.
 * - If a run has another path, files that still exist keep their positions, with a warning. A later
 *   run that finds them continues there. The position of a deleted file is dropped.
 * - A file under several matching names, such as a link, is read once.
 * - A broken link, and a file that is removed while the pattern is evaluated, are left out with a
 *   warning. A file or folder without read permission is an error.
 *
 * If another file has the name and the old one is not found, the run ends with an error that names
 * the cure; see `onReplaced`. The same holds if a file is shorter than it was, has other bytes
 * before the position, or is cut while it is read. Some changes cannot be noticed: bytes further up
 * in a file, or a file with the same 1024 bytes before the position by chance.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Dataflow, FileInputConfig, run, TestingOutputConfig } from "@millrace/millrace";
 *
 * const folder = await Deno.makeTempDir();
 * await Deno.writeTextFile(`${folder}/a.txt`, "one\ntwo\n");
 * await Deno.writeTextFile(`${folder}/b.txt`, "three");
 * const out: string[] = [];
 * const input = new FileInputConfig({ path: `${folder}/*.txt` });
 * await run(new Dataflow("files").input("lines", input).capture(new TestingOutputConfig(out)));
 * assertEquals(out, ["one", "two", "three"]);
 * await Deno.remove(folder, { recursive: true });
 * ```
 */
export class FileInputConfig implements InputConfig<string> {
  readonly #path: string;
  readonly #onReplaced: OnReplaced;

  /** Creates the config. Checks the options; looks for no file yet. */
  constructor(options: FileInputOptions) {
    this.#path = pathOption("FileInputConfig", options, ["onReplaced"]);
    const { onReplaced = "fail" } = options;
    if (onReplaced !== "fail" && onReplaced !== "read") {
      throw new TypeError(
        `FileInputConfig's onReplaced must be "fail" or "read"; got ${preview(onReplaced)}`,
      );
    }
    this.#onReplaced = onReplaced;
  }

  /**
   * For the engine: finds the files, and shares out what is left to read of them.
   *
   * @throws {Error} If no file is found, or one that was read before has been replaced.
   */
  async plan({ workerCount, log }: Place, resume: Positions): Promise<unknown> {
    const found = await findFiles(this.#path, log);
    const { files, kept } = await filesToRead(found, resume, { onReplaced: this.#onReplaced, log });
    const ranges = files.flatMap(unreadRanges);
    return { shares: await withEvidence(shareOut(ranges, workerCount)), kept } satisfies FilePlan;
  }

  /**
   * For the engine: begins to read this worker's share.
   *
   * @throws {Error} If an output of the flow writes one of the files.
   */
  async open(
    { plan, workerIndex, signal, log, alignment = null }: Place,
    resume: Positions,
  ): Promise<InputReader<string>> {
    const { shares, kept } = plan as FilePlan;
    // The ranges of all workers: each worker checks the files that it writes itself.
    for (const path of new Set(shares.flat().map(({ path }) => path))) {
      await requireNotWritten(path, signal);
    }
    const paths = new Set(workerIndex === 0 ? kept : []); // one worker keeps each position
    const unread = new Map(
      [...resume].filter(([, state]) => paths.has((state as ReadPart).path)),
    );
    const ranges = shares[workerIndex];
    if (alignment === null) return new LinesReader(ranges, undefined, log, unread);
    return new SideBySideReader(ranges, { alignment, log, unread });
  }
}
