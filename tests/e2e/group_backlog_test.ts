/** A backlog of several sources in a group of nodes: it is read as by one machine. */
import { assert, assertEquals } from "@std/assert";
import { run } from "millrace";
import { flowFile, folderOf } from "../support/cli.ts";
import { GroupNode } from "../support/group_nodes/node.ts";
import windows from "./flows/group_windows.ts";
import type { SceneOptions } from "../support/group_nodes/scene.ts";
import { testInTurn } from "../support/group_nodes/test_protocols.ts";
import { deleteTopicsOf } from "../support/kafka/delete_topics.ts";
import { createTopic, produce, readAll } from "../support/kafka/kafka.ts";
import { untilNoneIsOpen } from "../support/kafka/open_transactions.ts";

const PARTITIONS = 3;
const KEYS = ["a1", "b1", "c1", "d1"];
const PATIENCE_MS = 60_000;

/** The lines of a topic, in any order. */
async function linesOf(brokers: string[], topic: string): Promise<string[]> {
  return (await readAll(brokers, topic)).map(({ key, value }) => `${key} ${value}`).sort();
}

/** A group that runs the flow on topics of its own. */
class WindowsGroup implements AsyncDisposable {
  readonly app = `app-${crypto.randomUUID()}`;
  readonly nodes: GroupNode[] = [];
  readonly #options: SceneOptions;
  readonly #folder: Awaited<ReturnType<typeof folderOf>>;
  readonly #topics: readonly string[];
  readonly #others: string[] = [];

  private constructor(
    options: SceneOptions,
    folder: Awaited<ReturnType<typeof folderOf>>,
    topics: readonly string[],
  ) {
    this.#options = options;
    this.#folder = folder;
    this.#topics = topics;
  }

  /** Makes topics; nothing runs yet. */
  static async create(options: SceneOptions): Promise<WindowsGroup> {
    const topics = [];
    for (const partitions of [PARTITIONS, 2, 2]) {
      topics.push(await createTopic(options.brokers, { partitions }));
    }
    return new WindowsGroup(options, await folderOf({}), topics);
  }

  get from(): string {
    return this.#topics[0];
  }

  get to(): string {
    return this.#topics[1];
  }

  get late(): string {
    return this.#topics[2];
  }

  /** Makes one more topic, which is deleted with the others. */
  async topic(): Promise<string> {
    const topic = await createTopic(this.#options.brokers);
    this.#others.push(topic);
    return topic;
  }

  node(name: string): GroupNode {
    const { brokers, protocol } = this.#options;
    const node = new GroupNode({
      name,
      workers: 1,
      args: [
        flowFile("group_windows.ts"),
        `--group=${this.app}`,
        "-w1",
        `--state-dir=${this.#folder.path}/${name}`,
        "--shards=4",
        `--protocol=${protocol}`,
        "--commit-interval=100ms",
        "--log-level=info",
      ],
      flowArgs: [brokers[0], ...this.#topics],
    });
    this.nodes.push(node);
    return node;
  }

  /** Waits until a topic has this many lines. */
  async until(topic: string, count: number): Promise<void> {
    const { brokers, told = "" } = this.#options;
    const deadline = performance.now() + PATIENCE_MS;
    for (let come = 0; come < count;) {
      come = (await linesOf(brokers, topic)).length;
      if (come >= count || performance.now() < deadline) continue;
      const logs = this.nodes.map(({ name, log }) => `--- ${name}\n${log}`).join("\n");
      throw new Error(`${come} of ${count} have come, ${told}\n${logs}`);
    }
  }

  /** Stops all nodes, and compares what they have written. */
  async assertWritten(windows: readonly string[], late: readonly string[]): Promise<void> {
    const { brokers, told = "" } = this.#options;
    await Promise.all(this.nodes.map((node) => node.stop()));
    await untilNoneIsOpen(brokers, this.app);
    assertEquals(await linesOf(brokers, this.to), windows, told);
    assertEquals(await linesOf(brokers, this.late), late, told);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const node of this.nodes) await node[Symbol.asyncDispose]();
    await this.#folder[Symbol.asyncDispose]();
    await deleteTopicsOf(this.#options.brokers, this.app, [...this.#topics, ...this.#others]);
  }
}

/**
 * Partitions that differ in how much they have, and from when, over the same 150 seconds. Each
 * value is in order, or so old that it is surely late.
 */
function backlog(): { key: string; value: string; partition: number }[] {
  const records: { key: string; value: string; partition: number }[] = [];
  const add = (partition: number, at: number) => {
    const n = records.length;
    records.push({ key: KEYS[n % KEYS.length], value: `${n} ${at}`, partition });
  };
  [[0, 0, 10], [1, 0, 500], [2, 30_000, 20]].forEach(([partition, from, gap]) => {
    for (let i = 0, time = from; time < 150_000; time += gap, i++) {
      // Sparse values are read by hundreds, so that none of these is surely late.
      const isOld = gap < 100 && time > 60_000 && i % 97 === 0;
      add(partition, isOld ? time - 25_000 : time);
    }
    add(partition, 150_000);
  });
  return records;
}

testInTurn("a backlog of several sources is read as on one machine", async (options) => {
  const { brokers } = options;
  await using group = await WindowsGroup.create(options);
  const [to, late] = [await group.topic(), await group.topic()];
  await produce(brokers, group.from, backlog());
  await run(windows([brokers[0], group.from, to, late, "once"]));
  const expected = [await linesOf(brokers, to), await linesOf(brokers, late)];
  assert(expected[0].length > 500 && expected[1].length > 100);
  const [a, b] = [group.node("a"), group.node("b")];
  a.start();
  b.start();
  await group.until(group.to, 1);
  await a.kill();
  a.start();
  await group.until(group.late, expected[1].length);
  await group.until(group.to, expected[0].length);
  await group.assertWritten(expected[0], expected[1]);
});
