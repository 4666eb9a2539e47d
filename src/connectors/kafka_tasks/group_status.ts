/**
 * What an app's groups do, as seen from outside: who runs which task, and what waits for it.
 *
 * @module
 */
import { didYouMean } from "../../core/closest_name.ts";
import { UsageError } from "../../core/errors.ts";
import { partsOf, type TaskId, taskId } from "../../core/task_id.ts";
import {
  appOfTopic,
  changelogTopic,
  controlTopic,
  groupIdOf,
  handOverGroup,
  shuffleTopic,
  type SubTopology,
} from "../../group/topology.ts";
import type { ListedGroup } from "../kafka/wire/list_groups.ts";
import { positionName, type TopicPartition } from "../kafka/wire/topic_partition.ts";
import { type Control, type GroupSettings, requireKnownFormat } from "./control_topic.ts";
import type { CommittedPosition, GroupAdmin, PartitionEnds, TopicSize } from "./group_admin.ts";
import type { GroupDescription, GroupMember } from "./group_description.ts";

/** What belongs to an app in a cluster. */
export interface AppParts {
  readonly app: string;
  /** What its control topic says; `null` if it has none, or nothing is in it yet. */
  readonly settings: GroupSettings | null;
  /** Whether it has committed anything in its generation, since its last reset. */
  readonly hasBegun: boolean;
  /** Its internal topics, in the order of their names. */
  readonly topics: readonly TopicSize[];
  /** All topics of the cluster that we may see, by name. */
  readonly sizes: ReadonlyMap<string, number>;
  /** Its groups, one for each generation; the current one first. */
  readonly groups: readonly AppGroup[];
  /** Groups without members in which its machines have said how far tasks are that move. */
  readonly handOvers: readonly string[];
}

/** A group of an app. */
export interface AppGroup {
  readonly groupId: string;
  /** Goes up with each change of the layout or the protocol. */
  readonly generation: number;
  readonly protocol: "streams" | "classic";
}

/** What an app does. */
export interface AppStatus {
  readonly app: string;
  readonly settings: GroupSettings | null;
  /** Whether the app has committed anything in this generation, since its last reset. */
  readonly hasBegun: boolean;
  readonly topics: readonly TopicSize[];
  readonly groups: readonly GroupStatus[];
}

/** What a group does. */
export interface GroupStatus extends AppGroup {
  /** Whether the app has this generation now. */
  readonly isCurrent: boolean;
  readonly state: string;
  readonly epoch: number | null;
  readonly status: string | null;
  readonly members: readonly GroupMember[];
  /** All tasks of the current generation; of another one, those that members have. */
  readonly tasks: readonly TaskInfo[];
  /** What waits in each topic that the group reads. */
  readonly lags: readonly TopicLag[];
}

/** A task, as seen from outside. */
export interface TaskInfo {
  readonly task: TaskId;
  readonly subtopology: string;
  readonly partition: number;
  /** The member that has it; `null` for none. */
  readonly owner: string | null;
  /** The member that is to have it, once the owner has given it up; `null` if nothing moves. */
  readonly next: string | null;
  /** Records of its inputs that it has not committed; `null` without inputs. */
  readonly inputLag: number | null;
  /** Records that other tasks have sent it; `null` without a shuffle topic. */
  readonly shuffleLag: number | null;
  /** Records of its changelog, which a new owner reads; `null` without one. */
  readonly stateRecords: number | null;
  /** How many of these its owner had on disk when it joined; `null` if that is not known. */
  readonly onDisk: number | null;
}

/** What waits in a topic. */
export interface TopicLag {
  readonly topic: string;
  readonly kind: "input" | "shuffle";
  readonly records: number;
}

/**
 * Finds what belongs to an app.
 *
 * @throws {UsageError} If nothing does. The message names the apps that are there.
 * @throws {TaskLogError} If another version of Millrace has made it.
 */
export async function findApp(admin: GroupAdmin, app: string): Promise<AppParts> {
  const [all, listed] = [await admin.topics(), await admin.groups()];
  const sizes = new Map(all.map(({ topic, partitions }) => [topic, partitions]));
  const control = sizes.has(controlTopic(app)) ? await admin.control(app) : NO_CONTROL;
  const settings = control.group;
  if (settings !== null) requireKnownFormat(app, settings.format);
  const topics = all.filter(({ topic }) => appOfTopic(topic) === app)
    .sort((a, b) => a.topic < b.topic ? -1 : 1);
  const groups = groupsOf(app, listed, settings);
  if (topics.length === 0 && groups.length === 0) throw noSuchApp(app, appsOf(sizes.keys()));
  const handOvers = listed.map(({ groupId }) => groupId)
    .filter((groupId) => isHandOverOf(app, groupId)).sort();
  return { app, settings, hasBegun: control.hasBegun, topics, sizes, groups, handOvers };
}

