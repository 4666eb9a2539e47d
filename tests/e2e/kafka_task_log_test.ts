/** The log of a group on a real broker: commits, restores, zombies and killed processes. */
import { ConfigResourceTypes } from "kafkajs";
import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import type { KafkaTaskLogOptions } from "../../src/connectors/kafka_tasks/kafka_log.ts";
import { KafkaConnection } from "../../src/connectors/kafka/client/connection.ts";
import { openMembership } from "../../src/connectors/kafka/group/open_membership.ts";
import { acquire, Transaction } from "../../src/connectors/kafka/transactions/transaction.ts";
import { TaskLogError } from "../../src/connectors/kafka_tasks/task_log_error.ts";
import { systemClock } from "../../src/core/clock.ts";
import { StepError, UsageError } from "../../src/core/errors.ts";
import { groupIdOf } from "../../src/group/topology.ts";
import { silentLog } from "../../src/core/log.ts";
import { taskId } from "../../src/core/task_id.ts";
import {
  FencedError,
  LateCommitError,
  type ShuffleReader,
  UnrestorableError,
} from "../../src/group/log.ts";
import { eventually } from "../support/eventually.ts";
import { connect, writeIn } from "../support/kafka/transactions.ts";
import { kafkaClient } from "../support/kafka/client.ts";
import { deleteOffsets } from "../support/kafka/delete_offsets.ts";
import { hurryCleaner } from "../support/kafka/hurry_cleaner.ts";
import { createTopic, produce, readAll, replaceTopic } from "../support/kafka/kafka.ts";
import { TcpProxy } from "../support/kafka/tcp_proxy.ts";
import {
  bytes,
  chunk,
  epochOf,
  Group,
  keysOf,
  restored,
  SETTINGS,
  SHARDS,
  shuffled,
  text,
} from "../support/kafka/task_group.ts";

/** Reads until something is there. */
async function nextOf(reader: ShuffleReader): Promise<{ next: bigint; text: string }> {
  for (;;) {
    const record = reader.next();
    if (record !== null) return { next: record.next, text: text(record.bytes) };
    await reader.ready();
  }
}

const KEYED = taskId("keyed", 1);
const [ONE, TWO, THREE] = keysOf(1, 3);

Deno.test("another machine goes on where one has committed", async () => {
  await using group = await Group.create();
  const log = await group.machine();
  assertEquals(await restored(log, KEYED), { offsets: [], keys: {} });
  assertEquals(await restored(log, taskId("read", 0)), { offsets: [], keys: {} });

  await log.commit(epochOf({
    tasks: [group.read(0, 5n)],
    shuffle: [
      { subtopology: "keyed", shard: 1, bytes: bytes("first") },
      { subtopology: "keyed", shard: 1, bytes: bytes("second") },
      { subtopology: "keyed", shard: 2, bytes: bytes("other") },
    ],
  }));
  const reader = log.readShuffle(KEYED, null);
  const first = await nextOf(reader);
  const second = await nextOf(reader);
  assertEquals([first.text, second.text, reader.next()], ["first", "second", null]);
  await eventually(() => reader.isCurrent && reader.lag === 0, "the reader is current");

  const states = { [ONE]: "a", [TWO]: "b", [THREE]: "c" };
  await log.commit(epochOf({
    tasks: [group.read(0, 7n), shuffled(KEYED, first.next, [chunk("count", states)])],
  }));
  const later = { [ONE]: "a2", [THREE]: null };
  await log.commit(epochOf({
    tasks: [shuffled(KEYED, second.next, [chunk("count", later), chunk("sum", { [ONE]: "s" })])],
  }));
  reader.close();

  const other = await group.machine();
  const progress: number[] = [];
  await other.restore(KEYED, ({ done, total }) => progress.push(done / total));
  assertEquals(progress.at(-1), 1);
  assertEquals(await restored(other, KEYED), {
    offsets: [second.next],
    keys: { [`count/${ONE}`]: "a2", [`count/${TWO}`]: "b", [`sum/${ONE}`]: "s" },
  });
  assertEquals(await restored(other, taskId("read", 0)), { offsets: [{ offset: 7n }], keys: {} });
  assertEquals(await restored(other, taskId("keyed", 0)), { offsets: [], keys: {} });
  const spread = taskId("spread", 3);
  assertEquals(await restored(other, spread), { offsets: [], keys: {} });
  await other.commit(epochOf({ tasks: [shuffled(spread, 0n)] }));
  assertEquals((await restored(log, spread)).offsets, [0n]);
  const rest = other.readShuffle(KEYED, first.next);
  assertEquals((await nextOf(rest)).text, "second");
  rest.close();
});

