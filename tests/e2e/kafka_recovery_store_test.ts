import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { Buffer } from "node:buffer";
import { ConfigResourceTypes } from "kafkajs";
import { KafkaConnection } from "../../src/connectors/kafka/client/connection.ts";
import { KafkaInspector } from "../../src/connectors/kafka_recovery/inspector.ts";
import {
  KafkaRecoveryConfig,
  type KafkaRecoveryOptions,
  storeTopicsOf,
} from "../../src/connectors/kafka_recovery/kafka_recovery.ts";
import { recoveryOf } from "../../src/cli/recovery.ts";
import { createLog, silentLog } from "../../src/core/log.ts";
import { TransactionalProducer } from "../../src/connectors/kafka_recovery/transaction.ts";
import { decodeValue, encodeValue } from "../../src/core/value_codec.ts";
import { RecoveryError } from "../../src/recovery/store.ts";
import { testRecoveryStore } from "../conformance/recovery_store.ts";
import { loadAll, position } from "../support/recovery/stores.ts";
import { flowFile, folderOf, runCli, startCli } from "../support/cli.ts";
import { createTopic, kafkaBrokers, produce, replaceTopic } from "../support/kafka/kafka.ts";
import { chunks } from "../support/recovery/state_chunks.ts";
import { kafkaClient } from "../support/kafka/client.ts";

testRecoveryStore("a store on Kafka", async () => {
  const brokers = await kafkaBrokers();
  const topicPrefix = `store-${crypto.randomUUID()}`;
  const config = () => new KafkaRecoveryConfig({ brokers, topicPrefix });
  return { config, [Symbol.asyncDispose]: () => config().drop() };
});

/** A store of its own, removed after the test. */
async function newStore(): Promise<
  AsyncDisposable & { config: KafkaRecoveryConfig; prefix: string }
> {
  const brokers = await kafkaBrokers();
  const prefix = `store-${crypto.randomUUID()}`;
  const config = new KafkaRecoveryConfig({ brokers, topicPrefix: prefix });
  return { config, prefix, [Symbol.asyncDispose]: () => config.drop() };
}

const bytes = (...values: number[]) => new Uint8Array(values);

Deno.test("a store on Kafka shows what has happened to its connections to each broker", async () => {
  await using at = await newStore();
  const [to] = await kafkaBrokers();
  const store = await at.config.open("flow");
  try {
    // A broker that has just begun is asked several times for its coordinator: nothing was lost.
    assertEquals(store.connections!(), [{ to, reconnects: 0, throttledMs: 0 }]);
    await store.commit(0, { state: chunks([]), positions: [] });
    assertEquals(store.connections!(), [{ to, reconnects: 0, throttledMs: 0 }]);
  } finally {
    await store.close();
  }
});

Deno.test("a run that has lost the store on Kafka cannot commit any more", async () => {
  await using at = await newStore();
  const store = await at.config.open("flow");
  try {
    await store.commit(0, {
      state: chunks([{ step: "s", key: "k", state: bytes(1) }]),
      positions: [],
    });
    // The first act of the next run, after a lock was silently lost.
    const next = kafkaClient(await kafkaBrokers()).producer({
      transactionalId: `${at.prefix}-recovery`,
      maxInFlightRequests: 1,
    });
    await next.connect();
    const transaction = await next.transaction();
    await transaction.abort();
    await next.disconnect();
    const changes = { state: chunks([{ step: "s", key: "k", state: bytes(2) }]), positions: [] };
    const error = await assertRejects(() => store.commit(1, changes), RecoveryError);
    assertStringIncludes(error.message, "another run has taken it over");
    await assertRejects(() => store.resume(), RecoveryError, "it failed before");
  } finally {
    await store.close();
  }
  const again = await at.config.open("flow");
  try {
    assertEquals((await again.resume())?.epoch, 0);
    assertEquals(await loadAll(again, "s"), new Map([["k", bytes(1)]]));
  } finally {
    await again.close();
  }
});

Deno.test("a state that is larger than the topic accepts is an error that says so", async () => {
  await using at = await newStore();
  const store = await at.config.open("flow");
  try {
    const state = chunks([{ step: "s", key: "k", state: new Uint8Array(9 << 20) }]);
    const error = await assertRejects(
      () => store.commit(0, { state, positions: [] }),
      RecoveryError,
    );
    assertStringIncludes(error.message, "max.message.bytes");
  } finally {
    await store.close();
  }
});

