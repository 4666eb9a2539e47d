/** Whole flows in tasks on a real broker: exchanges, state, outputs, and processes that die. */
import { assertEquals } from "@std/assert";
import { Dataflow, KafkaInputConfig, KafkaOutputConfig, text } from "millrace";
import { connectionSettings } from "../../src/connectors/kafka/properties/connection_settings.ts";
import { givenToRecovery } from "../../src/connectors/kafka/properties/given_properties.ts";
import { kafkaPlaceOf } from "../../src/connectors/kafka_tasks/kafka_place.ts";
import { KafkaTaskLog } from "../../src/connectors/kafka_tasks/kafka_log.ts";
import { systemClock } from "../../src/core/clock.ts";
import { silentLog } from "../../src/core/log.ts";
import { type TaskId, taskId } from "../../src/core/task_id.ts";
import { graphOf } from "../../src/graph/graph.ts";
import { groupIdOf } from "../../src/group/topology.ts";
import { cutFlow, type FlowCut } from "../../src/runtime/group/cut_flow.ts";
import { TaskRunner } from "../../src/runtime/group/task_runner.ts";
import { deleteTopicsOf } from "../support/kafka/delete_topics.ts";
import { createTopic, kafkaBrokers, produce, readAll } from "../support/kafka/kafka.ts";

const PARTITIONS = 3;
const SHARDS = 4;
const KEYS = 10;

/** How long it may take until everything is there, also after a transaction that times out. */
const PATIENCE_MS = 40_000;

/** A group whose processes get their tasks by hand. */
class Group implements AsyncDisposable {
  readonly app = `app-${crypto.randomUUID()}`;
  readonly brokers: string[];
  readonly source: string;
  readonly target: string;
  readonly #ended = new AbortController();
  readonly #processes: { readonly runner: TaskRunner; readonly log: KafkaTaskLog }[] = [];
  readonly #failures: unknown[] = [];
  #appended = 0;

  /** How many bytes a count is written with, at least. */
  readonly #bytes: number;

  private constructor(brokers: string[], source: string, target: string, bytes: number) {
    this.brokers = brokers;
    this.#bytes = bytes;
    this.source = source;
    this.target = target;
  }

  static async create(bytes = 0): Promise<Group> {
    const brokers = await kafkaBrokers();
    const source = await createTopic(brokers, { partitions: PARTITIONS });
    return new Group(brokers, source, await createTopic(brokers, { partitions: 2 }), bytes);
  }

