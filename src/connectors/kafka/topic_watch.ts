/**
 * Notices that a topic has been deleted and created again under its name.
 *
 * Topics have ids since Kafka 2.8, and a fetch that carries one is refused by a broker whose topic is
 * another (Kafka 3.1). The watch says what the id is, and asks for it again after an error, and now and
 * then for brokers that take names only.
 *
 * @module
 */
import type { Metadata } from "./metadata.ts";
import { errorOfCode } from "./kafkajs.ts";

/**
 * How long a topic must have had another id before that counts, in milliseconds. A broker that is behind
 * may still have the id of the topic before.
 */
const CERTAIN_MS = 500;

/** What a watch needs to know. */
export interface WatchOptions {
  /** Asks a broker about the topics. */
  readonly ask: () => Promise<Metadata>;
  /** After how long it asks again, in milliseconds. */
  readonly maxAgeMs: number;
  /** Milliseconds of a clock that is never set. */
  readonly now?: () => number;
}

/** The ids of topics. */
export class TopicWatch {
  readonly #ask: () => Promise<Metadata>;
  readonly #maxAgeMs: number;
  readonly #now: () => number;
  readonly #ids = new Map<string, string>();
  #dueAt = -Infinity;
  #otherSince: number | null = null; // when another id was seen first

  /** Asks for nothing yet. */
  constructor({ ask, maxAgeMs, now = () => performance.now() }: WatchOptions) {
    this.#ask = ask;
    this.#maxAgeMs = maxAgeMs;
    this.#now = now;
  }

  /** A topic's id; `null` where the broker has none. */
  idOf(topic: string): string | null {
    return this.#ids.get(topic) ?? null;
  }

  /** Whether to look again. */
  get isDue(): boolean {
    return this.#now() >= this.#dueAt;
  }

  /** Something has happened after which topics may not be what they were. */
  doubt(): void {
    this.#dueAt = -Infinity;
  }

  /**
   * Asks for the ids.
   *
   * @throws {Error} If the broker does not answer, has no such topic, or gives another id than before
   * and may be behind: to be asked again.
   */
  async look(): Promise<void> {
    const { topics } = await this.#ask();
    for (const { errorCode } of topics) if (errorCode !== 0) throw errorOfCode(errorCode);
    let other: string | null = null;
    for (const { topic, topicId } of topics) other ??= otherId(this.idOf(topic), topicId);
    if (other !== null) {
      this.#otherSince ??= this.#now();
      if (this.#now() - this.#otherSince < CERTAIN_MS) throw new Error(`a topic changed: ${other}`);
    }
    this.#otherSince = null;
    // A broker of a cluster that is being upgraded may not say it yet.
    for (const { topic, topicId } of topics) if (topicId !== null) this.#ids.set(topic, topicId);
    this.#dueAt = this.#now() + this.#maxAgeMs;
  }
}

/** What two ids say of a topic: `null` where it is the same, or one of them is not known. */
export function otherId(before: string | null, now: string | null): string | null {
  if (before === null || now === null || before === now) return null;
  return `its id was ${before}, and is ${now}`;
}

/** A topic has been deleted and created again, and nothing was said of what to do then. */
export class TopicReplacedError extends Error {
  /** `evidence` says how it is known; `advice` what to do. */
  constructor(topic: string, evidence: string, advice: string) {
    super(
      `topic "${topic}" has been deleted and created again under its name (${evidence}): ${advice}`,
    );
  }
}
