/**
 * Keeps workers in lockstep in what they read, through a file of one number a worker.
 *
 * Events that happen now come to all workers at one pace, as far as they keep up. Of what lies there already,
 * each reads as fast as it can, and the one with less to do may be at the end when another is halfway:
 * what that one still has to read comes late, however long windows wait.
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

  /** Tells the others how far this worker is. */
  tell(place: number): void {
    this.#own[0] = place;
    this.#file.seekSync(this.#worker * 8, Deno.SeekMode.Start);
    this.#file.writeSync(new Uint8Array(this.#own.buffer));
  }

  /** How far the last worker is: at 0, if it has not told. */
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
