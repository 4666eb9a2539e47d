import type { WaitingForCommit } from "../../group/log.ts";

/** An epoch ends early if what tasks have sent and written in it has this many bytes. */
const MOST_BYTES = 16 << 20;

/**
 * Bounds what all tasks of a process keep in memory for the log until their epoch is committed.
 * Epochs are those of the process.
 */
export class WaitingBytes implements WaitingForCommit {
  readonly #onFull: () => void;
  readonly #most: number;
  readonly #bytes = new Map<number, number>(); // by epoch
  #closing = -1;

  /** `onFull` is called when an epoch has to end early, and maybe again until it does. */
  constructor(onFull: () => void, most: number = MOST_BYTES) {
    this.#onFull = onFull;
    this.#most = most;
  }

  add(epoch: number, bytes: number): void {
    const all = (this.#bytes.get(epoch) ?? 0) + bytes;
    this.#bytes.set(epoch, all);
    if (epoch > this.#closing && all >= this.#most) this.#onFull();
  }

  /**
   * How many bytes may come in an epoch; 0 while it is full. An epoch that closes accepts all: what
   * has been read has to come through before its barrier does.
   */
  roomIn(epoch: number): number {
    if (epoch <= this.#closing) return Infinity;
    return Math.max(0, this.#most - (this.#bytes.get(epoch) ?? 0));
  }

  /** An epoch begins to close. */
  closing(epoch: number): void {
    this.#closing = epoch;
  }

  /** An epoch has been committed. Returns whether the next one is full already. */
  committed(epoch: number): boolean {
    this.#bytes.delete(epoch);
    return (this.#bytes.get(epoch + 1) ?? 0) >= this.#most;
  }
}
