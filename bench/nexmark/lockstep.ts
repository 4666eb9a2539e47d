/**
 * Keeps workers in lockstep in what they read, through a file with one number for each worker.
 *
 * Live events come to all workers at one pace, as far as they keep up. Of stored events, each
 * worker reads as fast as it can. The one with less to do may be at the end when another is
 * halfway. What the other still has to read then comes late, however long windows wait.
 */
export class Lockstep {
  readonly #file: Deno.FsFile;
  readonly #worker: number;
  readonly #all: Float64Array<ArrayBuffer>;
  readonly #own = new Float64Array(1);

  /** @param path A file that is empty at first, the same one for all workers. */
  constructor(path: string, worker: number, workers: number) {
    this.#file = Deno.openSync(path, { read: true, write: true });
    this.#worker = worker;
    this.#all = new Float64Array(workers);
  }

  /** Tells the others the position of this worker. */
  tell(place: number): void {
    this.#own[0] = place;
    this.#file.seekSync(this.#worker * 8, Deno.SeekMode.Start);
    this.#file.writeSync(new Uint8Array(this.#own.buffer));
  }

  /** Returns the position of the last worker: 0 if it has not told any. */
  last(): number {
    this.#all.fill(0);
    this.#file.seekSync(0, Deno.SeekMode.Start);
    this.#file.readSync(new Uint8Array(this.#all.buffer));
    return Math.min(...this.#all);
  }

  close(): void {
    this.#file.close();
  }
}
