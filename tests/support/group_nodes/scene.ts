/**
 * A group of nodes, an input that keeps growing, and what readers of its outputs must get: the same
 * as from one machine.
 */
import { assert, assertEquals } from "@std/assert";
import { KafkaInputConfig, type Keyed, run, TestingOutputConfig } from "millrace";
import { keyGroupOf, ownersOf } from "../../../src/core/key_groups.ts";
import { type TaskId, taskId } from "../../../src/core/task_id.ts";
import { BUCKETS, type GroupTotals, totalsFlow } from "../../e2e/flows/group_totals.ts";
import { assertSame, valuesByKey } from "../../faults/exactly_once.ts";
import { flowFile, folderOf } from "../cli.ts";
import { pass } from "../eventually.ts";
import { kafkaClient } from "../kafka/client.ts";
import { deleteTopicsOf } from "../kafka/delete_topics.ts";
import { Feed } from "../kafka/feed.ts";
import { createTopic } from "../kafka/kafka.ts";
import { untilNoneIsOpen } from "../kafka/open_transactions.ts";
import { type DescribedGroup, groupOf, groupsOf } from "./described_group.ts";
import { Figures } from "./figures.ts";
import { GroupNode } from "./node.ts";
import { WatchedOutputs } from "./watched_outputs.ts";

/** The protocols that a group may have. */
export const PROTOCOLS = ["streams", "classic"] as const;

/** How a scene is set up. */
export interface SceneOptions {
  readonly brokers: string[];
  readonly protocol: typeof PROTOCOLS[number];
  /** What is told when it fails, such as the seed. */
  readonly told?: string;
  /** Gets what is measured. */
  readonly figures?: Figures;
  readonly commitMs?: number;
  readonly block?: GroupTotals["block"];
  /** What the nodes log. @default {"info"} */
  readonly logLevel?: "info" | "debug";
}

/** How many partitions the input has at first, and how many shards the keys have. */
export const PARTITIONS = 4;
export const SHARDS = 8;

/** How many tasks a scene has: of the input, of the counts, and of the totals. */
const TASKS = PARTITIONS + 2 * SHARDS;

/** How long anything that must come may take, on a busy machine. */
const PATIENCE_MS = 60_000;

/** A group of nodes, and its topics. */
export class GroupScene implements AsyncDisposable {
  readonly app = `app-${crypto.randomUUID()}`;
  readonly brokers: string[];
  readonly from: string;
  readonly to: GroupTotals["to"];
  readonly feed: Feed;
  readonly watched: WatchedOutputs;
  readonly nodes: GroupNode[] = [];
  readonly folder: string;
  /** What has been measured. */
  readonly figures: Figures;
  readonly #options: SceneOptions;
  readonly #folder: AsyncDisposable;
  #tasks = TASKS;

  private constructor(
    options: SceneOptions,
    [from, copies, counts, totals]: string[],
    folder: Awaited<ReturnType<typeof folderOf>>,
  ) {
    const { brokers } = options;
    this.#options = options;
    this.brokers = brokers;
    this.from = from;
    this.to = { copies, counts, totals };
    this.feed = new Feed(brokers, from, { partitions: PARTITIONS });
    this.watched = new WatchedOutputs(brokers, Object.values(this.to));
    this.#folder = folder;
    this.folder = folder.path;
    this.figures = options.figures ?? new Figures();
  }

  /** Makes topics of its own; nothing runs yet. */
  static async create(options: SceneOptions): Promise<GroupScene> {
    const topics: string[] = [];
    for (const partitions of [PARTITIONS, 3, 3, 2]) {
      topics.push(await createTopic(options.brokers, { partitions }));
    }
    return new GroupScene(options, topics, await folderOf({}));
  }

  /**
   * A node that does not run yet.
   *
   * @param brokers The brokers that it knows: a proxy's address, for faults of its network.
   * @param disk The name of its state folder, if that is not its own; `null` for none.
   */
  node(
    name: string,
    { workers = 1, brokers = this.brokers, disk = name }: {
      readonly workers?: number;
      readonly brokers?: readonly string[];
      readonly disk?: string | null;
    } = {},
  ): GroupNode {
    const { protocol, commitMs = 100, block, logLevel = "info" } = this.#options;
    const { from, to } = this;
    const argument: GroupTotals = { brokers, from, to, ...block === undefined ? {} : { block } };
    const node = new GroupNode({
      name,
      workers,
      args: [
        flowFile("group_totals.ts"),
        `--group=${this.app}`,
        `-w${workers}`,
        ...disk === null ? [] : [`--state-dir=${this.folder}/${disk}`],
        `--shards=${SHARDS}`,
        `--protocol=${protocol}`,
        `--commit-interval=${commitMs}ms`,
        `--log-level=${logLevel}`,
      ],
      flowArgs: [JSON.stringify(argument)],
    });
    this.nodes.push(node);
    return node;
  }