Deno.test("a store on Kafka refuses topics that are not its own or not compacted", async () => {
  const brokers = await kafkaBrokers();
  const compact = { "cleanup.policy": "compact" };
  {
    await using at = await newStore();
    await createTopic(brokers, { name: `${at.prefix}-state` });
    await assertRejects(() => at.config.open("flow"), RecoveryError, "cleanup.policy=delete");
  }
  {
    await using at = await newStore();
    await createTopic(brokers, { name: `${at.prefix}-meta`, config: compact });
    await assertRejects(() => at.config.open("flow"), RecoveryError, "is missing");
  }
  {
    await using at = await newStore();
    const name = await createTopic(brokers, { name: `${at.prefix}-state`, config: compact });
    await produce(brokers, name, [{ key: '["step","key"]', value: "1" }]);
    await assertRejects(() => at.config.open("flow"), RecoveryError, "does not say whose");
    await produce(brokers, name, [{ key: "hello", value: "1" }]);
    await assertRejects(() => at.config.open("flow"), RecoveryError, "that no store writes");
  }
});

/** As tools do that restore the declared settings of topics. */
async function createAgain(topic: string, partitions: number): Promise<void> {
  await replaceTopic(topic, { partitions, config: { "cleanup.policy": "compact" } });
}

async function deleteTopic(topic: string): Promise<void> {
  const admin = kafkaClient(await kafkaBrokers()).admin();
  await admin.connect();
  try {
    await admin.deleteTopics({ topics: [topic] });
  } finally {
    await admin.disconnect();
  }
}

const STATE_PARTITIONS = 8;

/** A store with an epoch of several keys, and one that changed only one of them. */
async function storeWithKeys(at: { config: KafkaRecoveryConfig }): Promise<void> {
  const store = await at.config.open("flow");
  try {
    const keys = Array.from({ length: 100 }, (_, n) => `${n}`);
    const state = chunks(keys.map((key) => ({ step: "s", key, state: bytes(1) })));
    await store.commit(0, { state, positions: [position("in", bytes(1))] });
    const one = chunks([{ step: "s", key: "7", state: bytes(2) }]);
    await store.commit(1, { state: one, positions: [position("in", bytes(2))] });
  } finally {
    await store.close();
  }
}

for (const which of ["state", "meta"] as const) {
  Deno.test(`a store on Kafka refuses to go on with its topic for ${which} created again`, async () => {
    await using at = await newStore();
    await storeWithKeys(at);
    await createAgain(`${at.prefix}-${which}`, which === "state" ? STATE_PARTITIONS : 1);
    const error = await assertRejects(() => at.config.open("flow"), RecoveryError) as Error;
    for (const said of [`"${at.prefix}-${which}"`, "deleted and created again", "--from-scratch"]) {
      assertStringIncludes(error.message, said);
    }
  });
}

Deno.test("a damaged store on Kafka is dropped with a warning, an empty one without", async () => {
  const brokers = (await kafkaBrokers()).join(",");
  for (const damage of ["meta", "meta deleted", "state deleted", null] as const) {
    await using at = await newStore();
    if (damage !== null) {
      await storeWithKeys(at);
      const [which, deleted] = damage.split(" ");
      const topic = `${at.prefix}-${which}`;
      await (deleted === undefined ? createAgain(topic, 1) : deleteTopic(topic));
    }
    const warnings: string[] = [];
    const log = createLog((level, message) => {
      if (level === "warn") warnings.push(message);
    });
    const command = { path: `kafka://${brokers}/${at.prefix}`, fromScratch: true, yes: true };
    const config = await recoveryOf(command, null);
    const store = await config.open("flow", log);
    const given = "outputs cannot complete what they have left unfinished: the store is not usable";
    assertEquals(warnings, damage === null ? [] : [given], `${damage}`);
    assertEquals(await store.resume(), null);
    await store.close();
  }
});

