/** A cluster under the test's control, for the tools that show and remove groups. */
import type {
  CommittedPosition,
  GroupAdmin,
  PartitionEnds,
} from "../../../../src/connectors/kafka_tasks/group_admin.ts";
import type {
  GroupDescription,
  GroupMember,
} from "../../../../src/connectors/kafka_tasks/group_description.ts";
import type { Control } from "../../../../src/connectors/kafka_tasks/control_topic.ts";
import {
  positionName,
  type TopicPartition,
} from "../../../../src/connectors/kafka/wire/topic_partition.ts";
import type { TaskId } from "../../../../src/core/task_id.ts";
import type { SubTopology } from "../../../../src/group/topology.ts";

/** A group of the cluster. */
interface FakeGroup {
  readonly protocolType?: string;
  readonly description?: Partial<GroupDescription>;
  readonly committed?: readonly CommittedPosition[];
}

/** A member that has tasks. */
export function memberOf(
  id: string,
  owned: readonly string[],
  more: Partial<GroupMember> = {},
): GroupMember {
  const tasks = new Set(owned as readonly TaskId[]);
  return {
    id,
    processId: "node",
    host: "/10.0.0.1",
    epoch: 7,
    owned: tasks,
    target: tasks,
    standbys: new Set(),
    onDisk: new Map(),
    ...more,
  };
}

/** The hash of the layout that `begunWith` has. */
export const HASH = "0000000a";

/** What an app's topic says once something was committed: these parts, in its second generation. */
export function begunWith(...subtopologies: readonly SubTopology[]): Control {
  return {
    group: {
      format: 1,
      shards: 2,
      generation: 2,
      exchanges: [],
      dropped: [],
      protocol: "streams",
      hash: HASH,
      subtopologies,
    },
    hasBegun: true,
    begunTasks: new Set(),
    moved: new Map(),
  };
}

export class FakeGroupAdmin implements GroupAdmin, AsyncDisposable {
  /** Topics with the number of their partitions. */
  readonly sizes = new Map<string, number>();
  readonly all = new Map<string, FakeGroup>();
  /** How long its groups wait for silent members; `null` if it does not tell. */
  session: number | null = 9_000;
  readonly ended = new Map<string, PartitionEnds>();
  said: Control = { group: null, hasBegun: false, begunTasks: new Set(), moved: new Map() };
  /** What was done, in order. */
  readonly done: string[] = [];
  /** What refuses to be described or deleted, with what is thrown. */
  readonly refused = new Map<string, Error>();
  isClosed = false;

  topics() {
    return Promise.resolve(
      Array.from(this.sizes, ([topic, partitions]) => ({ topic, partitions })),
    );
  }

  groups() {
    return Promise.resolve(
      Array.from(this.all, ([groupId, { protocolType = "streams" }]) => ({
        groupId,
        protocolType,
      })),
    );
  }

  control() {
    return Promise.resolve(this.said);
  }

  async describe(groupId: string, protocol: "streams" | "classic"): Promise<GroupDescription> {
    await this.#mayRefuse(groupId);
    const found = this.all.get(groupId);
    return {
      protocol,
      state: found === undefined ? "Dead" : "Stable",
      epoch: 7,
      status: null,
      members: [],
      ...found?.description,
    };
  }

  sessionMs(): Promise<number | null> {
    return Promise.resolve(this.session);
  }

  committed(groupId: string) {
    return Promise.resolve(this.all.get(groupId)?.committed ?? []);
  }

  ends(partitions: readonly TopicPartition[]) {
    const names = new Set(partitions.map(positionName));
    return Promise.resolve(new Map([...this.ended].filter(([name]) => names.has(name))));
  }

  async deleteGroup(groupId: string): Promise<boolean> {
    await this.#mayRefuse(groupId);
    if ((this.all.get(groupId)?.description?.members ?? []).length > 0) return false;
    this.done.push(`group ${groupId}`);
    this.all.delete(groupId);
    return true;
  }

  async deleteTopic(topic: string): Promise<void> {
    await this.#mayRefuse(topic);
    this.done.push(`topic ${topic}`);
    this.sizes.delete(topic);
  }

  forgetBegun(app: string): Promise<void> {
    this.done.push(`forget ${app}`);
    return Promise.resolve();
  }

  #mayRefuse(name: string): Promise<void> {
    const error = this.refused.get(name);
    return error === undefined ? Promise.resolve() : Promise.reject(error);
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.isClosed = true;
    return Promise.resolve();
  }
}