Deno.test("an earlier process of the same member cannot commit any more", async () => {
  await using group = await Group.create();
  const memberId = crypto.randomUUID();
  const zombie = await group.machine({ memberId });
  await zombie.commit(epochOf({ tasks: [group.read(0, 1n)] }));
  const log = await group.machine({ memberId });
  await log.commit(epochOf({ tasks: [group.read(0, 2n)] }));
  const lost = await assertRejects(
    () =>
      zombie.commit(epochOf({
        tasks: [group.read(0, 9n), shuffled(KEYED, 0n, [chunk("count", { [ONE]: "zombie" })])],
        shuffle: [{ subtopology: "keyed", shard: 1, bytes: bytes("zombie") }],
      })),
    FencedError,
  );
  assertStringIncludes(lost.message, group.app);
  await assertRejects(() => zombie.commit(epochOf({ tasks: [group.read(0, 9n)] })));
  assertEquals((await restored(log, taskId("read", 0))).offsets, [{ offset: 2n }]);
  assertEquals((await restored(log, KEYED)).keys, {});
  await log.commit(epochOf({ shuffle: [{ subtopology: "keyed", shard: 1, bytes: bytes("ok") }] }));
  const reader = log.readShuffle(KEYED, null);
  assertEquals((await nextOf(reader)).text, "ok");
  reader.close();
});

for (const protocol of ["classic", "streams"] as const) {
  Deno.test(`a process whose member has left a ${protocol} group cannot commit any more`, async () => {
    await using group = await Group.create();
    const ended = new AbortController();
    const membership = await openMembership({
      brokers: group.brokers,
      settings: SETTINGS,
      signal: ended.signal,
      groupId: group.groupId,
      processId: crypto.randomUUID(),
      topology: {
        epoch: 0,
        subtopologies: [{
          subtopologyId: "read",
          sourceTopics: [group.source],
          changelogTopics: [],
          repartitionSinkTopics: [],
          repartitionSourceTopics: [],
        }],
      },
    }, protocol);
    const assigned = Promise.withResolvers<void>();
    const member = membership.join({
      id: crypto.randomUUID(),
      onEvent: ({ kind }) => void (kind === "assigned" && assigned.resolve()),
    });
    await assigned.promise;
    const identity = () => member.token();
    const log = await group.machine();
    await log.commit(epochOf({ tasks: [group.read(0, 1n)], identity }));

    const { memberId, epoch, instanceId } = await member.token().then((token) => {
      token[Symbol.dispose]();
      return token;
    });
    const zombie = (changed: object) => () =>
      Promise.resolve({ memberId, epoch, instanceId, [Symbol.dispose]() {}, ...changed });
    for (const changed of [{ epoch: epoch + 1 }, { memberId: "nobody" }]) {
      const one = await group.machine();
      await assertRejects(
        () => one.commit(epochOf({ tasks: [group.read(0, 9n)], identity: zombie(changed) })),
        FencedError,
      );
      await one.close();
    }
    await member.leave();
    const gone = await assertRejects(
      () => log.commit(epochOf({ tasks: [group.read(0, 9n)], identity: zombie({}) })),
      FencedError,
    );
    assertStringIncludes(gone.message, "UNKNOWN_MEMBER_ID");
    await log.close();
    const other = await group.machine();
    assertEquals((await restored(other, taskId("read", 0))).offsets, [{ offset: 1n }]);
    await membership.close();
    ended.abort();
  });
}