const NO_CONTROL: Control = {
  group: null,
  hasBegun: false,
  begunTasks: new Set(),
  moved: new Map(),
};

function isHandOverOf(app: string, groupId: string): boolean {
  const generation = Number(groupId.slice(app.length + 1).split(".", 1)[0]);
  return groupId === handOverGroup(groupIdOf(app, generation));
}

/** The apps that have a control topic. */
function appsOf(topics: Iterable<string>): readonly string[] {
  return [...topics].flatMap((topic) => {
    const app = appOfTopic(topic);
    return app !== null && topic === controlTopic(app) ? [app] : [];
  });
}

function groupsOf(
  app: string,
  listed: readonly ListedGroup[],
  settings: GroupSettings | null,
): AppGroup[] {
  const groups = new Map<number, AppGroup>();
  const add = (generation: number, isStreams: boolean) => {
    const groupId = groupIdOf(app, generation);
    groups.set(generation, { groupId, generation, protocol: isStreams ? "streams" : "classic" });
  };
  // A group without members that has committed nothing is not listed.
  if (settings !== null) add(settings.generation, settings.protocol === "streams");
  for (const { groupId, protocolType } of listed) {
    const generation = groupId.slice(app.length + 1);
    if (!groupId.startsWith(`${app}.`) || !/^[1-9]\d{0,8}$/.test(generation)) continue;
    add(Number(generation), protocolType === "streams");
  }
  const isCurrent = ({ generation }: AppGroup) => Number(generation === settings?.generation);
  return [...groups.values()].sort((a, b) =>
    isCurrent(b) - isCurrent(a) || b.generation - a.generation
  );
}

function noSuchApp(app: string, apps: readonly string[]): UsageError {
  const known = apps.length === 0 ? "" : `; it has ${[...apps].sort().join(", ")}`;
  return new UsageError(
    `the cluster has no app "${app}": neither a topic "${controlTopic(app)}" nor a group ` +
      `"${app}.N" that this user may describe${known}${didYouMean(app, apps)}`,
  );
}

/**
 * Returns what an app does now.
 *
 * @throws {UsageError} If there is no such app.
 */
export async function appStatus(admin: GroupAdmin, app: string): Promise<AppStatus> {
  const parts = await findApp(admin, app);
  const groups: GroupStatus[] = [];
  for (const group of parts.groups) groups.push(await groupStatus(admin, group, parts));
  const { settings, hasBegun, topics } = parts;
  return { app, settings, hasBegun, topics, groups };
}

async function groupStatus(
  admin: GroupAdmin,
  group: AppGroup,
  { app, settings, sizes }: AppParts,
): Promise<GroupStatus> {
  const description = await admin.describe(group.groupId, group.protocol);
  const committed = await admin.committed(group.groupId);
  const isCurrent = group.generation === settings?.generation;
  const subtopologies = isCurrent ? settings?.subtopologies ?? [] : [];
  const read = readBy(app, subtopologies, sizes);
  const known = new Map(
    [...committed.filter(({ topic }) => sizes.has(topic)), ...read.all]
      .map((each) => [positionName(each), each]),
  );
  const ends = await admin.ends([...known.values()]);
  const waiting = waitingIn(app, committed, ends);
  const lags = new Map<string, TopicLag>();
  for (const { topic, partition } of known.values()) {
    const name = positionName({ topic, partition });
    if (read.changelogs.has(name)) continue;
    const kind = isShuffle(app, topic) ? "shuffle" : "input";
    const records = (lags.get(topic)?.records ?? 0) + (waiting(name, topic) ?? 0);
    lags.set(topic, { topic, kind, records });
  }
  const { state, epoch, status, members } = description;
  return {
    ...group,
    protocol: description.protocol,
    isCurrent,
    state,
    epoch,
    status,
    members,
    tasks: tasksOf(description, read.tasks, { ends, waiting }),
    lags: [...lags.values()].sort((a, b) => a.topic < b.topic ? -1 : 1),
  };
}

