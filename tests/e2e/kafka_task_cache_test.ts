/** The states of tasks on the local disk, with their changelogs on a real broker. */
import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import type {
  KafkaTaskLog,
  KafkaTaskLogOptions,
} from "../../src/connectors/kafka_tasks/kafka_log.ts";
import { createLog, silentLog } from "../../src/core/log.ts";
import { taskId } from "../../src/core/task_id.ts";
import { UnrestorableError } from "../../src/group/log.ts";
import { KafkaConnection } from "../../src/connectors/kafka/client/connection.ts";
import type { ExpectedCache } from "../../src/recovery/task_cache/expected.ts";
import { TaskCaches } from "../../src/recovery/task_cache/task_caches.ts";
import { ConfigResourceTypes } from "kafkajs";
import { fileURLToPath } from "node:url";
import { setImmediate } from "node:timers";
import { eventually } from "../support/eventually.ts";
import { systemClock } from "../../src/core/clock.ts";
import { tempFolder } from "../support/files/temp_folder.ts";
import { kafkaClient } from "../support/kafka/client.ts";
import { replaceTopic } from "../support/kafka/kafka.ts";
import {
  chunk,
  countingRestore,
  epochOf,
  Group,
  keysOf,
  restored,
  SETTINGS,
  SHARDS,
  shuffled,
} from "../support/kafka/task_group.ts";

const KEYED = taskId("keyed", 1);
const [ONE, TWO, THREE] = keysOf(1, 3);
const CHILD = fileURLToPath(new URL("./kafka_task_cache_child.ts", import.meta.url));
const HOUR = 3_600_000;

/** A log of its lines. */
function lines() {
  const all: string[] = [];
  const log = createLog((level, message, fields) => {
    if (level !== "debug") all.push(`${level} ${message} ${JSON.stringify(fields)}`);
  });
  return { all, log };
}

const restore = (log: KafkaTaskLog, task = KEYED) => countingRestore(log, task);
const count = (states: Record<string, string | null>) => [chunk("count", states)];

/** A machine that restores the task, and commits states of it. */
async function committed(
  group: Group,
  options: Partial<KafkaTaskLogOptions>,
  states: Record<string, string | null>,
  offset = 1n,
): Promise<KafkaTaskLog> {
  const machine = await group.machine(options);
  await restore(machine);
  await machine.commit(epochOf({ tasks: [shuffled(KEYED, offset, count(states))] }));
  return machine;
}

Deno.test("a restart on the same disk reads the end of the changelog only", async () => {
  await using group = await Group.create();
  await using folder = await tempFolder();
  const machine = () => group.machine({ cacheFolder: folder.at("app") });
  const first = await machine();
  assertEquals(await restore(first), { positions: 0, states: {}, read: 0 });
  await first.commit(epochOf({
    tasks: [shuffled(KEYED, 1n, count({ [ONE]: "a", [TWO]: "b", [THREE]: "c" }))],
  }));
  await first.commit(
    epochOf({ tasks: [shuffled(KEYED, 2n, count({ [ONE]: "a2", [TWO]: null }))] }),
  );
  await first.close();

  const second = await machine();
  // Only the marker of the last transaction.
  assertEquals(await restore(second), {
    positions: 1,
    states: { [ONE]: "a2", [THREE]: "c" },
    read: 1,
  });
  // Another machine has it meanwhile.
  second.release(KEYED);
  await committed(group, {}, { [ONE]: null, [TWO]: "b3", [THREE]: "c3" }, 3n);
  const back = await restore(second);
  assertEquals(back.states, { [TWO]: "b3", [THREE]: "c3" });
  assertEquals(back.read, 5); // four records and a marker
  await second.close();

  const third = await machine();
  assertEquals(await restore(third), { positions: 1, states: back.states, read: 0 });
});

Deno.test("a file takes nothing of a commit that failed", async () => {
  await using group = await Group.create();
  await using folder = await tempFolder();
  const cacheFolder = folder.at("app");
  const memberId = crypto.randomUUID();
  const zombie = await committed(group, { memberId, cacheFolder }, { [ONE]: "kept" });
  await group.machine({ memberId });
  await assertRejects(() =>
    zombie.commit(
      epochOf({ tasks: [shuffled(KEYED, 2n, count({ [ONE]: "lost", [TWO]: "lost" }))] }),
    )
  );
  await zombie.close();
  const next = await group.machine({ cacheFolder });
  assertEquals((await restore(next)).states, { [ONE]: "kept" });
});

