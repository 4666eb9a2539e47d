/**
 * Which partitions were added to topics since a group read them for the first time.
 *
 * Without a position, a task begins where `startingOffset` says. At "end", it would miss what came
 * into a new partition before the task ran. So the group remembers the partitions of its first run.
 *
 * @module
 */
import { errorKind } from "../kafka/client/errors.ts";
import { errorOfCode } from "../kafka/wire/error_codes.ts";
import { fetchMetadata } from "../kafka/wire/metadata.ts";
import { type ControlOptions, ControlWriter, readFirstPartitions } from "./control_topic.ts";
import { unfenced } from "./enter_app.ts";
import { PATIENCE_MS, persistingInReach } from "./persisting.ts";

/** Knows the partitions that topics had at first. */
export class AddedPartitions {
  readonly #options: ControlOptions;
  #first: ReadonlyMap<string, number> = new Map();
  #learning: Promise<void> = Promise.resolve();

  /** Knows nothing yet. */
  constructor(options: ControlOptions) {
    this.#options = options;
  }

  /**
   * Learns of topics, and has the group remember what they have now if it has not read them yet. A
   * topic that does not exist stays unknown.
   *
   * @throws {Error} If brokers do not answer, or refuse.
   */
  async learn(topics: readonly string[]): Promise<void> {
    const learnt = this.#learning.then(() => this.#learn(topics));
    this.#learning = learnt.catch(() => {}); // the next one tries by itself
    await learnt;
  }

  /**
   * Returns those topics that had no such partition at first.
   *
   * @throws {Error} If brokers do not answer, or refuse.
   */
  async among(topics: readonly string[], partition: number): Promise<Set<string>> {
    await this.learn(topics);
    return new Set(topics.filter((topic) => partition >= (this.#first.get(topic) ?? Infinity)));
  }

  async #learn(topics: readonly string[]): Promise<void> {
    const unknown = topics.filter((topic) => !this.#first.has(topic));
    if (unknown.length === 0) return;
    const { connection, openingMs = 0 } = this.#options;
    const now = new Map<string, number>();
    await persistingInReach(connection, async () => {
      const found = await fetchMetadata(await connection.anyBroker(), unknown);
      for (const { topic, errorCode, partitions } of found.topics) {
        if (errorCode === 0) now.set(topic, partitions.length);
        else if (errorKind(errorOfCode(errorCode)) !== "unknownTopic") {
          throw Object.assign(errorOfCode(errorCode, "Metadata"), { topic });
        }
      }
    }, Math.max(PATIENCE_MS, openingMs));
    if (now.size > 0) await unfenced(() => this.#remember(now));
  }

  /** Writes what nobody has written yet. */
  async #remember(now: ReadonlyMap<string, number>): Promise<void> {
    const unknown = (first: ReadonlyMap<string, number>) =>
      new Map([...now].filter(([topic]) => !first.has(topic)));
    let first = await readFirstPartitions(this.#options);
    if (unknown(first).size > 0) {
      await using writer = await ControlWriter.open(this.#options);
      first = await readFirstPartitions(this.#options);
      const missing = unknown(first);
      if (missing.size > 0) await writer.writeFirst(missing);
      first = new Map([...first, ...missing]);
    }
    this.#first = first;
  }
}
