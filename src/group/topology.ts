/**
 * How a flow is cut for a group: sub-topologies, each with a number of tasks.
 *
 * @module
 */
import type { StepId } from "../core/ids.ts";

/** What a group has to know of a sub-topology. Plain data: every machine makes the same. */
export interface SubTopology {
  /** Its first input or keyed step, as a name that Kafka accepts in topics. It has no dots. */
  readonly name: string;
  /** The topics that its inputs read. */
  readonly sourceTopics: readonly string[];
  /** Whether it reads a shuffle topic: it then has a task for each shard of the flow. */
  readonly hasShuffle: boolean;
  /** Whether its steps keep state: it then has a changelog, with a partition for each shard. */
  readonly hasState: boolean;
  /** Its inputs, whose positions its tasks have. */
  readonly inputs: readonly StepId[];
  /** Its steps that keep state. A new version of the flow may have others in the same layout. */
  readonly stateful: readonly StepId[];
}

/** An exchange, through which items go from one sub-topology to another, or back to the same. */
export interface GroupExchange {
  /** What its items have in shuffle topics: from 0 to 65,535. It stays as long as the rest does. */
  readonly number: number;
  /** The step that people know it by. */
  readonly step: StepId;
  /** How the receiver of an item is found, such as `key`. */
  readonly route: string;
  /** Whether partial results go through it, and no values. */
  readonly isCombined: boolean;
  /** The sub-topologies that send and receive. */
  readonly from: string;
  readonly to: string;
}

/** What a group has to know of a flow. */
export interface GroupTopology {
  readonly subtopologies: readonly SubTopology[];
  readonly exchanges: readonly GroupExchange[];
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

/**
 * Returns the app that a shuffle topic, changelog or control topic is of; `null` if the name is of
 * another kind. Apps may have dots in their names, and sub-topologies do not.
 *
 * @example
 * ```ts ignore
 * appOfTopic("orders.eu.count.state"); // "orders.eu"
 * appOfTopic("orders.eu.control"); // "orders.eu"
 * appOfTopic("orders"); // null
 * ```
 */
export function appOfTopic(topic: string): string | null {
  const found = /^(.+)\.control$/.exec(topic) ?? /^(.+)\.[^.]+\.(?:shuffle|state)$/.exec(topic);
  return found === null ? null : found[1];
}

/** The topic that says what an app is: its shards, its protocol and its topology. */
export function controlTopic(app: string): string {
  return `${app}.control`;
}

/**
 * The consumer group that has the positions of an app. Each change of the layout or of the protocol
 * makes another generation. A streams group keeps its topology for life. And no id is
 * used in both protocols: brokers of Kafka 4.2.0 may fail to load such a group (KAFKA-20254).
 */
export function groupIdOf(app: string, generation: number): string {
  return `${app}.${generation}`;
}

/** The consumer group in which machines tell one another of tasks of a group that are to move. */
export function handOverGroup(groupId: string): string {
  return `${groupId}.hand-over`;
}