Deno.test("a file that must not be used is replaced, and the log says why", async (test) => {
  const cases: [string, (group: Group, path: string) => Promise<void>, RegExp, number?][] = [
    [
      "of another app",
      (group, path) => forge(group, path, { app: "another" }),
      /the app ..another/,
    ],
    [
      "older than the topic remembers what was forgotten",
      async (group) => {
        await committed(group, {}, { [TWO]: "b" });
      },
      /13\.0 h old.*delete\.retention\.ms/,
      13 * HOUR,
    ],
    ["whose end has been deleted from the changelog", async (group) => {
      await committed(group, {}, { [ONE]: "a", [TWO]: "b" });
      const admin = kafkaClient(group.brokers).admin();
      await admin.connect();
      const topic = `${group.app}.keyed.state`;
      await admin.fetchTopicMetadata({ topics: [topic] });
      // A broker refuses to delete records of a topic that is compacted only.
      const setPolicy = (value: string) =>
        admin.alterConfigs({
          validateOnly: false,
          resources: [{
            type: ConfigResourceTypes.TOPIC,
            name: topic,
            configEntries: [{ name: "cleanup.policy", value }],
          }],
        });
      await setPolicy("compact,delete");
      await admin.deleteTopicRecords({ topic, partitions: [{ partition: 1, offset: "3" }] });
      await setPolicy("compact");
      await admin.disconnect();
    }, /which now begins at 3/],
  ];
  for (const [what, spoil, reason, ahead = 0] of cases) {
    await test.step(`a file ${what}`, async () => {
      await using group = await Group.create();
      await using folder = await tempFolder();
      const cacheFolder = folder.at("app");
      const first = await committed(group, { cacheFolder }, { [ONE]: "a" });
      await first.close();
      await spoil(group, `${cacheFolder}/${KEYED}.db`);
      const { all, log } = lines();
      const clock = { ...systemClock, now: () => Date.now() + ahead };
      const next = await group.machine({ cacheFolder, log, clock });
      const without = await group.machine();
      const { read: _, ...whole } = await restore(without);
      const { read: __, ...found } = await restore(next);
      assertEquals(found, whole);
      assertMatch(all.filter((line) => line.includes("on disk are not used")).join(), reason);
      // It is used again.
      await next.close();
      const last = await group.machine({ cacheFolder, clock });
      assertEquals((await restore(last)).read, 0);
    });
  }
});

Deno.test("a changelog that was made again is missed, whatever the disk has", async () => {
  await using group = await Group.create();
  await using folder = await tempFolder();
  const cacheFolder = folder.at("app");
  const first = await committed(group, { cacheFolder }, { [ONE]: "a" });
  await first.close();
  const config = { "cleanup.policy": "compact" };
  await replaceTopic(`${group.app}.keyed.state`, { partitions: SHARDS, config });
  const next = await group.machine({ cacheFolder });
  await assertRejects(() => next.restore(KEYED), UnrestorableError, "has nothing of it");
});

Deno.test("a file that does not fit to the group's offsets does not count", async () => {
  await using group = await Group.create();
  await using folder = await tempFolder();
  const cacheFolder = folder.at("app");
  await committed(group, {}, { [ONE]: "a" }, 7n);
  await forge(group, `${cacheFolder}/${KEYED}.db`, {});
  const { all, log } = lines();
  const next = await group.machine({ cacheFolder, log });
  assertEquals((await restore(next)).states, { [ONE]: "a" });
  assertMatch(all.join("\n"), /^warn .*does not fit to the group: .* up to offset 7 by group/m);
  await next.close();
  const last = await group.machine({ cacheFolder });
  assertEquals(await restore(last), { positions: 1, states: { [ONE]: "a" }, read: 0 });
});