  /** Starts nodes, and waits until they share all tasks. */
  async start(...nodes: readonly GroupNode[]): Promise<void> {
    for (const node of nodes) node.start();
    await this.settled();
  }

  /** How many members the nodes that run have. */
  get members(): number {
    return this.nodes.filter(({ isRunning }) => isRunning)
      .reduce((sum, { workerCount }) => sum + workerCount, 0);
  }

  /** What the broker knows of the group; `null` if that is nothing at present. */
  async described(): Promise<DescribedGroup | null> {
    return await groupOf(this.brokers, this.app, this.#options.protocol);
  }

  /** Adds partitions to the input, which keys of their own are written to from now on. */
  async grow(added: number): Promise<void> {
    const admin = kafkaClient(this.brokers).admin();
    await admin.connect();
    try {
      const count = PARTITIONS + added;
      await admin.createPartitions({ topicPartitions: [{ topic: this.from, count }] });
    } finally {
      await admin.disconnect();
    }
    this.#tasks += added;
  }

  /** Waits until each task has one owner, and all members of the nodes that run have some. */
  async settled(members = this.members): Promise<DescribedGroup> {
    let last: DescribedGroup | null = null;
    const isSettled = async () => {
      last = await this.described();
      if (last === null) return false;
      const owned = [...last.tasks.values()].filter(({ length }) => length > 0);
      return last.state === "Stable" && last.moving.length === 0 && owned.length === members &&
        owned.flat().length === this.#tasks && new Set(owned.flat()).size === this.#tasks;
    };
    const what = () => `${members} members share ${this.#tasks} tasks; they are ${shown(last)}`;
    await this.until(isSettled, what, PATIENCE_MS, 100); // each look makes connections
    return last!;
  }

  /** Waits until some more records of each key have gone all the way: then each task runs. */
  async readOn(rounds = 5, withinMs?: number): Promise<void> {
    for (
      const [topic, keys] of [[this.to.counts, this.feed.keys], [this.to.totals, BUCKETS]] as const
    ) {
      const before = this.watched.counts(topic);
      const missing = () => {
        const now = this.watched.counts(topic);
        const behind = [...now].filter(([key, count]) => count < (before.get(key) ?? 0) + rounds);
        return now.size < keys ? ["some that never came"] : behind.map(([key]) => key);
      };
      await this.until(
        () => missing().length === 0,
        () => `${rounds} more records of each key have come; not so ${missing()}`,
        withinMs,
      );
    }
  }

  /**
   * Measures from now on, before a fault or a change, how long keys have nothing.
   *
   * @param before The group before it.
   * @returns To be called at the end, with the group as it is then, once each key has had records
   * again. Returns the tasks that have another owner.
   */
  measure(before: DescribedGroup): (after: DescribedGroup) => TaskId[] {
    const fromMs = performance.now();
    return (after) => {
      const tasks = moved(before, after);
      const hasMoved = new Set(tasks);
      const gaps = this.watched.gaps(this.to.counts, fromMs, performance.now());
      for (const [key, ms] of gaps) {
        const isMoved = this.#tasksOf(key).some((task) => hasMoved.has(task));
        this.figures.add(isMoved ? "moved keys, ms" : "unmoved keys, ms", ms);
      }
      this.figures.add("stood still, ms", Math.max(...gaps.values()));
      this.figures.add("moved tasks", tasks.length);
      return tasks;
    };
  }

  /** The tasks that read and count the records of a key. */
  #tasksOf(key: string): TaskId[] {
    const shard = ownersOf(SHARDS)[keyGroupOf(key)];
    return [taskId("in", this.feed.partitionOf(key)), taskId("count", shard)];
  }

  /** Waits for a condition. Fails with the logs of the nodes if it does not come to hold. */
  async until(
    condition: () => boolean | Promise<boolean>,
    what: string | (() => string),
    withinMs = PATIENCE_MS,
    everyMs = 20,
  ): Promise<void> {
    for (const deadline = performance.now() + withinMs; !await condition();) {
      const over = this.nodes.find(({ hasEnded }) => hasEnded);
      if (over !== undefined || performance.now() > deadline) {
        const missing = typeof what === "string" ? what : what();
        const why = over === undefined ? "waited in vain" : `node ${over.name} ended before`;
        throw new Error(`${why}: ${missing}, ${this.told}\n${this.logs}`);
      }
      await pass(everyMs);
    }
  }

  /** What is told of a failure. */
  get told(): string {
    const { protocol, told = "" } = this.#options;
    return `${protocol} ${told}`;
  }