Deno.test("a task waits for a process that was killed before it ended its transaction", async () => {
  await using group = await Group.create();
  const memberId = crypto.randomUUID();
  const killed = await group.machine({ memberId });
  await killed.commit(epochOf({
    tasks: [shuffled(KEYED, 3n, [chunk("count", { [ONE]: "kept" })])],
  }));
  await killed.close();
  // What a process has done that is killed between TxnOffsetCommit and EndTxn.
  const [state, shuffle] = [`${group.app}.keyed.state`, `${group.app}.keyed.shuffle`];
  await using at = connect(group.brokers, [state]);
  const options = { timeoutMs: 60_000, persist: at.persist };
  const identity = await acquire(at.connection, `${group.app}-${memberId}`, options);
  const transaction = new Transaction(at.connection, identity, at.persist);
  await writeIn(at, transaction, state, "aborted", 1, JSON.stringify(["count", ONE]));
  await transaction.commitOffsets(group.groupId, [{ topic: shuffle, partition: 1, offset: 4n }]);

  const other = await group.machine();
  let isOver = false;
  const restoring = restored(other, KEYED).finally(() => isOver = true);
  await eventually(() => other.waitingFor() === "transaction", "the task waits");
  assertEquals(isOver, false);
  await group.machine({ memberId }); // which ends what the killed one has left open
  assertEquals(await restoring, { offsets: [3n], keys: { [`count/${ONE}`]: "kept" } });
  assertEquals(other.waitingFor(), null);
});

Deno.test("the first offsets of a group may come after the commit of another machine", async () => {
  await using group = await Group.create();
  const log = await group.machine();
  await log.commit(epochOf({ tasks: [group.read(1, 5n)] }));
  await log.close();
  await group.expireOffsets();
  // A commit whose offsets have not reached the group, as a machine may find it.
  await using at = connect(group.brokers, [`${group.app}.keyed.state`]);
  const identity = await acquire(at.connection, group.app, {
    timeoutMs: 60_000,
    persist: at.persist,
  });
  const transaction = new Transaction(at.connection, identity, at.persist);
  const [topic, partition] = [group.source, 1];
  await transaction.commitOffsets(group.groupId, [{ topic, partition, offset: 5n }]);

  const other = await group.machine();
  const restoring = restored(other, taskId("read", 0));
  await eventually(() => other.waitingFor() === "transaction", "the task waits");
  await transaction.end("commit");
  assertEquals(await restoring, { offsets: [], keys: {} });
});

Deno.test("topics, and settings of a group, that differ are named with their cure", async () => {
  await using group = await Group.create();
  const shuffle = `${group.app}.keyed.shuffle`;
  await createTopic(group.brokers, { name: shuffle, partitions: 3 });
  const count = await assertRejects(() => group.machine(), TaskLogError);
  assertStringIncludes(count.message, `"${shuffle}" has 3 partitions, and the group needs 4`);
  assertStringIncludes(count.message, "--shards 3");
  await group.deleteTopics();
  const state = `${group.app}.keyed.state`;
  await createTopic(group.brokers, { name: state, partitions: SHARDS });
  const policy = await assertRejects(() => group.machine(), TaskLogError);
  assertStringIncludes(policy.message, `"${state}" has cleanup.policy=delete`);
  await group.deleteTopics();

  await Promise.all([1, 2, 3].map(() => group.machine())); // all of them may be the first
  const differs: [Partial<KafkaTaskLogOptions>, string][] = [
    [{ protocol: "streams" }, "it has the protocol classic now"],
    [{ topology: { ...group.topology, hash: "00000002" } }, "cut in another way"],
    [{ groupId: groupIdOf(group.app, 2) }, `its group is "${group.groupId}" now`],
  ];
  for (const [options, cure] of differs) {
    const other = await assertRejects(() => group.machine(options), UsageError);
    assertStringIncludes(other.message, cure);
  }
});