Deno.test("what outputs have left is not given up as a killed run was writing to its store", async () => {
  await using at = await newStore();
  const brokers = await kafkaBrokers();
  const store = await at.config.open("flow");
  const left = position("unfinished:t", bytes(1), { step: "out", role: "output" });
  await store.commit(0, { state: [], positions: [left] });
  await store.close();
  const place = storeTopicsOf({ brokers, topicPrefix: at.prefix });
  const connection = new KafkaConnection(brokers, [place.metaTopic], place.settings, {
    log: silentLog,
    signal: new AbortController().signal,
    isolation: "read_uncommitted",
  });
  try {
    const record = { key: bytes(1), value: bytes(1), headers: [], timestamp: 0 };
    const producer = await TransactionalProducer.begin(connection, place.id);
    await producer.send(place.metaTopic, new Map([[0, [record]]]));
    const command = {
      path: `kafka://${brokers.join(",")}/${at.prefix}`,
      fromScratch: true,
      yes: true,
    };
    const lines: string[] = [];
    const log = createLog((_level, message) => lines.push(message));
    const config = await recoveryOf(command, null, log);
    assertEquals(lines.length, 1);
    assertStringIncludes(lines[0], "looking for output that is left unfinished");
    const emptied = await config.open("flow");
    assertEquals((await emptied.resume())?.positions, [left]);
    await emptied.close();
  } finally {
    await connection.close();
  }
});

Deno.test("a store on Kafka is refused if its positions are gone, even without keys", async () => {
  await using at = await newStore();
  const store = await at.config.open("flow");
  await store.commit(0, { state: [], positions: [position("in", bytes(1))] });
  await store.close();
  await createAgain(`${at.prefix}-meta`, 1);
  await assertRejects(() => at.config.open("flow"), RecoveryError, "does not say whose");
});

Deno.test("a store on Kafka refuses a topic for state whose records were deleted", async () => {
  await using at = await newStore();
  await storeWithKeys(at);
  const topic = `${at.prefix}-state`;
  await deleteFirstRecords(topic, [5]);
  const error = await assertRejects(() => at.config.open("flow"), RecoveryError) as Error;
  assertStringIncludes(error.message, `"${topic}", partition 5, has lost its first record`);
});

Deno.test("a store on Kafka continues after partitions were added to its topic for state", async () => {
  await using at = await newStore();
  await storeWithKeys(at);
  const admin = kafkaClient(await kafkaBrokers()).admin();
  await admin.connect();
  await admin.createPartitions({ topicPartitions: [{ topic: `${at.prefix}-state`, count: 12 }] });
  await admin.disconnect();
  const store = await at.config.open("flow");
  try {
    assertEquals((await store.resume())?.epoch, 1);
    const keys = await loadAll(store, "s");
    assertEquals([keys.size, keys.get("7"), keys.get("8")], [100, bytes(2), bytes(1)]);
  } finally {
    await store.close();
  }
});

const TOPICS = ["state", "meta"] as const;

/** Returns why a store refuses the next epoch after `change` has been made to one of its topics. */
async function refusalAfter(
  which: typeof TOPICS[number],
  change: (topic: string) => Promise<void>,
): Promise<{ readonly topic: string; readonly message: string }> {
  await using at = await newStore();
  const topic = `${at.prefix}-${which}`;
  const store = await at.config.open("flow");
  try {
    const changes = () => ({
      state: chunks([{ step: "s", key: "k", state: bytes(1) }]),
      positions: [],
    });
    await store.commit(0, changes());
    await change(topic);
    const { message } = await assertRejects(() => store.commit(1, changes()), RecoveryError);
    return { topic, message };
  } finally {
    await store.close();
  }
}

for (const which of TOPICS) {
  Deno.test(`a run is ended when the topic for ${which} of its store is created again`, async () => {
    const partitions = which === "state" ? STATE_PARTITIONS : 1;
    const { topic, message } = await refusalAfter(which, (topic) => createAgain(topic, partitions));
    assertStringIncludes(message, `its topic "${topic}" was deleted and created`);
  });
}

Deno.test("a run is ended when a topic of its store is deleted, with the topic's name", async () => {
  await Promise.all(TOPICS.map(async (which) => {
    const { topic, message } = await refusalAfter(which, deleteTopic);
    assertStringIncludes(message, `its topic "${topic}" was deleted while a run used it`);
    assertStringIncludes(message, "--from-scratch");
  }));
});

