/**
 * What Kafka knows of an app: its control topic, the members of its group, and what its tasks have
 * read.
 *
 * @module
 */
import type { Log } from "../../core/log.ts";
import { partsOf, type TaskId, taskId } from "../../core/task_id.ts";
import { goneExchanges, type LayoutBefore, topicsOf } from "../../group/layout_change.ts";
import {
  groupIdOf,
  type GroupTopology,
  shuffleTopic,
  type SubTopology,
} from "../../group/topology.ts";
import type { StoredPosition } from "../../recovery/store.ts";
import type { KafkaConnection } from "../kafka/client/connection.ts";
import { errorKind, ofGroup } from "../kafka/client/errors.ts";
import { sessionTimeoutOf } from "../kafka/group/session_timeout.ts";
import { readCommitted } from "../kafka/read/read_committed.ts";
import { Coordinator } from "../kafka/transactions/coordinator.ts";
import { describeGroup } from "../kafka/wire/describe_groups.ts";
import { errorOfCode } from "../kafka/wire/error_codes.ts";
import { fetchMetadata } from "../kafka/wire/metadata.ts";
import { type GroupOffset, offsetFetch } from "../kafka/wire/offset_fetch.ts";
import { streamsGroupDescribe } from "../kafka/wire/streams_group_describe.ts";
import { positionName, type TopicPartition } from "../kafka/wire/topic_partition.ts";
import { type Control, ControlWriter, type GroupSettings, readControl } from "./control_topic.ts";
import type { AppStore } from "./enter_app.ts";
import { persisting } from "./persisting.ts";
import { positionsInMetadata } from "./positions.ts";
import { StableOffsets } from "./stable_offsets.ts";
import {
  lostOffsets,
  TaskLogError,
  toBeginAgain,
  unreadablePositions,
  unreadableRecord,
} from "./task_log_error.ts";

/** What is needed to see what an app has. */
export interface ChangeOptions {
  /** Makes a connection that knows other topics, and reads uncommitted records. */
  readonly connect: (topics: readonly string[]) => KafkaConnection;
  /** Returns how many items a record of a shuffle topic has for each exchange, by its number. */
  readonly itemsOf: (bytes: Uint8Array) => ReadonlyMap<number, number>;
}

/** What the store needs. */
export interface AppStoreOptions {
  readonly app: string;
  /** Knows the control topic, and reads uncommitted records. */
  readonly connection: KafkaConnection;
  /** What it takes to change the app; absent for a process whose machine has entered it. */
  readonly change?: ChangeOptions;
  readonly log: Log;
  /** Ends all waiting. */
  readonly signal: AbortSignal;
  /** As `ControlOptions.openingMs`. */
  readonly openingMs?: number;
}

/** An app on Kafka. */
export class KafkaAppStore implements AppStore {
  readonly #options: AppStoreOptions;

  /** Asks nothing yet. */
  constructor(options: AppStoreOptions) {
    this.#options = options;
  }

  async read(): Promise<Control> {
    return await readControl(this.#options);
  }

  async open(): Promise<ControlWriter> {
    return await ControlWriter.open(this.#options);
  }

  async members(groupId: string, protocol: string): Promise<number> {
    return (await this.memberIds(groupId, protocol)).length;
  }

  /** The ids of the members of a group; none if it does not exist. */
  async memberIds(groupId: string, protocol: string): Promise<string[]> {
    const { connection } = this.#options;
    const coordinator = new Coordinator(connection, { kind: "group", id: groupId });
    return await persisting(connection, () =>
      coordinator.ask(async (broker) => {
        try {
          return await ofGroup<string[]>([], async () => {
            const { members } = protocol === "streams"
              ? await streamsGroupDescribe(broker, groupId)
              : await describeGroup(broker, groupId);
            return members.map(({ memberId }) => memberId);
          });
        } catch (error) {
          if (errorKind(error) !== "denied") throw error;
          throw new TaskLogError(
            `it cannot be seen whether others run group "${groupId}": allow Describe on the group`,
            { cause: error },
          );
        }
      }));
  }

  async sessionMs(groupId: string, protocol: string): Promise<number | null> {
    const { connection, log } = this.#options;
    return await persisting(
      connection,
      async () => sessionTimeoutOf(await connection.anyBroker(), { groupId, protocol, log }),
    );
  }

  async before(
    group: GroupSettings,
    control: Control,
    after: GroupTopology,
  ): Promise<LayoutBefore> {
    const { app, change } = this.#options;
    if (change === undefined) throw new TypeError("a process that has entered changes nothing");
    const now = topicsOf(app, after);
    const own = topicsOf(app, group);
    const sources = group.subtopologies.flatMap(({ sourceTopics }) => sourceTopics);
    const counts = await this.#partitionCounts([...new Set([...sources, ...own, ...now])]);
    const connection = change.connect([...counts.keys()]);
    try {
      await connection.open(() => connection.metadata());
      const committed = await this.#committed(connection, group, counts);
      const positions = this.#positions(group, control, committed);
      const unread = await this.#unread(connection, { group, after, committed, ...change });
      const added = [...now].filter((topic) => !own.has(topic) && counts.has(topic));
      const leftover: string[] = [];
      for (const topic of added) {
        if (await hasAny(connection, partitionsOf(topic, counts))) leftover.push(topic);
      }
      return { topology: group, positions, moved: control.moved, unread, leftover };
    } finally {
      await connection.close();
    }
  }

  /** The numbers of partitions of those topics that exist. */
  async #partitionCounts(topics: readonly string[]): Promise<Map<string, number>> {
    const { connection } = this.#options;
    const found = await persisting(
      connection,
      async () => (await fetchMetadata(await connection.anyBroker(), topics)).topics,
    );
    const counts = new Map<string, number>();
    for (const { topic, errorCode, partitions } of found) {
      if (errorCode === 0) counts.set(topic, partitions.length);
      else {
        const error = errorOfCode(errorCode, "Metadata");
        if (errorKind(error) !== "unknownTopic") throw Object.assign(error, { topic });
      }
    }
    return counts;
  }

  /** What the group has read, once no transaction can change it. */
  async #committed(
    connection: KafkaConnection,
    group: GroupSettings,
    counts: ReadonlyMap<string, number>,
  ): Promise<ReadonlyMap<string, GroupOffset>> {
    const { app, signal } = this.#options;
    const groupId = groupIdOf(app, group.generation);
    const partitions = group.subtopologies.flatMap((part) =>
      topicsRead(app, part).flatMap((topic) => partitionsOf(topic, counts))
    );
    if (partitions.length === 0) return new Map();
    const stable = new StableOffsets(connection, groupId, signal);
    const offsets = await stable.ask((broker) =>
      ofGroup([], () => offsetFetch(broker, groupId, partitions))
    );
    return new Map(
      offsets.filter(({ offset }) => offset !== null).map((each) => [positionName(each), each]),
    );
  }

