/**
 * Notices that a topic has been deleted and created again under its name.
 *
 * Topics have ids since Kafka 2.8. Since Kafka 3.1, a fetch names the id, and a broker refuses it
 * if its topic has another id. The watch knows the id. It asks for it again after an error, and
 * regularly for brokers that accept names only.
 *
 * @module
 */
import type { Metadata } from "../wire/metadata.ts";
import { errorOfCode } from "../wire/error_codes.ts";

/**
 * How long a topic must have had another id before that counts, in milliseconds. Some brokers learn
 * of it late, and still have the id of the topic before.
 */
const CERTAIN_MS = 500;

/** What a watch needs to know. */
export interface WatchOptions {
  /** Asks a broker about the topics. */
  readonly ask: () => Promise<Metadata>;
  /** After how long it asks again, in milliseconds. */
  readonly maxAgeMs: number;
  /** Milliseconds of a clock that never goes back. */
  readonly now?: () => number;
}

/** The ids of topics. */
export class TopicWatch {
  readonly #ask: () => Promise<Metadata>;
  readonly #maxAgeMs: number;
  readonly #now: () => number;
  readonly #ids = new Map<string, string>();
  #dueAt = -Infinity;
  readonly #otherSince = new Map<string, number>(); // when another id was first seen, by topic

  /** Asks for nothing yet. */
  constructor({ ask, maxAgeMs, now = () => performance.now() }: WatchOptions) {
    this.#ask = ask;
    this.#maxAgeMs = maxAgeMs;
    this.#now = now;
  }

  /** A topic's id; `null` if the broker has none. */
  idOf(topic: string): string | null {
    return this.#ids.get(topic) ?? null;
  }

  /** Whether it is time to look again. */
  get isDue(): boolean {
    return this.#now() >= this.#dueAt;
  }

  /** After this event, topics may have changed. */
  doubt(): void {
    this.#dueAt = -Infinity;
  }

  /**
   * Asks for the ids of all topics.
   *
   * @throws {Error} If the broker does not answer or does not have a topic. Also if it returns
   * another id than before, which may be an old one. The caller asks again.
   */
  async look(): Promise<void> {
    for (const problem of (await this.lookAtEach()).values()) throw problem;
  }

  /**
   * The same, but returns the error of each topic by its name. The others are looked at in any
   * case.
   * @throws {Error} If the broker does not answer.
   */
  async lookAtEach(): Promise<ReadonlyMap<string, Error>> {
    const { topics } = await this.#ask();
    const problems = new Map<string, Error>();
    for (const { topic, topicId, errorCode } of topics) {
      const problem = errorCode === 0
        ? this.#otherId(topic, topicId)
        : Object.assign(errorOfCode(errorCode, "Metadata"), { topic });
      if (problem !== null) problems.set(topic, problem);
      // A broker of a cluster that is being upgraded may not have it yet.
      else if (topicId !== null) this.#ids.set(topic, topicId);
    }
    if (problems.size === 0) this.#dueAt = this.#now() + this.#maxAgeMs;
    return problems;
  }

  /** An error if a topic has another id, as long as the broker's id may be an old one. */
  #otherId(topic: string, topicId: string | null): Error | null {
    const other = otherId(this.idOf(topic), topicId);
    const now = this.#now();
    const since = this.#otherSince.get(topic) ?? now;
    if (other === null || now - since >= CERTAIN_MS) {
      this.#otherSince.delete(topic);
      return null;
    }
    this.#otherSince.set(topic, since);
    return new Error(`topic "${topic}" changed: ${other}`);
  }
}

/** What two ids show about a topic; `null` if it is the same, or one of them is unknown. */
export function otherId(before: string | null, now: string | null): string | null {
  if (before === null || now === null || before === now) return null;
  return `its id was ${before}, and is ${now}`;
}

/** A topic has been deleted and created again, and no property says what to do then. */
export class TopicReplacedError extends Error {
  /** `evidence` tells how this is known; `advice` tells what to do. */
  constructor(topic: string, evidence: string, advice: string) {
    super(
      `topic "${topic}" has been deleted and created again under its name (${evidence}): ${advice}`,
    );
  }
}
