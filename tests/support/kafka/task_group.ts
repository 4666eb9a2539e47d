/**
 * The machines of a group on a real broker, as their logs see them.
 */
import { assert } from "@std/assert";
import {
  KafkaTaskLog,
  type KafkaTaskLogOptions,
} from "../../../src/connectors/kafka_tasks/kafka_log.ts";
import { connectionSettings } from "../../../src/connectors/kafka/properties/connection_settings.ts";
import { givenToRecovery } from "../../../src/connectors/kafka/properties/given_properties.ts";
import { keyGroupOf } from "../../../src/core/key_groups.ts";
import { type TaskId, taskId } from "../../../src/core/task_id.ts";
import { decodeValue, encodeValue } from "../../../src/core/value_codec.ts";
import { type GroupEpoch, SHUFFLE_STEP, type TaskEpoch } from "../../../src/group/log.ts";
import { groupIdOf } from "../../../src/group/topology.ts";
import type { StateChunk, StoredPosition } from "../../../src/recovery/store.ts";
import { part } from "../group/part.ts";
import { kafkaClient } from "./client.ts";
import { deleteTopicsOf } from "./delete_topics.ts";
import { createTopic, kafkaBrokers } from "./kafka.ts";

/** How many shards the groups have. */
export const SHARDS = 4;
/** How their machines connect. */
export const SETTINGS = connectionSettings(givenToRecovery({}));
/** The bytes of a text. */
export const bytes = (text: string) => new TextEncoder().encode(text);
/** The text of bytes. */
export const text = (data: Uint8Array) => new TextDecoder().decode(data);

/** The machines of one group. Its topics are deleted at the end. */
export class Group implements AsyncDisposable {
  readonly app: string;
  readonly groupId: string;
  readonly brokers: string[];
  readonly source: string;
  readonly #ended = new AbortController();
  readonly #logs: KafkaTaskLog[] = [];

  private constructor(brokers: string[], source: string, app = `app-${crypto.randomUUID()}`) {
    this.app = app;
    this.groupId = groupIdOf(app, 1);
    this.brokers = brokers;
    this.source = source;
  }

  /** Another process of a group that is there. It has to end without disposing of the group. */
  static join(brokers: string[], app: string, source: string): Group {
    return new Group(brokers, source, app);
  }

  static async create(): Promise<Group> {
    const brokers = await kafkaBrokers();
    return new Group(brokers, await createTopic(brokers, { partitions: 2 }));
  }

  /** Two sub-topologies: `read` keeps nothing, and sends to `keyed`, which has state. */
  get topology() {
    return {
      shards: SHARDS,
      hash: "00000001",
      exchanges: [],
      subtopologies: [
        part("read", { sourceTopics: [this.source], inputs: ["in"] }),
        part("keyed", { hasShuffle: true, hasState: true, stateful: ["keyed"] }),
        part("spread", { hasShuffle: true }),
      ],
    };
  }

  /** The log of a machine, which is a new one unless it has the id of another. */
  async machine(options: Partial<KafkaTaskLogOptions> = {}): Promise<KafkaTaskLog> {
    const log = await KafkaTaskLog.open({
      brokers: this.brokers,
      settings: SETTINGS,
      signal: this.#ended.signal,
      app: this.app,
      groupId: this.groupId,
      memberId: crypto.randomUUID(),
      topology: this.topology,
      protocol: "classic",
      ...options,
    });
    this.#logs.push(log);
    return log;
  }

  /** What the task of a source partition has done. */
  read(partition: number, offset: bigint): TaskEpoch {
    return readTo(this.source, partition, offset);
  }

  /** Deletes all topics of the app. */
  async deleteTopics(): Promise<void> {
    await deleteTopicsOf(this.brokers, this.app, []);
  }

  /** What a broker does with the offsets of a group that was empty for a week. */
  async expireOffsets(): Promise<void> {
    const admin = kafkaClient(this.brokers).admin();
    await admin.connect();
    try {
      await admin.deleteGroups([this.groupId]);
    } finally {
      await admin.disconnect();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#logs.map((log) => log.close()));
    this.#ended.abort();
    await deleteTopicsOf(this.brokers, this.app, [this.source]);
  }
}

/** Keys of a shard, which begin alike. */
export function keysOf(shard: number, count: number): string[] {
  const keys: string[] = [];
  for (let i = 0; keys.length < count; i++) {
    if (Math.floor(keyGroupOf(`key ${i}`) * SHARDS / 1024) === shard) keys.push(`key ${i}`);
  }
  return keys;
}

/** States of keys; `null` for one that is forgotten. */
export function chunk(step: string, states: Readonly<Record<string, string | null>>): StateChunk {
  const values = Object.values(states).map((state) => state === null ? null : bytes(state));
  return {
    step,
    ids: Float64Array.from(values, (_, id) => id),
    keys: Object.keys(states),
    states: Uint8Array.from(values.flatMap((value) => value === null ? [] : [...value])),
    lengths: Int32Array.from(values, (value) => value?.length ?? -1),
  };
}

/** Where the task of a source's partition has come to. */
export function readTo(source: string, partition: number, offset: bigint): TaskEpoch {
  const position: StoredPosition = {
    role: "input",
    step: "in",
    partition: `${source}-${partition}`,
    state: encodeValue({ offset }),
  };
  return { task: taskId("read", partition), positions: [position], state: [] };
}

/** Where a task with a shuffle has come to. */
export function shuffled(
  task: TaskId,
  offset: bigint,
  state: readonly StateChunk[] = [],
): TaskEpoch {
  const position: StoredPosition = {
    role: "input",
    step: SHUFFLE_STEP,
    partition: SHUFFLE_STEP,
    state: encodeValue(offset),
  };
  return { task, positions: [position], state };
}

/** An epoch of a process. */
export const epochOf = (epoch: Partial<GroupEpoch>): GroupEpoch => ({
  tasks: [],
  shuffle: [],
  identity: null,
  ...epoch,
});

/** The restored keys of a task, as `step/key: state`. */
export async function restored(log: KafkaTaskLog, task: TaskId) {
  const { positions, keys } = await log.restore(task);
  const all: Record<string, string> = {};
  for await (const { step, keys: part } of keys()) {
    for (const { key, state } of part) all[`${step}/${key}`] = text(state);
  }
  const offsets = positions.map(({ state }) => decodeValue(state));
  return { offsets, keys: all };
}

/** Restores a task, and returns how many records of its changelog were read, too. */
export async function countingRestore(log: KafkaTaskLog, task: TaskId) {
  let read = 0;
  const { positions, keys } = await log.restore(task, ({ done }) => read = done);
  const states: Record<string, string> = {};
  for await (const { keys: part } of keys()) {
    for (const { key, state } of part) {
      assert(!(key in states), `key ${key} comes twice`);
      states[key] = text(state);
    }
  }
  return { positions: positions.length, states, read };
}
