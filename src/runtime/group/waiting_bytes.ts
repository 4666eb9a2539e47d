import type { WaitingForCommit } from "../../group/log.ts";

/** An epoch ends early if what tasks have sent and written in it has this many bytes. */
const MOST_BYTES = 16 << 20;

/** However slow commits are, an epoch may have this many. */
const LEAST_BYTES = 64 << 10;

/** How long a commit should take at most, in milliseconds: brokers end a transaction after 10 s. */
const GOAL_MS = 2_000;

/** Changed states count less than what is sent: keys that change again are written once. */
const STATE_SHARE = 1 / 4;

/** After a commit that took too long, the next process begins with this part of the bytes. */
const AFTER_LATE = 1 / 4;

/**
 * Bounds what all tasks of a process keep for the log until their epoch is committed. It takes
 * memory until then, and time in the commit. If commits are slow, epochs become smaller. Epochs
 * are those of the process.
 */
export class WaitingBytes implements WaitingForCommit {
  readonly #onFull: () => void;
  readonly #top: number;
  #most: number;
  readonly #bytes = new Map<number, number>(); // by epoch
  #closing = -1;

  /**
   * `onFull` is called when an epoch has to end early, and maybe again until it does.
   * `lateCommits`: how many commits in a row, of the processes before, took too long.
   */
  constructor(onFull: () => void, { most = MOST_BYTES, lateCommits = 0 } = {}) {
    this.#onFull = onFull;
    this.#top = most;
    this.#most = Math.max(Math.min(LEAST_BYTES, most), most * AFTER_LATE ** lateCommits);
  }

  add(epoch: number, bytes: number): void {
    const all = (this.#bytes.get(epoch) ?? 0) + bytes;
    this.#bytes.set(epoch, all);
    if (epoch > this.#closing && all >= this.#most) this.#onFull();
  }

  /** States of an epoch take this many bytes more, or fewer, than was known. */
  addState(epoch: number, bytes: number): void {
    this.add(epoch, bytes * STATE_SHARE);
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

  /** The commit of an epoch has taken `ms` milliseconds. Later epochs get fewer bytes, or more. */
  took(epoch: number, ms: number): void {
    const bytes = this.#bytes.get(epoch) ?? 0;
    if (ms > GOAL_MS) {
      this.#most = Math.max(LEAST_BYTES, Math.min(this.#most, bytes * GOAL_MS / ms));
    } else if (ms < GOAL_MS / 4 && bytes >= this.#most / 2) {
      this.#most = Math.min(this.#top, this.#most * 2);
    }
  }

  /** An epoch has been committed. Returns whether the next one is full already. */
  committed(epoch: number): boolean {
    this.#bytes.delete(epoch);
    return (this.#bytes.get(epoch + 1) ?? 0) >= this.#most;
  }
}