/** Deletes the first records of partitions, so that these begin after them. */
async function deleteFirstRecords(topic: string, partitions: readonly number[]): Promise<void> {
  const admin = kafkaClient(await kafkaBrokers()).admin();
  await admin.connect();
  try {
    const policy = async (value: string) =>
      await admin.alterConfigs({
        validateOnly: false,
        resources: [{
          type: ConfigResourceTypes.TOPIC,
          name: topic,
          configEntries: [{ name: "cleanup.policy", value }],
        }],
      });
    await policy("delete"); // else the broker refuses; a wrong setting would also delete them
    await admin.fetchTopicOffsets(topic);
    await admin.deleteTopicRecords({
      topic,
      partitions: partitions.map((partition) => ({ partition, offset: "1" })),
    });
    await policy("compact");
  } finally {
    await admin.disconnect();
  }
}

Deno.test("a store on Kafka reports that no broker is in reach", async () => {
  const config = new KafkaRecoveryConfig({ brokers: ["127.0.0.1:1"], topicPrefix: "p" });
  const error = await assertRejects(() => config.open("flow"), RecoveryError);
  assertStringIncludes(error.message, "recovery store kafka://127.0.0.1:1/p: no Kafka broker");
});

Deno.test("KafkaRecoveryConfig checks its options", () => {
  const make = (options: unknown) => new KafkaRecoveryConfig(options as KafkaRecoveryOptions);
  const brokers = ["a:1"];
  for (const topicPrefix of ["", "a/b", "x".repeat(240), 1, undefined]) {
    assertThrows(() => make({ brokers, topicPrefix }), TypeError, "topicPrefix");
  }
  assertThrows(() => make({ brokers: [], topicPrefix: "p" }), TypeError, "brokers");
  const withAcks = { brokers, topicPrefix: "p", additionalProperties: { acks: 1 } };
  assertThrows(() => make(withAcks), TypeError, '"acks" is for outputs; this is a recovery store');
});

