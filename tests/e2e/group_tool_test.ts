/** `cli.ts group` on a real broker: an app is shown, begun again and deleted, in both protocols. */
import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { openMembership } from "../../src/connectors/kafka/group/open_membership.ts";
import type { GroupFailure } from "../../src/connectors/kafka_tasks/control_topic.ts";
import { memberTopology } from "../../src/connectors/kafka_tasks/join_group.ts";
import { KafkaTaskLog } from "../../src/connectors/kafka_tasks/kafka_log.ts";
import {
  lastFailure,
  type ShutdownOptions,
  tellFailure,
} from "../../src/connectors/kafka_tasks/shutdown.ts";
import { silentLog } from "../../src/core/log.ts";
import { taskId } from "../../src/core/task_id.ts";
import type { Member } from "../../src/group/membership.ts";
import { groupIdOf, type GroupTopology } from "../../src/group/topology.ts";
import { runCli } from "../support/cli.ts";
import { part } from "../support/group/part.ts";
import { kafkaClient } from "../support/kafka/client.ts";
import { deleteTopicsOf } from "../support/kafka/delete_topics.ts";
import { createTopic, kafkaBrokers, produce } from "../support/kafka/kafka.ts";
import {
  bytes,
  chunk,
  keysOf,
  readTo,
  SETTINGS,
  SHARDS,
  shuffled,
} from "../support/kafka/task_group.ts";

const KEYED = taskId("keyed", 1);
const [ONE] = keysOf(1, 1);

/** An app with one machine, whose flow is cut into `read` and `keyed`. */
class App implements AsyncDisposable {
  readonly name = `app-${crypto.randomUUID()}`;
  readonly hash = "0000000a";
  readonly groupId = groupIdOf(this.name, 1);
  readonly brokers: string[];
  readonly source: string;
  readonly #ended = new AbortController();
  readonly #open: { close(): Promise<void> }[] = [];

  private constructor(brokers: string[], source: string) {
    this.brokers = brokers;
    this.source = source;
  }

  static async create(): Promise<App> {
    const brokers = await kafkaBrokers();
    return new App(brokers, await createTopic(brokers, { partitions: 2 }));
  }

  get topology(): GroupTopology {
    return {
      shards: SHARDS,
      hash: this.hash,
      exchanges: [],
      subtopologies: [
        part("read", { sourceTopics: [this.source] }),
        part("keyed", { hasShuffle: true, hasState: true }),
      ],
    };
  }

  async log(protocol: string, memberId: string): Promise<KafkaTaskLog> {
    const log = await KafkaTaskLog.open({
      ...this.#at,
      app: this.name,
      groupId: this.groupId,
      memberId,
      topology: this.topology,
      protocol,
    });
    this.#open.push(log);
    return log;
  }

  /** A member that has all tasks. */
  async member(protocol: "streams" | "classic", id: string, processId: string): Promise<Member> {
    const membership = await openMembership({
      ...this.#at,
      groupId: this.groupId,
      processId,
      topology: memberTopology(this.name, this.topology, "streams"),
      ...protocol === "streams"
        ? { groupConfigs: { "streams.initial.rebalance.delay.ms": "0" } }
        : {},
    }, protocol);
    this.#open.push(membership);
    const all = Promise.withResolvers<void>();
    const member = membership.join({
      id,
      onEvent: ({ kind }) => {
        if (kind === "assigned" && member.owned.size === 2 + SHARDS) all.resolve();
      },
    });
    await all.promise;
    return member;
  }

  get #at() {
    return { brokers: this.brokers, settings: SETTINGS, signal: this.#ended.signal };
  }

  get reach(): ShutdownOptions {
    const { brokers, settings, signal } = this.#at;
    return { place: { brokers, settings }, token: null, app: this.name, log: silentLog, signal };
  }

  async lastFailure(): Promise<GroupFailure | null> {
    return await lastFailure({ failedAt: null, cameAt: 0, wasIn: false }, this.reach);
  }

