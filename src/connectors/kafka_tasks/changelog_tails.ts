/**
 * Reads what is new in changelogs, for standbys.
 *
 * @module
 */
import type { KafkaConnection } from "../kafka/client/connection.ts";
import { readCommitted } from "../kafka/read/read_committed.ts";
import { positionName, type TopicPartition } from "../kafka/wire/topic_partition.ts";
import type { ChangelogRecord } from "./changelog_records.ts";
import { persisting } from "./persisting.ts";
import type { ChangelogReads } from "./standbys.ts";
import { toBeginAgain } from "./task_log_error.ts";

/** What {@linkcode ChangelogTails} needs. */
export interface ChangelogTailsOptions {
  /** The app that the topics are of. */
  readonly app: string;
  /** Makes a connection that reads committed records, so that ends are those of committed ones. */
  readonly connect: (topics: readonly string[]) => KafkaConnection;
  /** All changelogs. */
  readonly topics: readonly string[];
  readonly spanOf: ChangelogReads["spanOf"];
}

/** The changelogs of a cluster. It connects when there is something to read. */
export class ChangelogTails implements ChangelogReads {
  readonly #options: ChangelogTailsOptions;
  #connecting: Promise<KafkaConnection> | null = null;
  #connection: KafkaConnection | null = null;

  constructor(options: ChangelogTailsOptions) {
    this.#options = options;
  }

  spanOf(of: TopicPartition): ReturnType<ChangelogReads["spanOf"]> {
    return this.#options.spanOf(of);
  }

  async endsOf(all: readonly TopicPartition[]): Promise<bigint[]> {
    const connection = await this.#connected();
    const ends = await persisting(connection, () => connection.offsets(all, "last"));
    return all.map((of) => BigInt(ends.get(positionName(of))!));
  }

  async *read(
    of: TopicPartition,
    { from, to }: { readonly from: bigint; readonly to: bigint },
  ): AsyncGenerator<readonly ChangelogRecord[]> {
    const connection = await this.#connected();
    yield* readCommitted(connection, of, {
      from: Number(from),
      to: Number(to),
      what: "the state of a task",
      ifLost: `bring the topic back from a copy, or ${toBeginAgain(this.#options.app)}`,
    });
  }

  #connected(): Promise<KafkaConnection> {
    return this.#connecting ??= this.#connect().catch((error) => {
      this.#connecting = null; // the next look tries again
      throw error;
    });
  }

  async #connect(): Promise<KafkaConnection> {
    const { connect, topics } = this.#options;
    const connection = this.#connection ??= connect(topics);
    await connection.open(() => connection.metadata());
    return connection;
  }

  async close(): Promise<void> {
    await this.#connection?.close();
  }
}