Deno.test("killed and started again, a flow continues exactly from its store on Kafka", async () => {
  await using at = await newStore();
  await using folder = await folderOf({});
  const args = (workers: number) => [
    `${flowFile("resumable.ts")}:numbers`,
    `-w${workers}`,
    `--recovery=${at.config.name}`,
    "--epoch-interval=50ms",
    "--",
    `${folder.path}/out.txt`,
    "12000",
  ];
  {
    await using cli = startCli(args(2));
    // Killed when some epochs have been committed.
    for (let i = 0; i < 400 && await linesOut(folder.path) < 1_000; i++) {
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
    Deno.kill(cli.processes()[0], "SIGKILL");
    await cli.finished();
  }
  const before = await linesOut(folder.path);
  assert(before > 0 && before < 12_000, `${before} lines before it was killed`);
  // Waits for the lock of the killed run.
  const { code, stderr } = await runCli(args(3), { deadlineMs: 60_000 });
  assertEquals({ code, stderr }, { code: 0, stderr: "" });
  const lines = await allLines(folder.path);
  assertEquals(lines.length, 12_000);
  assertEquals(new Set(lines).size, 12_000);
});

Deno.test("a run gets the lock on Kafka after others that were killed while they waited for it", async () => {
  await using at = await newStore();
  await (await at.config.open("flow")).close(); // a new broker has groups after a moment
  const brokers = await kafkaBrokers();
  const place = storeTopicsOf({ brokers, topicPrefix: at.prefix });
  /** Joins the lock's group as a run does that is killed once `isThere`. */
  const killedRun = async (isThere: (joined: Promise<unknown>) => Promise<unknown>) => {
    const { signal } = new AbortController();
    const connection = new KafkaConnection(brokers, [], place.settings, { log: silentLog, signal });
    const groupId = place.id;
    const coordinator = await connection.open(() =>
      connection.coordinator({ kind: "group", id: groupId })
    );
    const joined = coordinator.joinGroup({
      groupId,
      sessionTimeout: 6_000,
      rebalanceTimeout: 6_000,
      memberId: "",
      protocolType: "millrace",
      groupProtocols: [{ name: "lock", metadata: Buffer.alloc(0) }],
    });
    const settled = joined.catch((error) => error);
    await isThere(joined);
    await connection.close();
    await settled;
  };
  const admin = kafkaClient(brokers).admin();
  await admin.connect();
  const members = async () => (await admin.describeGroups([place.id])).groups[0].members.length;
  await killedRun((joined) => joined); // it has the lock
  // The broker chooses one of those that wait when the session of the first one ends.
  for (let waiting = 1; waiting <= 6; waiting++) {
    await killedRun(async () => {
      while (await members() <= waiting) await new Promise((resolve) => setTimeout(resolve, 10));
    });
  }
  await admin.disconnect();
  const store = await at.config.open("flow");
  await assertRejects(() => at.config.open("flow"), RecoveryError, "another run uses it");
  await store.close();
});

Deno.test("state shows a store on Kafka at one epoch, while a run uses it", async () => {
  await using at = await newStore();
  const state = (...rest: string[]) => runCli(["state", at.config.name, ...rest]);
  const missing = await state();
  assertEquals([missing.code, missing.stdout], [1, ""]);
  assertStringIncludes(missing.stderr, `there is no topic "${at.prefix}-meta": no run has used it`);
  const store = await at.config.open("orders");
  try {
    const commit = (epoch: number) => {
      const state = encodeValue(epoch);
      const keys = Array.from({ length: 20 }, (_, i) => ({ step: "total", key: `k${i}`, state }));
      return store.commit(epoch, { state: chunks(keys), positions: [position("p", state)] });
    };
    await commit(0);
    const overview = await state();
    assertEquals([overview.code, overview.stderr], [0, ""]);
    assertMatch(overview.stdout, /^flow {6}orders\nepoch {5}0, committed 20/);
    assertMatch(overview.stdout, /^total +20 +\d+$/m);
    assertMatch(overview.stdout, /^in +p +0$/m);
    assertEquals((await state("total", "k7")).stdout, "0\n");
    const place = storeTopicsOf({ brokers: await kafkaBrokers(), topicPrefix: at.prefix });
    const seen = new Set<unknown>();
    let epoch = 0;
    while (seen.size < 3) {
      const opened = KafkaInspector.open(place, { step: "total", first: 100 });
      let isOpen = false;
      void opened.finally(() => isOpen = true).catch(() => {}); // it is awaited below
      // Some of what the inspector reads belongs to epochs that are committed meanwhile.
      for (let i = 0; i < 4 && !isOpen; i++) await commit(++epoch);
      using inspector = await opened;
      const epochs = inspector.keys("total", 100).map((each) => decodeValue(each.state));
      assertEquals(new Set(epochs), new Set([inspector.epoch]));
      assertEquals(inspector.positions().map((each) => decodeValue(each.state)), [inspector.epoch]);
      seen.add(inspector.epoch);
    }
  } finally {
    await store.close();
  }
});

Deno.test("only connecting to a store on Kafka has a time limit, and reading it does not", async () => {
  await using at = await newStore();
  const store = await at.config.open("orders");
  const state = chunks([{ step: "total", key: "k", state: bytes(1) }]);
  await store.commit(0, { state, positions: [] });
  await store.close();
  let opening = 0; // those that have a limit
  const whileRead: number[] = [];
  const wanted = {
    first: 1,
    get step() {
      whileRead.push(opening);
      return "total";
    },
  };
  const { open } = KafkaConnection.prototype;
  KafkaConnection.prototype.open = async function (ask, options) {
    opening++;
    try {
      return await Reflect.apply(open, this, [ask, options]);
    } finally {
      opening--;
    }
  };
  try {
    const place = storeTopicsOf({ brokers: await kafkaBrokers(), topicPrefix: at.prefix });
    using inspector = await KafkaInspector.open(place, wanted);
    assertEquals(whileRead, [0]); // once for the one key
    assertEquals(inspector.keys("total", 1), [{ id: 0, key: "k", state: bytes(1) }]);
  } finally {
    KafkaConnection.prototype.open = open;
  }
});

async function allLines(folder: string): Promise<string[]> {
  const lines: string[] = [];
  for await (const { name } of Deno.readDir(folder)) {
    if (!name.startsWith("out")) continue;
    lines.push(
      ...(await Deno.readTextFile(`${folder}/${name}`)).split("\n").filter((l) => l !== ""),
    );
  }
  return lines;
}

async function linesOut(folder: string): Promise<number> {
  return (await allLines(folder)).length;
}
