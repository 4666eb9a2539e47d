import { toLine } from "../../core/preview.ts";
import type { OutputConfig, OutputWriter, Place } from "../../graph/contracts.ts";

/**
 * Each item on a line of its own on standard output: strings as they are, everything else as JSON,
 * which here also has forms for bigint, `Map`, `Set`, bytes and cycles, and never throws. When what
 * reads the output has gone (`| head`), the run stops quietly.
 *
 * @example
 * ```ts
 * import { Dataflow, run, StdOutputConfig, TestingInputConfig } from "millrace";
 *
 * const flow = new Dataflow("hello")
 *   .input("in", new TestingInputConfig(["hello", { to: "world" }]))
 *   .capture(new StdOutputConfig());
 * await run(flow); // prints hello, and {"to":"world"}
 * ```
 */
export class StdOutputConfig implements OutputConfig<unknown> {
  /** Starts writing; for the engine. */
  open(at: Place): Promise<OutputWriter<unknown>> {
    return Promise.resolve(new LineWriter(at, (bytes) => Deno.stdout.write(bytes)));
  }
}

/** Writes lines, one call for each batch. */
export class LineWriter implements OutputWriter<unknown> {
  readonly #at: Place;
  readonly #writeSome: (bytes: Uint8Array) => Promise<number>;
  readonly #encoder = new TextEncoder();
  #closed = false; // what reads the output has gone

  /** `writeSome` writes a first part of the bytes, and says how many. */
  constructor(at: Place, writeSome: (bytes: Uint8Array) => Promise<number>) {
    this.#at = at;
    this.#writeSome = writeSome;
  }

  async write(batch: readonly unknown[]): Promise<void> {
    if (this.#closed) return;
    let lines = "";
    for (const item of batch) lines += toLine(item) + "\n";
    let rest = this.#encoder.encode(lines);
    try {
      while (rest.length > 0) rest = rest.subarray(await this.#writeSome(rest));
    } catch (thrown) {
      if (!(thrown instanceof Deno.errors.BrokenPipe)) throw thrown;
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
}