  async close(): Promise<void> {
    await Promise.all(this.#open.splice(0).map((each) => each.close()));
  }

  async topics(): Promise<string[]> {
    const admin = kafkaClient(this.brokers).admin();
    await admin.connect();
    try {
      return (await admin.listTopics()).filter((topic) => topic.startsWith(this.name)).sort();
    } finally {
      await admin.disconnect();
    }
  }

  /** Runs the command, which must succeed. */
  async tool(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.run(...args);
    assertEquals(code, 0, stderr);
    return stdout;
  }

  run(...args: string[]) {
    const command = ["group", this.name, ...args, "--brokers", this.brokers.join()];
    return runCli(command, { deadlineMs: 60_000 });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
    this.#ended.abort();
    await deleteTopicsOf(this.brokers, this.name, [this.source]);
  }
}

for (const protocol of ["streams", "classic"] as const) {
  Deno.test(`${protocol}: an app is shown, refused while machines run it, and begun again`, async () => {
    await using app = await App.create();
    const record = { key: "a", value: "x" };
    await produce(
      app.brokers,
      app.source,
      [0, 0, 0, 1].map((partition) => ({ ...record, partition })),
    );
    const [id, processId] = [crypto.randomUUID(), crypto.randomUUID()];
    const log = await app.log(protocol, id);
    const member = await app.member(protocol, id, processId);
    const identity = () => member.token();
    const shuffle = ["one", "two", "three"].map((text) => ({
      subtopology: "keyed",
      shard: 1,
      bytes: bytes(text),
    }));
    await log.commit({ tasks: [readTo(app.source, 0, 1n)], shuffle, identity });
    const keyed = shuffled(KEYED, 1n, [chunk("count", { [ONE]: "x" })]);
    await log.commit({ tasks: [keyed], shuffle: [], identity });

    const shown = JSON.parse(await app.tool("--json"));
    assertEquals([shown.app, shown.shards, shown.protocol, shown.hash], [
      app.name,
      SHARDS,
      protocol,
      app.hash,
    ]);
    const [group] = shown.groups;
    assertEquals([group.groupId, group.state, group.isCurrent], [app.groupId, "Stable", true]);
    const [only] = group.members;
    assertEquals([only.id, only.processId, only.tasks.length], [id, processId, 2 + SHARDS]);
    assertEquals(typeof only.epoch, protocol === "streams" ? "number" : "object");
    type Task = Record<"task" | "owner" | "inputLag" | "shuffleLag" | "stateRecords", unknown>;
    const tasks = new Map(group.tasks.map((each: Task) => [each.task, each]));
    const of = (task: string) => {
      const { owner, inputLag, shuffleLag, stateRecords } = tasks.get(task) as Task;
      return { isOurs: owner === id, inputLag, shuffleLag, stateRecords };
    };
    const isOurs = true;
    assertEquals(of("read_0"), { isOurs, inputLag: 2, shuffleLag: null, stateRecords: null });
    assertEquals(of("read_1"), { isOurs, inputLag: 1, shuffleLag: null, stateRecords: null });
    // A key, the positions, and what closes the transaction.
    assertEquals(of("keyed_1"), { isOurs, inputLag: null, shuffleLag: 2, stateRecords: 3 });
    assertEquals(of("keyed_3"), { isOurs, inputLag: null, shuffleLag: 0, stateRecords: 0 });
    assertEquals(group.lags, [
      { topic: `${app.name}.keyed.shuffle`, kind: "shuffle", records: 2 },
      { topic: app.source, kind: "input", records: 3 },
    ]);
    const text = await app.tool();
    assertMatch(text, new RegExp(`keyed_1 +${id.slice(0, 8)} +- +2 +3 records`));
    assertMatch(text, /6 of 6 have a member/);

    for (const action of ["reset", "delete"]) {
      const refused = await app.run(action, "--yes");
      assertEquals(refused.code, 2, refused.stderr);
      assertStringIncludes(refused.stderr, `group "${app.groupId}" has 1 member (on 127.0.0.1)`);
    }
    await member.leave();
    await app.close();
    const unasked = await app.run("reset");
    assertEquals(unasked.code, 2);
    assertStringIncludes(unasked.stderr, "give --yes too");
    assertEquals((await app.topics()).length, 3);

    await tellFailure("a step fails", app.reach);
    assertEquals((await app.lastFailure())?.text, "a step fails");
    assertStringIncludes(await app.tool("reset", "--yes"), `deleted 1 group (${app.groupId})`);
    assertEquals(await app.lastFailure(), null); // nothing has failed since it began
    assertEquals(await app.topics(), [`${app.name}.control`]);
    // It still is the app that it was, and begins at the start.
    await assertRejects(() => app.log(protocol === "streams" ? "classic" : "streams", id));
    const again = await app.log(protocol, id);
    assertEquals((await again.restore(taskId("read", 0))).positions, []);
    assertEquals((await again.restore(KEYED)).positions, []);
    await app.close();

    await app.tool("delete", "--yes");
    assertEquals(await app.topics(), []);
    const gone = await app.run();
    assertEquals(gone.code, 2);
    assertStringIncludes(gone.stderr, `the cluster has no app "${app.name}"`);
  });
}

Deno.test("an app whose name begins like another's has topics of its own", async () => {
  await using app = await App.create();
  const log = await app.log("classic", crypto.randomUUID());
  await log.commit({ tasks: [readTo(app.source, 0, 1n)], shuffle: [], identity: null });
  await app.close();
  const other = `${app.name}.eu`;
  for (const kind of ["control", "keyed.state"]) {
    await createTopic(app.brokers, { name: `${other}.${kind}` });
  }
  await app.tool("delete", "--yes");
  assertEquals(await app.topics(), [`${other}.control`, `${other}.keyed.state`]);
  const mistyped = await app.run();
  assertStringIncludes(mistyped.stderr, `Did you mean ${other}?`);
  assert(mistyped.code === 2);
});
