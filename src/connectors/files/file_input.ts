import { preview } from "../../core/preview.ts";
import type { Log } from "../../core/log.ts";
import type { InputConfig, InputReader, Place, Positions } from "../../graph/contracts.ts";
import { findFiles, type FoundFile } from "./find_files.ts";
import { LinesReader } from "./lines_reader.ts";
import { pathOption } from "./path_option.ts";
import { type Range, readParts, unreadRanges } from "./ranges.ts";
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
}

/**
 * The lines of a text file, or of each file that matches a pattern, in the order of their paths.
 * Files that end in `.gz` are unpacked.
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
 * from where it ended, so it should have ended with a whole line.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Dataflow, FileInputConfig, run, TestingOutputConfig } from "millrace";
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

  /** Checks the options; looks for no file yet. */
  constructor(options: FileInputOptions) {
    this.#path = pathOption("FileInputConfig", options, ["inOrder"]);
    const { inOrder } = options;
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
   * @throws {Error} If there is no such file, or if one is shorter than it was when it was read.
   */
  async plan({ workerCount, byTime = false, log }: Place, resume: Positions): Promise<unknown> {
    const files = await findFiles(this.#path);
    const read = readParts(resume);
    warnOfGone(files, read.keys(), log);
    const ranges = files.flatMap((file) => unreadRanges(file, read.get(file.path)));
    if (workerCount === 1 || !(this.#inOrder ?? byTime)) return shareOut(ranges, workerCount);
    if (this.#inOrder === undefined) {
      log.info(
        "one worker reads all lines, in order, as windows go by their time (inOrder: false shares them " +
          "out)",
        { path: this.#path },
      );
    }
    return [ranges, ...Array.from({ length: workerCount - 1 }, () => [])];
  }

  /** Begins to read this worker's share; for the engine. */
  open({ plan, workerIndex }: Place): Promise<InputReader<string>> {
    const shares = plan as readonly (readonly Range[])[];
    return Promise.resolve(new LinesReader(shares[workerIndex]));
  }
}

function warnOfGone(files: readonly FoundFile[], read: Iterable<string>, log: Log): void {
  const there = new Set(files.map(({ path }) => path));
  const gone = [...read].filter((path) => !there.has(path));
  if (gone.length === 0) return;
  log.warn(`files that were read before are gone, or match no more: "${gone[0]}"`, {
    files: gone.length,
  });
}
