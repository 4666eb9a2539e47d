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

/** What a {@linkcode FileInputConfig} reads. */
export interface FileInputOptions {
  /**
   * The path of a file, or a pattern for paths: `*` and `?` stand for any characters and any one
   * character of a name, `[a-z]` and `[!a-z]` for one that is and one that is not in a set, `**` for
   * any folders, `{a,b}` for each of its choices. A file that has the very name is read even where
   * the name could be a pattern. Relative paths start at the folder that the process runs in.
   */
  readonly path: string | URL;
  /**
   * Whether one worker reads everything, in order, where there are several. By default it does if a step of
   * the flow goes by the time of its values (`EventClockConfig`): what another worker reads at the same
   * time may be hours ahead of it, and then the lines that are behind are late. `false`: workers share the
   * bytes out, and the clock's `wait` has to cover how far they are apart.
   */
  readonly inOrder?: boolean;
  /**
   * What to do where a run goes on after a snapshot, another file has the name of one that was read, and
   * the old one is not found. `"fail"` ends the run, as lines of the old file may be lost. `"read"` logs a
   * warning and reads the new file from its start: for files that are replaced as a whole. A copy of the
   * old file that the pattern finds is then a new file too, and its lines are read again: so it is with
   * the copy of a small log (logrotate's `copytruncate`), of which less than 1024 bytes had been read.
   *
   * @default {"fail"}
   */
  readonly onReplaced?: "fail" | "read";
}

/** How an input is shared out over workers. */
interface FilePlan {
  /** What each worker reads. */
  readonly shares: readonly (readonly Range[])[];
  /** The paths of files that were read before, are still there, and are not asked for now. */
  readonly kept: readonly string[];
}

/**
 * The lines of a text file, or of each file that matches a pattern, in the order of their paths.
 * Files that end in `.gz` are unpacked, also where one consists of several gzip files. Damage is an
 * error; zeros behind the last one are padding, which is logged as a warning.
 *
 * A line ends with `\n` or `\r\n`, the last one also with the file. What is not UTF-8, and a line of
 * more than 64 MiB, is an error that says where it is.
 *
 * Several workers share the bytes out, so that each has about as many: a large file is read by
 * several at once, each line by the one in whose range of the file it begins. A gzip file cannot be
 * cut, and is read by one. Within a range the order of lines is kept; one worker reads everything in
 * order, and where windows go by the time of lines, one worker is what reads: see `inOrder`.
 *
 * A snapshot has which bytes of which files have been read, in whole lines: a run that goes on from
 * it shares out what is left, over as many workers as there are then. (Of a gzip file these are the
 * unpacked bytes; it has to be unpacked again up to there.) A file that has grown by then is read on
 * from where it ended. If it ended within a line, the rest becomes a line of its own, with a warning.
 *
 * A file is known by its content and its inode, not by its path alone. So files may be rotated:
 *
 * - A file that was renamed or moved within what the pattern finds is read on under its new name.
 * - A file that was renamed within its folder, to a name that is not asked for, is read to its end:
 *   `app.log` is read, and the rest of what is `app.log.1` now. The new `app.log` is read from its start.
 * - A copy from before a file was cut (logrotate's `copytruncate`) is known by 1024 bytes of content.
 *   With fewer it is not, and that is an error; with `onReplaced: "read"` the copy is read again.
 * - A file that is still there and not asked for in one run, as the path is another one, keeps its
 *   position: a later run that asks for it goes on there. A warning says so. That of a file that is
 *   gone is dropped.
 * - A file under several names that match, such as a link, is read once.
 * - A link that leads nowhere, and a file that is removed while the files are looked at, is left out of
 *   what a pattern finds, with a warning. A file or folder that may not be read is an error.
 *
 * Where the file of a name is another one and the old one is not found, the run ends with an error that
 * says what to do; see `onReplaced`. It is the same where a file is shorter than it was, or has other
 * bytes before the position, and where it is cut while it is read. What cannot be noticed is a change
 * of bytes further up in a file, or a file whose 1024 bytes before the position are by chance the same.
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
  readonly #inOrder: boolean | undefined;
  readonly #onReplaced: OnReplaced;

  /** Checks the options; looks for no file yet. */
  constructor(options: FileInputOptions) {
    this.#path = pathOption("FileInputConfig", options, ["inOrder", "onReplaced"]);
    const { inOrder, onReplaced = "fail" } = options;
    if (onReplaced !== "fail" && onReplaced !== "read") {
      throw new TypeError(
        `FileInputConfig's onReplaced must be "fail" or "read"; got ${preview(onReplaced)}`,
      );
    }
    this.#onReplaced = onReplaced;
    if (inOrder !== undefined && typeof inOrder !== "boolean") {
      throw new TypeError(
        `FileInputConfig's inOrder must be true or false; got ${preview(inOrder)}`,
      );
    }
    this.#inOrder = inOrder;
  }

  /**
   * Finds the files, and shares out what is left to read of them; for the engine.
   *
   * @throws {Error} If there is no such file, or if one that was read before has been replaced.
   */
  async plan({ workerCount, byTime = false, log }: Place, resume: Positions): Promise<unknown> {
    const found = await findFiles(this.#path, log);
    const { files, kept } = await filesToRead(found, resume, { onReplaced: this.#onReplaced, log });
    const ranges = files.flatMap(unreadRanges);
    if (workerCount === 1 || !(this.#inOrder ?? byTime)) {
      return { shares: await withEvidence(shareOut(ranges, workerCount)), kept } satisfies FilePlan;
    }
    if (this.#inOrder === undefined) {
      log.info(
        "one worker reads all lines, in order, as windows go by their time (inOrder: false shares them " +
          "out)",
        { path: this.#path },
      );
    }
    const others = Array.from({ length: workerCount - 1 }, () => []);
    return { shares: [ranges, ...others], kept } satisfies FilePlan;
  }

  /**
   * Begins to read this worker's share; for the engine.
   *
   * @throws {Error} If an output of the flow writes one of the files.
   */
  async open(
    { plan, workerIndex, signal, log }: Place,
    resume: Positions,
  ): Promise<InputReader<string>> {
    const { shares, kept } = plan as FilePlan;
    // Of all workers: each checks the files that it writes itself.
    for (const path of new Set(shares.flat().map(({ path }) => path))) {
      await requireNotWritten(path, signal);
    }
    const paths = new Set(workerIndex === 0 ? kept : []); // one worker keeps each position
    const unread = [...resume].filter(([, state]) => paths.has((state as ReadPart).path));
    return new LinesReader(shares[workerIndex], undefined, log, new Map(unread));
  }
}