Deno.test("a group that has lost its offsets does not run, unless changelogs have all", async () => {
  await using group = await Group.create();
  const log = await group.machine();
  await log.commit(epochOf({
    tasks: [group.read(0, 5n), shuffled(KEYED, 3n, [chunk("count", { [ONE]: "kept" })])],
  }));
  await log.close();
  await group.expireOffsets();
  const other = await group.machine();
  // Even those with a changelog: once they have committed, the others would look like new ones.
  for (const task of [taskId("read", 0), KEYED, taskId("keyed", 0), taskId("spread", 0)]) {
    const missed = await assertRejects(() => other.restore(task), UnrestorableError);
    assertStringIncludes(missed.message, `task "${task}" cannot be restored`);
    assertStringIncludes(missed.message, "has no offsets");
  }
  const subtopologies = group.topology.subtopologies.filter(({ hasState }) => hasState);
  const keyed = await group.machine({ topology: { ...group.topology, subtopologies } });
  const kept = { offsets: [3n], keys: { [`count/${ONE}`]: "kept" } };
  assertEquals(await restored(keyed, KEYED), kept);
});

Deno.test("a group whose topics were deleted does not go on where its offsets are", async () => {
  await using group = await Group.create();
  const early = await group.machine(); // it knows of no commit
  const log = await group.machine();
  const keyed = shuffled(KEYED, 3n, [chunk("count", { [ONE]: "kept" })]);
  await log.commit(epochOf({ tasks: [group.read(0, 5n), keyed] }));
  assertEquals((await restored(early, taskId("read", 0))).offsets, [{ offset: 5n }]);
  await log.close();
  await early.close();
  await group.deleteTopics();
  const other = await group.machine();
  const lost = await assertRejects(() => other.restore(taskId("read", 0)), UnrestorableError);
  assertStringIncludes(lost.message, "were its topics deleted, and not the group?");
  assertStringIncludes(lost.message, `cli.ts group ${group.app} reset`);
});

Deno.test("a partition without an offset is a new one if the group has others", async () => {
  await using group = await Group.create();
  const log = await group.machine();
  await log.commit(epochOf({ tasks: [shuffled(KEYED, 3n)] }));
  await log.close();
  const other = await group.machine();
  assertEquals((await restored(other, taskId("read", 0))).offsets, []);
});

Deno.test("a partition whose offset was deleted is not read again from its beginning", async () => {
  await using group = await Group.create();
  const log = await group.machine();
  await log.commit(epochOf({
    tasks: [group.read(0, 5n), shuffled(KEYED, 3n), shuffled(taskId("spread", 0), 2n)],
  }));
  await log.commit(epochOf({ tasks: [group.read(1, 4n)] }));
  await log.close();
  await deleteOffsets(group.brokers, group.groupId, [
    [group.source, 1],
    [`${group.app}.spread.shuffle`, 0],
    [`${group.app}.keyed.shuffle`, 1],
  ]);
  const other = await group.machine();
  for (const task of [taskId("read", 1), taskId("spread", 0)]) {
    const { message } = await assertRejects(() => other.restore(task), UnrestorableError);
    assertStringIncludes(message, `task "${task}" cannot be restored: it has committed before`);
    assertStringIncludes(message, `cli.ts group ${group.app} reset`);
  }
  assertEquals((await restored(other, taskId("read", 0))).offsets, [{ offset: 5n }]);
  assertEquals((await restored(other, KEYED)).offsets, [3n]); // its changelog has it
  assertEquals((await restored(other, taskId("spread", 1))).offsets, []); // never committed
});

Deno.test("a changelog and group offsets that do not fit together are an error", async () => {
  await using group = await Group.create();
  const log = await group.machine();
  await log.commit(epochOf({
    tasks: [shuffled(KEYED, 3n, [chunk("count", { [ONE]: "kept" })])],
  }));
  const shuffle = `${group.app}.keyed.shuffle`;
  const admin = kafkaClient(group.brokers).admin();
  await admin.connect();
  try {
    const partitions = [{ partition: 1, offset: "9" }];
    await admin.setOffsets({ groupId: group.groupId, topic: shuffle, partitions });
  } finally {
    await admin.disconnect();
  }
  const differs = await assertRejects(() => log.restore(KEYED), UnrestorableError);
  assertStringIncludes(differs.message, "up to offset 3 by its own record, and up to offset 9");

  const other = taskId("keyed", 2);
  await produce(group.brokers, `${group.app}.keyed.state`, [
    { key: '["count","key of another shard"]', value: "v", partition: 2 },
    { key: "no JSON", value: "v", partition: 2 },
  ]);
  const junk = await assertRejects(() => log.restore(other), UnrestorableError);
  const state = `${group.app}.keyed.state`;
  assertStringIncludes(junk.message, `topic "${state}", partition 2, offset 0: `);
  assertStringIncludes(junk.message, `cli.ts group ${group.app} reset`);
  const stored = await readAll(group.brokers, state);
  assertEquals(stored.filter(({ partition }) => partition === 1).map(({ key }) => key), [
    JSON.stringify(["count", ONE]),
    '["positions"]',
  ]);
});