  /** The positions of tasks without a changelog. */
  #positions(
    group: GroupSettings,
    { hasBegun, begunTasks, moved }: Control,
    committed: ReadonlyMap<string, GroupOffset>,
  ): Map<TaskId, readonly StoredPosition[]> {
    const { app } = this.#options;
    const groupId = groupIdOf(app, group.generation);
    const stateless = group.subtopologies.filter(({ hasState }) => !hasState);
    if (hasBegun && stateless.length > 0 && committed.size === 0) {
      throw new TaskLogError(
        `group "${groupId}" has no offsets, but it has run before. Offsets expire when a group has ` +
          "been empty for offsets.retention.minutes, a week by default. Reading everything again " +
          `would repeat results: if that is right, ${toBeginAgain(app)}`,
      );
    }
    const positions = new Map<TaskId, readonly StoredPosition[]>();
    for (const part of stateless) {
      const topics = new Set(topicsRead(app, part));
      const own = [...committed.values()].filter(({ topic }) => topics.has(topic));
      for (const [partition, offsets] of Map.groupBy(own, (each) => each.partition)) {
        const task = taskId(part.name, partition);
        try {
          const stored = positionsInMetadata(offsets);
          if (stored === null) throw new TypeError("no partition has positions of the task");
          positions.set(task, stored);
        } catch (cause) {
          throw unreadablePositions(task, groupId, cause);
        }
      }
    }
    const names = new Set(stateless.map(({ name }) => name));
    for (const [task, stored] of moved) {
      if (names.has(partsOf(task).subtopology) && !positions.has(task)) positions.set(task, stored);
    }
    for (const task of begunTasks) {
      const { subtopology } = partsOf(task);
      if (names.has(subtopology) && !positions.has(task)) throw lostOffsets(app, groupId, task);
    }
    return positions;
  }

  /** Which of the exchanges that nobody reads in the new layout have items to read. */
  async #unread(
    connection: KafkaConnection,
    { group, after, committed, itemsOf }: {
      readonly group: GroupSettings;
      readonly after: GroupTopology;
      readonly committed: ReadonlyMap<string, GroupOffset>;
    } & Pick<ChangeOptions, "itemsOf">,
  ): Promise<Set<number>> {
    const { app } = this.#options;
    const gone = goneExchanges(group, after);
    const unread = new Set<number>();
    const into = group.exchanges.filter(({ number }) => gone.has(number)).map(({ to }) => to);
    for (const name of new Set(into)) {
      for (let partition = 0; partition < group.shards; partition++) {
        const of = { topic: shuffleTopic(app, name), partition };
        const from = Number(committed.get(positionName(of))?.offset ?? 0n);
        await eachUnread(app, connection, of, from, (bytes) => {
          for (const [number, count] of itemsOf(bytes)) {
            if (count > 0 && gone.has(number)) unread.add(number);
          }
        });
      }
    }
    return unread;
  }
}

/** The topics of which the group has offsets. */
function topicsRead(app: string, { name, sourceTopics, hasShuffle }: SubTopology): string[] {
  return hasShuffle ? [...sourceTopics, shuffleTopic(app, name)] : [...sourceTopics];
}

function partitionsOf(topic: string, counts: ReadonlyMap<string, number>): TopicPartition[] {
  return Array.from({ length: counts.get(topic) ?? 0 }, (_, partition) => ({ topic, partition }));
}

/** Whether a topic has, or has had, any record that is still there. */
async function hasAny(
  connection: KafkaConnection,
  partitions: readonly TopicPartition[],
): Promise<boolean> {
  return await persisting(connection, async () => {
    const first = await connection.offsets(partitions, "first");
    const last = await connection.offsets(partitions, "last");
    return partitions.some((of) => {
      const name = positionName(of);
      return last.get(name)! > first.get(name)!;
    });
  });
}

/** Hands over the committed records of a partition from an offset on; after an error, again. */
async function eachUnread(
  app: string,
  connection: KafkaConnection,
  of: TopicPartition,
  from: number,
  take: (bytes: Uint8Array) => void,
): Promise<void> {
  await persisting(connection, async () => {
    const first = (await connection.offsets([of], "first")).get(positionName(of))!;
    const options = {
      from: Math.max(first, from),
      what: "records of the group",
      ifLost: toBeginAgain(app),
    };
    for await (const records of readCommitted(connection, of, options)) {
      for (const { offset, value } of records) {
        if (value === null) continue;
        try {
          take(value);
        } catch (cause) {
          throw unreadableRecord(app, of, BigInt(offset), cause);
        }
      }
    }
  });
}