for (
  const [what, spoil] of [
    ["that cannot be made", (path: string) => Deno.writeTextFile(path, "in the way")],
    [
      "whose files cannot be opened",
      (path: string) => Deno.mkdir(`${path}/${KEYED}.db`, { recursive: true }),
    ],
  ] as const
) {
  Deno.test(`a task does without a folder ${what}, and says so once`, async () => {
    await using group = await Group.create();
    await using folder = await tempFolder();
    const cacheFolder = folder.at("app");
    await spoil(cacheFolder);
    const { all, log } = lines();
    const first = await group.machine({ cacheFolder, log });
    assertEquals((await restore(first)).states, {});
    const [of0] = keysOf(0, 1);
    assertEquals((await restore(first, taskId("keyed", 0))).states, {});
    await first.commit(epochOf({
      tasks: [
        shuffled(KEYED, 1n, count({ [ONE]: "a" })),
        shuffled(taskId("keyed", 0), 1n, count({ [of0]: "z" })),
      ],
    }));
    first.release(KEYED);
    assertEquals((await restore(first)).states, { [ONE]: "a" });
    assertEquals(all.length, 1, all.join("\n"));
    assertMatch(all[0], /^warn the task's state is not kept on the disk/);
  });
}

Deno.test("a worker waits for the one that closes the file of its task", async () => {
  await using group = await Group.create();
  await using folder = await tempFolder();
  const cacheFolder = folder.at("app");
  const first = await committed(group, { cacheFolder }, { [ONE]: "a" });
  let hasAsked = false;
  const clock = {
    ...systemClock,
    // It asks how late it is each time it finds the file in use.
    elapsed: () => {
      hasAsked = true;
      return performance.now();
    },
  };
  const second = await group.machine({ cacheFolder, clock });
  hasAsked = false;
  const restoring = restore(second);
  await eventually(() => hasAsked, "the file is in use");
  first.release(KEYED);
  assertEquals((await restoring).read, 1);
});

Deno.test("a task that is given up while it is restored can be restored again", async () => {
  await using group = await Group.create();
  await using folder = await tempFolder();
  const log = await committed(group, { cacheFolder: folder.at("app") }, { [ONE]: "a" });
  log.release(KEYED);
  for (let ticks = 0; ticks < 40; ticks++) {
    const restoring = log.restore(KEYED).then(
      () => {},
      (error) => assertMatch(String(error), /given up/),
    );
    for (let tick = 0; tick < ticks; tick++) await new Promise((resolve) => setImmediate(resolve));
    log.release(KEYED);
    await restoring;
  }
  assertEquals((await restore(log)).states, { [ONE]: "a" });
});

Deno.test("a machine is killed when the disk is to get a commit, and goes on at that commit", async () => {
  await using group = await Group.create();
  await using folder = await tempFolder();
  const cacheFolder = folder.at("app");
  let last = 0;
  for (const [commits, flushes] of [[0, false], [1, false], [2, true], [0, false], [3, true]]) {
    const child = new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "-A", CHILD, group.brokers.join(), group.app, group.source, cacheFolder],
        ...[String(commits), String(flushes)],
      ],
      stderr: "inherit",
    });
    const { signal, stdout } = await child.output();
    assertEquals(signal, "SIGKILL");
    const said = new TextDecoder().decode(stdout).trim().split("\n").filter((line) => line !== "");
    assertEquals(said.map(Number), Array.from({ length: Number(commits) }, (_, i) => last + i + 1));
    last += Number(commits) + 1; // the one that it could not tell of

    const next = await group.machine({ cacheFolder });
    const { offsets, keys } = await restored(next, KEYED);
    assertEquals(offsets, [BigInt(last)]);
    const expected = keysOf(1, 300).flatMap((key, i) =>
      (i + last) % 3 === 0 ? [] : [[`count/${key}`, String(last)]]
    );
    assertEquals(keys, Object.fromEntries(expected));
    await next.close();
  }
});

/** Writes a file that nobody has made this way. */
async function forge(group: Group, path: string, other: Partial<ExpectedCache>): Promise<void> {
  const topic = `${group.app}.keyed.state`;
  const ended = new AbortController();
  const connection = new KafkaConnection(group.brokers, [topic], SETTINGS, {
    log: silentLog,
    signal: ended.signal,
    isolation: "read_uncommitted",
  });
  try {
    const { topics: [{ topicId }] } = await connection.open(() => connection.metadata());
    const of = { topic, partition: 1 };
    const end = BigInt((await connection.offsets([of], "last")).get(`${topic}-1`)!);
    await Deno.remove(path).catch(() => {});
    const caches = new TaskCaches();
    const cache = await caches.open(path, {
      app: group.app,
      task: KEYED,
      topic: topicId!,
      start: 0n,
      end,
      deleteRetentionMs: 24 * HOUR,
      ...other,
    });
    const { positions } = shuffled(KEYED, 1_000n);
    await cache.apply(count({ [ONE]: "forged", [THREE]: "forged" }), end, positions);
    await caches.close();
  } finally {
    await connection.close();
  }
}