  /** Counts the records of each key, and writes each count. */
  cut(): FlowCut {
    const { brokers } = this;
    const flow = new Dataflow("counts");
    flow.input("in", new KafkaInputConfig({ brokers, topic: this.source }))
      .map(([key]): [string, number] => [text.decode(key), 1])
      .statefulMap("count", () => 0, (count) => [count + 1, count + 1])
      .map(([key, count]) => [key, `${count}`.padEnd(this.#bytes)] as const)
      .capture("out", new KafkaOutputConfig({ brokers, topic: this.target }));
    return cutFlow(graphOf(flow), {
      shards: SHARDS,
      topicsOf: (config) => kafkaPlaceOf(config, "")?.topics ?? null,
    });
  }

  get tasks(): TaskId[] {
    return this.cut().topology.subtopologies.flatMap(({ name, sourceTopics, hasShuffle }) => {
      const count = Math.max(hasShuffle ? SHARDS : 0, sourceTopics.length > 0 ? PARTITIONS : 0);
      return Array.from({ length: count }, (_, partition) => taskId(name, partition));
    });
  }

  async start(memberId: string, tasks: readonly TaskId[]): Promise<TaskRunner> {
    const cut = this.cut();
    const log = await KafkaTaskLog.open({
      brokers: [this.brokers[0]],
      settings: connectionSettings(givenToRecovery({})),
      signal: this.#ended.signal,
      app: this.app,
      groupId: groupIdOf(this.app, 1),
      memberId,
      topology: cut.topology,
      protocol: "classic",
    });
    const runner = new TaskRunner({
      cut,
      groupLog: log,
      identity: null,
      intervalMs: 50,
      clock: systemClock,
      log: silentLog,
    });
    this.#processes.push({ runner, log });
    runner.over.catch((error) => this.#failures.push(error));
    runner.assign(tasks);
    return runner;
  }

  /** Ends a process as it is: nothing more is committed. */
  async kill(runner: TaskRunner): Promise<void> {
    const killed = new Error("killed by the test");
    await runner.kill(killed);
    await runner.over.catch(() => {}); // it is that error
    this.#failures.splice(this.#failures.indexOf(killed), 1);
  }

  #throwFailure(): void {
    for (const failure of this.#failures) throw failure;
  }

  async append(count: number): Promise<void> {
    const records = Array.from({ length: count }, (_, n) => ({
      key: `k${n % KEYS}`,
      value: "x",
      partition: n % PARTITIONS,
    }));
    await produce(this.brokers, this.source, records);
    this.#appended += count;
  }

  /** Waits until every count has come, each once and in the order of its key. */
  async complete(): Promise<void> {
    const counts = async () => {
      const byKey = new Map<string, number[]>();
      for (const { key, value } of await readAll(this.brokers, this.target)) {
        byKey.set(key!, [...byKey.get(key!) ?? [], Number(value)]);
      }
      return byKey;
    };
    const until = performance.now() + PATIENCE_MS;
    for (let come = 0; come < this.#appended;) {
      come = [...(await counts()).values()].flat().length;
      this.#throwFailure();
      if (performance.now() < until) continue;
      throw new Error(`waited in vain: ${come} of ${this.#appended} counts have come`);
    }
    const each = Array.from({ length: this.#appended / KEYS }, (_, n) => n + 1);
    const expected = new Map(Array.from({ length: KEYS }, (_, n) => [`k${n}`, each]));
    assertEquals(sorted(await counts()), sorted(expected));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { runner, log } of this.#processes) {
      await runner.kill(new Error("the test is over"));
      await runner.over.catch(() => {}); // it is that error
      await log.close();
    }
    this.#ended.abort();
    await deleteTopicsOf(this.brokers, this.app, [this.source, this.target]);
  }
}

function sorted(counts: ReadonlyMap<string, number[]>): [string, number[]][] {
  return [...counts].sort(([a], [b]) => a < b ? -1 : 1);
}

Deno.test("a flow in tasks of two processes counts each record once, also after both died", async () => {
  await using group = await Group.create();
  const { tasks } = group;
  const halves = [0, 1].map((half) => tasks.filter((_, n) => n % 2 === half));
  await group.append(300);
  const first = await Promise.all(halves.map((half, n) => group.start(`a${n}`, half)));
  await group.complete();
  await group.append(3000);
  for (const runner of first) await group.kill(runner);
  // The halves change places, and their members too: what a dead one had open is aborted in time.
  await Promise.all(halves.toReversed().map((half, n) => group.start(`a${n}`, half)));
  await group.complete();
});

Deno.test("a task moves to another process while records come", async () => {
  await using group = await Group.create();
  const { tasks } = group;
  const one = await group.start("one", tasks);
  await group.append(300);
  await group.complete();
  const two = await group.start("two", []);
  const moving = tasks.filter((_, n) => n % 2 === 0);
  await Promise.all([group.append(3000), one.revoke(moving)]);
  two.assign(moving);
  await group.append(300);
  await group.complete();
  await Promise.all([one.stop(), two.stop()]);
});

Deno.test("outputs may write more in an epoch than waits for its transaction", async () => {
  await using group = await Group.create(20_000);
  await group.append(1500); // 30 MB of output
  const one = await group.start("one", group.tasks);
  await group.complete();
  await one.stop();
});
