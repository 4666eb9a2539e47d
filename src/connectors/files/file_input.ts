import type { Log } from "../../core/log.ts";
import type { InputConfig, InputReader, Place, Positions } from "../../graph/contracts.ts";
import { isGzip, tooShort } from "./chunks.ts";
import { findFiles, type FoundFile } from "./find_files.ts";
import { LinesReader } from "./lines_reader.ts";
import { pathOption } from "./path_option.ts";

/** What a {@linkcode FileInputConfig} reads. */
export interface FileInputOptions {
  /**
   * The path of a file, or a pattern for paths: `*` and `?` stand for any characters and any one
   * character of a name, `[a-z]` and `[!a-z]` for one that is and one that is not in a set, `**` for
   * any folders, `{a,b}` for each of its choices. A file that has the very name is read even where
   * the name could be a pattern. Relative paths start at the folder that the process runs in.
   */
  readonly path: string | URL;
}

/**
 * The lines of a text file, or of each file that matches a pattern, in the order of their paths.
 * Files that end in `.gz` are unpacked.
 *
 * A line ends with `\n` or `\r\n`, the last one also with the file. What is not UTF-8, and a line of
 * more than 64 MiB, is an error that says where it is.
 *
 * The workers share the files out: file `i` goes to worker `i mod workerCount`. A snapshot has the
 * offset of each file that was begun (of the unpacked one, which has to be unpacked again up to
 * there), under its path. A file that has grown by then is read on from there, so it should have
 * ended with a whole line.
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

  /** Checks the options; looks for no file yet. */
  constructor(options: FileInputOptions) {
    this.#path = pathOption("FileInputConfig", options);
  }

  /**
   * Finds the files and begins to read this worker's; for the engine.
   *
   * @throws {Error} If there is no such file, or if one is shorter than it was when it was read.
   */
  async open(
    { workerIndex, workerCount, log }: Place,
    resume: Positions,
  ): Promise<InputReader<string>> {
    const files = await findFiles(this.#path);
    if (workerIndex === 0) warnOfGone(files, resume, log);
    const mine = files.filter((_, i) => i % workerCount === workerIndex);
    for (const file of mine) checkLength(file, resume);
    return new LinesReader(mine, resume);
  }
}

function warnOfGone(files: readonly FoundFile[], resume: Positions, log: Log): void {
  const there = new Set(files.map(({ path }) => path));
  const gone = [...resume.keys()].filter((path) => !there.has(path));
  if (gone.length === 0) return;
  log.warn(`files that were read before are gone, or match no more: "${gone[0]}"`, {
    files: gone.length,
  });
}

/** At once, rather than when its turn comes; how long a packed file is, only unpacking can tell. */
function checkLength({ path, size }: FoundFile, resume: Positions): void {
  const offset = resume.get(path) as number | undefined ?? 0;
  if (!isGzip(path) && size < offset) throw tooShort(path, size, offset);
}
