/** Standbys, with changelogs and a streams group on a real broker. */
import { assert, assertEquals } from "@std/assert";
import { openMembership } from "../../src/connectors/kafka/group/open_membership.ts";
import type { KafkaTaskLog } from "../../src/connectors/kafka_tasks/kafka_log.ts";
import { type TaskId, taskId, type Tasks } from "../../src/core/task_id.ts";
import type { Standby } from "../../src/group/log.ts";
import { pollUntil } from "../support/eventually.ts";
import { tempFolder } from "../support/files/temp_folder.ts";
import { createTopic, kafkaBrokers } from "../support/kafka/kafka.ts";
import {
  chunk,
  countingRestore,
  epochOf,
  Group,
  keysOf,
  SETTINGS,
  shuffled,
} from "../support/kafka/task_group.ts";

const KEYED = taskId("keyed", 1);
const KEYS = keysOf(1, 200);

/** Waits until something holds, on a busy machine. */
function until(condition: () => boolean, what: string | (() => string)): Promise<void> {
  return pollUntil(condition, what, { withinMs: 30_000, everyMs: 10 });
}

const isCurrent = (standby: Standby) =>
  until(() => standby.lag === 0, () => `the standby is current; it lags by ${standby.lag}`);

const restore = (log: KafkaTaskLog) => countingRestore(log, KEYED);

/** The owner of the task commits states of keys. */
async function commit(log: KafkaTaskLog, offset: bigint, states: Record<string, string | null>) {
  await log.commit(epochOf({ tasks: [shuffled(KEYED, offset, [chunk("count", states)])] }));
}

Deno.test("a task that moves to its standby reads the end of its changelog only", async () => {
  await using group = await Group.create();
  await using folder = await tempFolder();
  const cacheFolder = folder.at("app");
  const owner = await group.machine();
  await restore(owner);
  const states = Object.fromEntries(KEYS.map((key) => [key, "1"]));
  await commit(owner, 1n, states);
  const [forgotten, changed, ...others] = KEYS;
  await commit(owner, 2n, { [forgotten]: null });

  const machine = await group.machine({ cacheFolder });
  assertEquals(machine.standby(taskId("read", 0)), null); // it has no state
  assertEquals(owner.standby(taskId("keyed", 2)), null); // it has no disk
  await isCurrent(machine.standby(KEYED)!);
  await commit(owner, 3n, { [changed]: "3" });
  const moved = await restore(machine);
  const expected = { [changed]: "3", ...Object.fromEntries(others.map((key) => [key, "1"])) };
  assertEquals(moved.states, expected);
  assert(moved.read <= 4, `${moved.read} records`); // those of the last commit, with its marker

  // The roles change: what the task commits here, the former owner follows.
  const back = await group.machine({ cacheFolder: folder.at("other") });
  const standby = back.standby(KEYED)!;
  await isCurrent(standby);
  await commit(machine, 4n, { [forgotten]: "4", [changed]: null });
  standby.close();
  assertEquals((await restore(back)).states, {
    [forgotten]: "4",
    ...Object.fromEntries(others.map((key) => [key, "1"])),
  });
});

Deno.test("a streams group has another machine keep a copy, which gets the task in the end", async () => {
  const brokers = await kafkaBrokers();
  const [source, changelog] = [
    await createTopic(brokers, { partitions: 2 }),
    await createTopic(brokers, { partitions: 2 }),
  ];
  const ended = new AbortController();
  const machine = async () => {
    const owned = new Set<TaskId>();
    let standbys: Tasks = new Set();
    const membership = await openMembership({
      brokers,
      settings: SETTINGS,
      signal: ended.signal,
      groupId: `group-${source}`,
      processId: crypto.randomUUID(),
      groupConfigs: {
        "streams.num.standby.replicas": "1",
        "streams.initial.rebalance.delay.ms": "0",
      },
      topology: {
        epoch: 0,
        subtopologies: [{
          subtopologyId: "keyed",
          sourceTopics: [source],
          changelogTopics: [{ name: changelog, partitions: 0, replicationFactor: 0, configs: [] }],
          repartitionSinkTopics: [],
          repartitionSourceTopics: [],
        }],
      },
    }, "streams");
    const member = membership.join({
      id: crypto.randomUUID(),
      onEvent: (event) => {
        if (event.kind === "assigned") { for (const task of event.tasks) owned.add(task); }
        if (event.kind === "standbys") standbys = event.tasks;
        if (event.kind === "revoke") {
          for (const task of event.tasks) owned.delete(task);
          queueMicrotask(() => member.acknowledge(member.owned.difference(event.tasks)));
        }
      },
    });
    return { membership, member, owned, standbys: () => standbys };
  };
  const [a, b] = [await machine(), await machine()];
  try {
    await until(
      () =>
        a.owned.size === 1 && b.owned.size === 1 &&
        a.standbys().symmetricDifference(b.owned).size === 0 &&
        b.standbys().symmetricDifference(a.owned).size === 0,
      "each has a copy of the other's task",
    );
    await a.member.leave();
    await until(() => b.owned.size === 2 && b.standbys().size === 0, "the other one has both");
  } finally {
    await a.membership.close();
    await b.membership.close();
    ended.abort();
  }
});
