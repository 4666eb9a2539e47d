/**
 * The topic of an output: whether it is still the one that existed at the start.
 *
 * A broker silently accepts the next batch of an idempotent producer for a new topic. So
 * acknowledgements do not reveal a replaced topic.
 *
 * @module
 */
import type { KafkaConnection } from "../client/connection.ts";
import { TopicAbsence, TopicDeletedError } from "../client/deleted_topic.ts";
import { otherId, TopicReplacedError, TopicWatch } from "../client/topic_watch.ts";

const ADVICE = {
  run: "what was written before is gone; started again, the flow writes to the new one, with " +
    "a recovery store from the last epoch on",
  group: "what was written before is gone; started again, the group writes to the new one, from " +
    "its last commit on",
};

/** A topic that is written to. */
export class WrittenTopic {
  readonly #topic: string;
  readonly #by: keyof typeof ADVICE;
  readonly #watch: TopicWatch;
  readonly #absence: TopicAbsence;
  #topicId: string | null = null; // at the start; `null` if the broker has none
  /** Whether something has been written since the topic was last confirmed. */
  hasWritten = false;

  /** Asks for nothing yet. Asks again after `maxAgeMs` milliseconds. */
  constructor(
    connection: Pick<KafkaConnection, "metadata">,
    topic: string,
    maxAgeMs: number,
    { by = "run", now = () => performance.now() }: {
      readonly by?: keyof typeof ADVICE;
      readonly now?: () => number;
    } = {},
  ) {
    this.#by = by;
    this.#topic = topic;
    this.#absence = new TopicAbsence(now);
    this.#watch = new TopicWatch({ ask: () => connection.metadata(), maxAgeMs, now });
  }

  /** Asks for the first time. */
  async open(): Promise<void> {
    await this.#watch.look();
    this.#topicId = this.#watch.idOf(this.#topic);
  }

  /** After this event, the topic may be another one. */
  doubt(): void {
    this.#watch.doubt();
  }

  /**
   * Asks again if there is doubt, or the answer is old.
   *
   * @throws {TopicReplacedError} If the topic has been created again.
   * @throws {TopicDeletedError} If brokers have not known it for ten seconds.
   * @throws {Error} If the broker does not answer.
   */
  async check(): Promise<void> {
    if (!this.#watch.isDue) return;
    try {
      await this.#watch.look();
      this.#absence.ends();
    } catch (error) {
      if (this.#absence.lastsAfter(error)) {
        throw new TopicDeletedError(this.#topic, error, this.#by);
      }
      throw error;
    }
    const evidence = otherId(this.#topicId, this.#watch.idOf(this.#topic));
    if (evidence !== null) throw new TopicReplacedError(this.#topic, evidence, ADVICE[this.#by]);
  }
}