/** What a task reads, and where its state is. */
interface TaskTopics {
  readonly task: TaskId;
  readonly inputs: readonly TopicPartition[];
  readonly shuffle: TopicPartition | null;
  readonly changelog: TopicPartition | null;
}

/** The tasks of a topology, with what they read. */
function readBy(
  app: string,
  subtopologies: readonly SubTopology[],
  sizes: ReadonlyMap<string, number>,
) {
  const tasks: TaskTopics[] = [];
  for (const { name, sourceTopics, hasShuffle, hasState } of subtopologies) {
    const [shuffle, changelog] = [shuffleTopic(app, name), changelogTopic(app, name)];
    const read = hasShuffle ? [...sourceTopics, shuffle] : sourceTopics;
    const count = Math.max(0, ...read.map((topic) => sizes.get(topic) ?? 0));
    for (let partition = 0; partition < count; partition++) {
      const has = (topic: string) => partition < (sizes.get(topic) ?? 0);
      tasks.push({
        task: taskId(name, partition),
        inputs: sourceTopics.filter(has).map((topic) => ({ topic, partition })),
        shuffle: hasShuffle && has(shuffle) ? { topic: shuffle, partition } : null,
        changelog: hasState && has(changelog) ? { topic: changelog, partition } : null,
      });
    }
  }
  const changelogs = tasks.flatMap(({ changelog }) => changelog ?? []);
  const shuffles = tasks.flatMap(({ shuffle }) => shuffle ?? []);
  const inputs = tasks.flatMap(({ inputs }) => inputs);
  return {
    tasks,
    all: [...inputs, ...shuffles, ...changelogs],
    changelogs: new Set(changelogs.map(positionName)),
  };
}

/** Returns how many records wait in a partition; `null` if its end is not known. */
type Waiting = (name: string, topic: string) => number | null;

function waitingIn(
  app: string,
  committed: readonly CommittedPosition[],
  ends: ReadonlyMap<string, PartitionEnds>,
): Waiting {
  const offsets = new Map(committed.map((each) => [positionName(each), Number(each.offset)]));
  return (name, topic) => {
    const end = ends.get(name);
    if (end === undefined) return null;
    const left = end.last - Math.max(offsets.get(name) ?? end.first, end.first);
    // A shuffle topic ends with what closes the last transaction, and nobody reads that.
    return Math.max(0, isShuffle(app, topic) ? left - 1 : left);
  };
}

function isShuffle(app: string, topic: string): boolean {
  return appOfTopic(topic) === app && topic.endsWith(".shuffle");
}

function tasksOf(
  { members }: GroupDescription,
  known: readonly TaskTopics[],
  { ends, waiting }: {
    readonly ends: ReadonlyMap<string, PartitionEnds>;
    readonly waiting: Waiting;
  },
): TaskInfo[] {
  const owners = new Map<TaskId, GroupMember>();
  const targets = new Map<TaskId, string>();
  for (const member of members) {
    for (const task of member.owned) owners.set(task, member);
    for (const task of member.target) targets.set(task, member.id);
  }
  const topics = new Map(known.map((each) => [each.task, each]));
  const byName = (a: TaskId, b: TaskId) =>
    partsOf(a).subtopology.localeCompare(partsOf(b).subtopology) ||
    partsOf(a).partition - partsOf(b).partition;
  for (const task of [...owners.keys(), ...targets.keys()].sort(byName)) {
    if (!topics.has(task)) topics.set(task, { task, inputs: [], shuffle: null, changelog: null });
  }
  return Array.from(topics.values(), ({ task, inputs, shuffle, changelog }) => {
    const owner = owners.get(task) ?? null;
    const target = targets.get(task) ?? null;
    const log = changelog === null ? undefined : ends.get(positionName(changelog));
    const onDisk = owner?.onDisk.get(task);
    return {
      task,
      ...partsOf(task),
      owner: owner?.id ?? null,
      next: target === owner?.id ? null : target,
      inputLag: inputs.length === 0 ? null : sum(inputs, waiting),
      shuffleLag: shuffle === null ? null : sum([shuffle], waiting),
      stateRecords: log === undefined ? null : log.last - log.first,
      onDisk: log === undefined || onDisk === undefined
        ? null
        : Math.max(0, Math.min(onDisk, log.last) - log.first),
    };
  });
}

function sum(partitions: readonly TopicPartition[], waiting: Waiting): number {
  return partitions.reduce(
    (all, each) => all + (waiting(positionName(each), each.topic) ?? 0),
    0,
  );
}
