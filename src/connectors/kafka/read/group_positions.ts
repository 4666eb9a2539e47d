/**
 * Positions that are committed to a consumer group, for tools that show lag. Nothing else reads
 * them. If they cannot be committed, the flow goes on, and the next epoch tries again.
 *
 * @module
 */
import type { Log } from "../../../core/log.ts";
import { messageOfKafka } from "../client/errors.ts";
import type { TopicPartition } from "../wire/topic_partition.ts";

/** A partition's next offset. */
export interface GroupPosition extends TopicPartition {
  readonly offset: bigint;
}

/** Commits positions. Logs once that this fails, and once that it succeeds again. */
export class GroupPositions {
  readonly #group: string;
  readonly #commit: (group: string, positions: readonly GroupPosition[]) => Promise<void>;
  readonly #log: Log;
  #isFailing = false;

  /** `commit` sends them to the brokers. */
  constructor(
    group: string,
    commit: (group: string, positions: readonly GroupPosition[]) => Promise<void>,
    log: Log,
  ) {
    this.#group = group;
    this.#commit = commit;
    this.#log = log;
  }

  /** Commits; never rejects. */
  async commit(positions: readonly GroupPosition[]): Promise<void> {
    const group = this.#group;
    try {
      await this.#commit(group, positions);
    } catch (error) {
      const text = messageOfKafka(error);
      if (this.#isFailing) {
        this.#log.debug("positions were not committed to the group", { group, error: text });
      } else this.#log.warn("positions cannot be committed to the group", { group, error: text });
      this.#isFailing = true;
      return;
    }
    if (this.#isFailing) this.#log.warn("positions are committed to the group again", { group });
    this.#isFailing = false;
  }
}
