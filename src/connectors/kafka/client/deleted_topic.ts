/**
 * Notices that a topic has been deleted.
 *
 * A broker that was away may not know a topic at first. So it counts as deleted only once brokers
 * in reach have not known it for a while.
 *
 * @module
 */
import { errorKind } from "./errors.ts";

/** How long brokers must not know a topic, in milliseconds, before it counts as deleted. */
export const DELETED_MS = 10_000;

const AGAIN = {
  run: "with a recovery store the flow writes again what came since the last epoch",
  group: "the group writes again what came since its last commit",
};

/** A topic has been deleted while it was written to. */
export class TopicDeletedError extends Error {
  override readonly name = "TopicDeletedError";
  readonly topic: string;

  /** The message says what to do about the topic of an output, in a run or in a group. */
  constructor(topic: string, cause: unknown, by: "run" | "group" = "run") {
    super(
      `topic "${topic}" has been deleted while it was being written to: create it again, and start ` +
        `the flow again; what was written before is gone, but ${AGAIN[by]}`,
      { cause },
    );
    this.topic = topic;
  }
}

/** For how long brokers have not known a topic. */
export class TopicAbsence {
  readonly #now: () => number;
  #since: number | null = null;

  /** Nothing has been asked yet. `now` is a clock that never goes back, in milliseconds. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** A broker has the topic. */
  ends(): void {
    this.#since = null;
  }

  /** A request has failed. Returns whether the topic counts as deleted now. */
  lastsAfter(error: unknown): boolean {
    if (errorKind(error) !== "unknownTopic") {
      this.#since = null; // a broker that was away may lag at first
      return false;
    }
    this.#since ??= this.#now();
    return this.#now() - this.#since >= DELETED_MS;
  }
}