Deno.test("a record of others in a control topic is named, and can be taken back", async () => {
  await using group = await Group.create();
  const log = await group.machine();
  await log.commit(epochOf({ tasks: [shuffled(KEYED, 3n)] }));
  const control = `${group.app}.control`;
  const write = (key: string, value: string | null) =>
    produce(group.brokers, control, [{ key, value }]);
  await write("strange", "{}");
  const junk = await assertRejects(() => group.machine(), TaskLogError);
  assertStringIncludes(junk.message, `topic "${control}", partition 0, offset `);
  assertStringIncludes(junk.message, 'write a record with the key "strange" and no value');
  await write("strange", null);
  await group.machine();
  await write('["group"]', "junk");
  const lost = await assertRejects(() => group.machine(), TaskLogError);
  assertStringIncludes(lost.message, "give the group another name");
});

Deno.test("a state that its changelog does not accept is named with step, key, size and cure", async () => {
  await using group = await Group.create();
  const state = `${group.app}.keyed.state`;
  const config = { "cleanup.policy": "compact", "max.message.bytes": "20000" };
  await createTopic(group.brokers, { name: state, partitions: SHARDS, config });
  const epoch = (step: string, size: number) =>
    epochOf({ tasks: [shuffled(KEYED, 3n, [chunk(step, { [ONE]: "x".repeat(size) })])] });
  const log = await group.machine();
  const many = Object.fromEntries(keysOf(1, 100).map((key) => [key, "x".repeat(1_000)]));
  await log.commit(epochOf({ tasks: [shuffled(KEYED, 2n, [chunk("count", many)])] }));
  const admin = kafkaClient(group.brokers).admin();
  const raise = async (bytes: number) => {
    const configEntries = Object.entries({ ...config, "max.message.bytes": `${bytes}` })
      .map(([name, value]) => ({ name, value }));
    const resources = [{ type: ConfigResourceTypes.TOPIC, name: state, configEntries }];
    await admin.alterConfigs({ resources, validateOnly: false });
  };
  await admin.connect();
  try {
    await raise(40_000);
    await log.commit(epoch("count", 30_000)); // it asks again before it refuses
  } finally {
    await admin.disconnect();
  }
  const error = await assertRejects(() => log.commit(epoch("sum", 50_000)), StepError);
  assertEquals([error.stepId, error.task, error.item?.includes(ONE)], ["sum", KEYED, true]);
  assertStringIncludes(
    error.message,
    `the state of the key takes 49 KiB, and topic "${state}" accepts no more than 39 KiB: keep less ` +
      `in one key, share it out over several, or raise max.message.bytes of topic "${state}"`,
  );
  const other = await group.machine();
  assertEquals((await restored(other, KEYED)).keys[`count/${ONE}`].length, 30_000);
});

Deno.test("a commit that takes longer than its transaction is late, and nothing of it is visible", async () => {
  await using group = await Group.create();
  await using proxy = new TcpProxy(group.brokers[0]);
  const log = await group.machine({ brokers: [proxy.address], transactionTimeoutMs: 1_000 });
  await log.commit(epochOf({ tasks: [group.read(0, 1n)] }));
  proxy.bytesPerMs = 500;
  const states = Object.fromEntries(keysOf(1, 40).map((key) => [key, "x".repeat(100_000)]));
  const epoch = epochOf({ tasks: [shuffled(KEYED, 3n, [chunk("count", states)])] });
  const late = await assertRejects(() => log.commit(epoch), LateCommitError);
  assertMatch(late.message, /a commit of 3\.9 MiB was not over after [2-9][.\d]* s, and brokers/);
  assertStringIncludes(late.message, "end a transaction after 1 s");
  proxy.bytesPerMs = Infinity;
  const other = await group.machine();
  assertEquals(await restored(other, KEYED), { offsets: [], keys: {} });
  const few = Object.fromEntries(Object.entries(states).slice(0, 4));
  await other.commit(epochOf({ tasks: [shuffled(KEYED, 3n, [chunk("count", few)])] }));
});

