import { hasNoReader } from "../../core/system_error.ts";
import { toLine } from "../../core/preview.ts";
import type { OutputConfig, OutputWriter, Place } from "../../graph/contracts.ts";

/**
 * Prints each item on a line of standard output: strings as they are, everything else as JSON. JSON
 * here also has forms for bigint, `Map`, `Set`, bytes and cycles, and never throws. If the reader
 * has gone (`| head`, a closed terminal), the run stops quietly.
 *
 * Several workers share one standard output. A pipe keeps only writes of up to 4096 bytes whole. So
 * each worker writes whole lines, as many at once as fit. A longer line is written at once too, but
 * other workers' lines may come out in the middle of it.
 *
 * @example
 * ```ts
 * import { Dataflow, run, StdOutputConfig, TestingInputConfig } from "@millrace/millrace";
 *
 * const flow = new Dataflow("hello")
 *   .input("in", new TestingInputConfig(["hello", { to: "world" }]))
 *   .capture(new StdOutputConfig());
 * await run(flow); // prints hello, and {"to":"world"}
 * ```
 */
export class StdOutputConfig implements OutputConfig<unknown> {
  /** For the engine: starts writing. */
  open(at: Place): Promise<OutputWriter<unknown>> {
    const isTerminal = Deno.stdout.isTerminal();
    return Promise.resolve(new LineWriter(at, (bytes) => Deno.stdout.write(bytes), isTerminal));
  }
}

/** Linux writes up to this many bytes into a pipe in one piece (`PIPE_BUF`). */
const WHOLE_BYTES = 4096;

const LF = 10;

/** Writes lines with one call for each batch. If several workers write, a call has fewer lines. */
export class LineWriter implements OutputWriter<unknown> {
  readonly #at: Place;
  readonly #writeSome: (bytes: Uint8Array) => Promise<number>;
  readonly #isTerminal: boolean;
  readonly #encoder = new TextEncoder();
  #closed = false; // the reader of the output has gone

  /** `writeSome` writes a first part of the bytes, and returns how many. */
  constructor(
    at: Place,
    writeSome: (bytes: Uint8Array) => Promise<number>,
    isTerminal: boolean = false,
  ) {
    this.#at = at;
    this.#writeSome = writeSome;
    this.#isTerminal = isTerminal;
  }

  async write(batch: readonly unknown[]): Promise<void> {
    if (this.#closed) return;
    let lines = "";
    for (const item of batch) lines += toLine(item) + "\n";
    const bytes = this.#encoder.encode(lines);
    try {
      if (this.#at.workerCount === 1) await this.#writeAll(bytes);
      else for (const piece of piecesOf(bytes)) await this.#writeAll(piece);
    } catch (thrown) {
      if (!hasNoReader(thrown, this.#isTerminal)) throw thrown;
      this.#closed = true;
      this.#at.stop();
    }
  }

  prepare(): Promise<ReadonlyMap<string, unknown>> {
    return Promise.resolve(new Map());
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  async #writeAll(bytes: Uint8Array): Promise<void> {
    let rest = bytes;
    while (rest.length > 0) rest = rest.subarray(await this.#writeSome(rest));
  }
}

/**
 * Cuts bytes, which end with a line end, into pieces of whole lines. Only a piece that is one long
 * line has more than `WHOLE_BYTES`.
 */
function* piecesOf(bytes: Uint8Array): Generator<Uint8Array> {
  for (let from = 0, to; from < bytes.length; from = to) {
    const most = from + WHOLE_BYTES;
    to = most >= bytes.length ? bytes.length : bytes.lastIndexOf(LF, most - 1) + 1;
    if (to <= from) to = bytes.indexOf(LF, most) + 1; // the line is longer
    yield bytes.subarray(from, to);
  }
}
