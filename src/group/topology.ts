/**
 * How a flow is cut for a group: sub-topologies, each with a number of tasks.
 *
 * @module
 */

/** What a group has to know of a sub-topology. Plain data: every machine makes the same. */
export interface SubTopology {
  /** Its first input or keyed step, as a name that Kafka accepts in topics. */
  readonly name: string;
  /** The topics that its inputs read. */
  readonly sourceTopics: readonly string[];
  /** Whether it reads a shuffle topic: it then has a task for each shard of the flow. */
  readonly hasShuffle: boolean;
  /** Whether its steps keep state: it then has a changelog, with a partition for each shard. */
  readonly hasState: boolean;
}

/** What a group has to know of a flow. */
export interface GroupTopology {
  readonly subtopologies: readonly SubTopology[];
  /** How many shards keyed steps have. It never changes in an app's life. */
  readonly shards: number;
  /** Eight hexadecimal digits. Flows with the same can run side by side in one group. */
  readonly hash: string;
}

/** The topic through which items come to a sub-topology. */
export function shuffleTopic(app: string, subtopology: string): string {
  return `${app}.${subtopology}.shuffle`;
}

/** The changelog of a sub-topology. */
export function changelogTopic(app: string, subtopology: string): string {
  return `${app}.${subtopology}.state`;
}

/** The topic that says what an app is: its shards, its protocol and its topology. */
export function controlTopic(app: string): string {
  return `${app}.control`;
}