Deno.test("a commit to a changelog that was deleted and created again is an error", async () => {
  await using group = await Group.create();
  const log = await group.machine();
  const epoch = () =>
    epochOf({ tasks: [shuffled(KEYED, 3n, [chunk("count", { [ONE]: "kept" })])] });
  await log.commit(epoch());
  const state = `${group.app}.keyed.state`;
  await replaceTopic(state, { partitions: SHARDS, config: { "cleanup.policy": "compact" } });
  const replaced = await assertRejects(() => log.commit(epoch()), TaskLogError);
  assertStringIncludes(replaced.message, `"${state}" was deleted and created again`);
  // So a machine that starts now notices that the state is gone.
  const other = await group.machine();
  const lost = await assertRejects(() => other.restore(KEYED), UnrestorableError);
  assertStringIncludes(lost.message, `"${state}" has nothing of it`);
});

Deno.test("a task is restored from a changelog that was compacted", async () => {
  await using group = await Group.create();
  const state = `${group.app}.keyed.state`;
  await createTopic(group.brokers, {
    name: state,
    partitions: SHARDS,
    config: {
      "cleanup.policy": "compact",
      "segment.ms": "100",
      "min.cleanable.dirty.ratio": "0.01",
      "max.compaction.lag.ms": "100",
      "delete.retention.ms": "0",
    },
  });
  await hurryCleaner(group.brokers);
  const log = await group.machine();
  await log.commit(epochOf({
    tasks: [shuffled(KEYED, 0n, [chunk("count", { [ONE]: "old", [TWO]: "kept", [THREE]: "x" })])],
  }));
  let offset = 1n;
  const isOld = ({ value }: { value: string | null }) => value === "old" || value === "x";
  for (const deadline = performance.now() + 30_000;; offset++) {
    const states = { [ONE]: `new ${offset}`, [THREE]: null };
    await log.commit(epochOf({ tasks: [shuffled(KEYED, offset, [chunk("count", states)])] }));
    if (!(await readAll(group.brokers, state)).some(isOld)) break;
    assert(performance.now() < deadline, "the broker does not compact the topic");
  }
  const other = await group.machine();
  assertEquals(await restored(other, KEYED), {
    offsets: [offset],
    keys: { [`count/${ONE}`]: `new ${offset}`, [`count/${TWO}`]: "kept" },
  });
});

Deno.test("records that tasks have read are dropped from shuffle topics", async () => {
  await using group = await Group.create();
  let ahead = 0;
  const clock = { ...systemClock, elapsed: () => performance.now() + ahead };
  const log = await group.machine({ clock });
  await log.commit(epochOf({
    tasks: [group.read(0, 1n)],
    shuffle: [{ subtopology: "keyed", shard: 1, bytes: bytes("read") }],
  }));
  const reader = log.readShuffle(KEYED, null);
  const { next } = await nextOf(reader);
  ahead = 60_000;
  await log.commit(epochOf({ tasks: [shuffled(KEYED, next)] }));
  const topic = `${group.app}.keyed.shuffle`;
  const ended = new AbortController();
  const connection = new KafkaConnection(group.brokers, [topic], SETTINGS, {
    log: silentLog,
    signal: ended.signal,
  });
  try {
    for (const deadline = performance.now() + 5_000;;) {
      const first = await connection.offsets([{ topic, partition: 1 }], "first");
      if (first.get(`${topic}-1`) === Number(next)) break;
      assert(performance.now() < deadline, "nothing is dropped");
    }
  } finally {
    await connection.close();
  }
  reader.close();
  const late = log.readShuffle(KEYED, 0n);
  await assertRejects(() => late.ready(), TaskLogError, "has lost records");
  late.close();
});