  /** The ends of all nodes' logs. */
  get logs(): string {
    return this.nodes.map(({ name, log }) =>
      `--- node ${name}\n${log.split("\n").slice(-60).join("\n")}`
    )
      .join("\n");
  }

  /**
   * Stops writing, waits until everything has been worked off, stops all nodes, and checks what
   * readers of committed records get. Returns how many records there were.
   *
   * @throws {Error} If something is lost, repeated, out of order or still open.
   */
  async finish(): Promise<number> {
    await this.feed.rest();
    const input = await valuesByKey(this.brokers, this.from);
    const count = [...input.values()].flat().length;
    for (const [name, topic] of Object.entries(this.to)) {
      await this.until(
        () => this.watched.count(topic) >= count,
        () => `all ${count} ${name} have come (there are ${this.watched.count(topic)})`,
      );
    }
    await this.stop();
    await untilNoneIsOpen(this.brokers, this.app);
    await this.assertPositions();
    const one = await this.#onOneMachine();
    for (const [name, topic] of Object.entries(this.to)) {
      const got = await valuesByKey(this.brokers, topic);
      assertSame(got, one[name as keyof GroupTotals["to"]], `${name}, ${this.told}`);
    }
    assert(count > 0, "nothing was written");
    return count;
  }

  /**
   * Checks what readers of committed records have got so far: the beginning of what one machine
   * writes.
   */
  async assertPrefix(): Promise<void> {
    const one = await this.#onOneMachine();
    for (const [name, topic] of Object.entries(this.to)) {
      const got = await valuesByKey(this.brokers, topic);
      const all = one[name as keyof GroupTotals["to"]];
      const expected = new Map(
        Array.from(got, ([key, { length }]) => [key, all.get(key)!.slice(0, length)]),
      );
      assertSame(got, expected, `${name}, ${this.told}`);
    }
  }

  /** Stops all nodes that run. */
  async stop(): Promise<void> {
    await Promise.all(this.nodes.filter(({ isRunning }) => isRunning).map((node) => node.stop()));
  }

  /** The group's offsets of the input must be at the end of what it has. */
  async assertPositions(): Promise<void> {
    const admin = kafkaClient(this.brokers).admin();
    await admin.connect();
    try {
      const [groupId] = await groupsOf(this.brokers, this.app);
      const ends = await admin.fetchTopicOffsets(this.from);
      const [{ partitions }] = await admin.fetchOffsets({ groupId, topics: [this.from] });
      const byPartition = (all: readonly { partition: number; offset: string }[]) =>
        Object.fromEntries(
          all.map(({ partition, offset }) => [partition, Math.max(Number(offset), 0)]),
        );
      assertEquals(byPartition(partitions), byPartition(ends), `positions, ${this.told}`);
    } finally {
      await admin.disconnect();
    }
  }

  /** What one machine writes for the same input, by key. */
  async #onOneMachine(): Promise<Record<keyof GroupTotals["to"], Map<string, string[]>>> {
    const items = { copies: [], counts: [], totals: [] } as Record<
      keyof GroupTotals["to"],
      Keyed<string>[]
    >;
    const { brokers, from } = this;
    const to = (name: keyof typeof items) => new TestingOutputConfig(items[name]);
    await run(totalsFlow(new KafkaInputConfig({ brokers, topic: from, tail: false }), {
      copies: to("copies"),
      counts: to("counts"),
      totals: to("totals"),
    }));
    const byKey = (all: readonly Keyed<string>[]) =>
      new Map(
        [...Map.groupBy(all, ([key]) => key)].map(([key, each]) => [
          key,
          each.map(([, value]) => value),
        ]),
      );
    return {
      copies: byKey(items.copies),
      counts: byKey(items.counts),
      totals: byKey(items.totals),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.feed.rest();
    for (const node of this.nodes) await node[Symbol.asyncDispose]();
    await this.watched[Symbol.asyncDispose]();
    await this.#folder[Symbol.asyncDispose]();
    await deleteTopicsOf(this.brokers, this.app, [this.from, ...Object.values(this.to)]);
  }
}

/** The tasks that have another owner than before. */
export function moved(before: DescribedGroup, after: DescribedGroup): TaskId[] {
  const owners = new Map(
    [...before.tasks].flatMap(([member, tasks]) => tasks.map((task) => [task, member])),
  );
  return [...after.tasks].flatMap(([member, tasks]) =>
    tasks.filter((task) => owners.get(task) !== member)
  );
}

function shown(group: DescribedGroup | null): string {
  if (group === null) return "unknown";
  return JSON.stringify({ ...group, tasks: Object.fromEntries(group.tasks) });
}
