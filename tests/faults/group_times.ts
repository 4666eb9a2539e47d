/** Windows by event time in a group, some of whose nodes are dead now and then. */
import { assert, assertEquals } from "@std/assert";
import { flowFile, folderOf } from "../support/cli.ts";
import { pass, pollUntil } from "../support/eventually.ts";
import { groupOf } from "../support/group_nodes/described_group.ts";
import { GroupNode } from "../support/group_nodes/node.ts";
import type { SceneOptions } from "../support/group_nodes/scene.ts";
import { deleteTopicsOf } from "../support/kafka/delete_topics.ts";
import { createTopic, produce, readAll } from "../support/kafka/kafka.ts";
import { untilNoneIsOpen } from "../support/kafka/open_transactions.ts";
import type { Random } from "../support/values/random.ts";

const PARTITIONS = 3;
const SHARDS = 4;
/** Enough for each shard to have some. */
const KEYS = Array.from({ length: 10 }, (_, i) => `key ${i}`);
/** How many tasks there are: of the input, and of the windows. */
const TASKS = PARTITIONS + SHARDS;
const PATIENCE_MS = 60_000;

/** What is added, and what must be written for it. */
class Feed {
  readonly windows = new Map<string, number[]>();
  readonly late: string[] = [];
  #from = 0;
  #addedAt = performance.now();
  #n = 0;

  /**
   * The next seconds, in each partition. Quiet time that has passed since the last ones must not
   * make these late.
   */
  seconds(count: number): { key: string; value: string; partition: number }[] {
    this.#from += Math.ceil((performance.now() - this.#addedAt) / 1_000) * 1_000 + 3_000;
    this.#addedAt = performance.now();
    const records = [];
    for (let second = 0; second < count; second++, this.#from += 1_000) {
      for (let partition = 0; partition < PARTITIONS; partition++) {
        for (const [i, key] of KEYS.entries()) {
          const n = this.#n++;
          const window = `${key} ${this.#from}`;
          this.windows.set(window, [...this.windows.get(window) ?? [], n]);
          records.push({ key, value: `${n} ${this.#from + 90 * i}`, partition });
        }
      }
    }
    return records;
  }

  /** A value for each key that is late, as all of what was added before has been read. */
  tooLate(): { key: string; value: string; partition: number }[] {
    return KEYS.map((key, i) => {
      const n = this.#n++;
      this.late.push(`${key} ${n}`);
      return { key, value: `${n} ${this.#from - 3_000 + i}`, partition: i % PARTITIONS };
    });
  }

  /** The windows, each with the numbers of its values. */
  get expected(): string[] {
    return [...this.windows].map(([window, numbers]) => `${window} ${numbers}`).sort();
  }
}

/**
 * T12: windows are those that one machine has, and the same values are late. That must hold while
 * nodes are dead, one after the other, and others read on: what the dead ones read waits meanwhile.
 *
 * @param deaths How many nodes are killed.
 */
export async function windowsWhileDead(
  options: SceneOptions,
  random: Random,
  deaths: number,
): Promise<void> {
  const { brokers, protocol, told = "" } = options;
  const app = `app-${crypto.randomUUID()}`;
  await using folder = await folderOf({});
  const topics = await Promise.all(
    [PARTITIONS, 2, 2].map((partitions) => createTopic(brokers, { partitions })),
  );
  const [from, to, late] = topics;
  const node = (name: string) =>
    new GroupNode({
      name,
      workers: 1,
      args: [
        flowFile("group_windows.ts"),
        `--group=${app}`,
        "-w1",
        `--state-dir=${folder.path}/${name}`,
        `--shards=${SHARDS}`,
        `--protocol=${protocol}`,
        "--commit-interval=100ms",
        "--log-level=info",
      ],
      flowArgs: [brokers[0], from, to, late],
    });
  await using a = node("a");
  await using b = node("b");
  const nodes = [a, b];
  const feed = new Feed();
  const lines = async (topic: string) =>
    (await readAll(brokers, topic)).map(({ key, value }) => `${key} ${value}`).sort();
  const until = async (topic: string, count: number) => {
    let come = 0;
    await pollUntil(
      async () => {
        come = (await lines(topic)).length;
        return come >= count;
      },
      () => `${come} of ${count} have come, ${told}\n${a.log}\n--- b\n${b.log}`,
      { withinMs: PATIENCE_MS },
    );
  };
  /** Waits until each node has tasks, so that something waits for any that is killed. */
  const shared = () =>
    pollUntil(
      async () => {
        const group = await groupOf(brokers, app, protocol);
        const owned = [...group?.tasks.values() ?? []].filter(({ length }) => length > 0);
        return group?.state === "Stable" && owned.length === nodes.length &&
          owned.flat().length === TASKS;
      },
      () => `the nodes share the tasks, ${told}\n${a.log}\n--- b\n${b.log}`,
      { withinMs: PATIENCE_MS, everyMs: 100 },
    );
  try {
    await produce(brokers, from, feed.seconds(3));
    for (const each of nodes) each.start();
    await until(to, feed.windows.size);
    await produce(brokers, from, feed.tooLate());
    await until(late, feed.late.length);
    for (let death = 0; death < deaths; death++) {
      await shared();
      const victim = random.pick(nodes);
      await victim.kill();
      // Some partitions are read by nobody now, and the others are.
      for (let turn = 0, turns = 2 + random.below(4); turn < turns; turn++) {
        await produce(brokers, from, feed.seconds(1 + random.below(3)));
        await pass(1_500); // a source that is silent for a second holds time back no more
        if (turn > 0) continue; // the other node may have taken over
        const come = (await lines(to)).length;
        assert(come < feed.windows.size, `nothing waited for node ${victim.name}, ${told}`);
      }
      victim.start();
      await until(to, feed.windows.size);
      await produce(brokers, from, feed.tooLate());
      await until(late, feed.late.length);
    }
    await produce(brokers, from, feed.seconds(2));
    await until(to, feed.windows.size);
    await shared(); // the last one may still be about to start
    await Promise.all(nodes.map((each) => each.stop()));
    await untilNoneIsOpen(brokers, app);
    assertEquals(await lines(to), feed.expected, told);
    assertEquals(await lines(late), feed.late.toSorted(), told);
  } finally {
    await deleteTopicsOf(brokers, app, topics);
  }
}
