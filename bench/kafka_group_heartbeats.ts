/**
 * What a broker bears of members that ask: StreamsGroupHeartbeat requests of a group with many
 * members, over a few connections. First as fast as it answers, then at fixed rates, with the
 * broker's processor time. `deno run -A bench/kafka_group_heartbeats.ts [MEMBERS]`.
 */
import { KafkaConnection } from "../src/connectors/kafka/client/connection.ts";
import type { KafkaBroker } from "../src/connectors/kafka/client/kafkajs.ts";
import { connectionSettings } from "../src/connectors/kafka/properties/connection_settings.ts";
import { givenToRecovery } from "../src/connectors/kafka/properties/given_properties.ts";
import { setGroupConfigs } from "../src/connectors/kafka/wire/incremental_alter_configs.ts";
import { streamsGroupHeartbeat } from "../src/connectors/kafka/wire/streams_group_heartbeat.ts";
import type { SubtopologyTasks } from "../src/connectors/kafka/wire/streams_tasks.ts";
import { silentLog } from "../src/core/log.ts";
import { createTopic, kafkaBrokers } from "../tests/support/kafka/kafka.ts";
import { cpuSeconds } from "./idle_support.ts";
import { ownBroker } from "./broker_process.ts";
import { median, rateOf } from "./support.ts";

const CONNECTIONS = 8;
const PARTITIONS = 256;
const MEASURE_MS = 4_000;
const PIPELINED = 16; // requests of a connection under way at once

/** A member that does what the broker says at once. */
interface FakeMember {
  readonly id: string;
  readonly broker: KafkaBroker;
  epoch: number;
  tasks: readonly SubtopologyTasks[];
}

const count = Number(Deno.args[0] ?? 1_000);
const brokers = await kafkaBrokers();
const topic = await createTopic(brokers, { partitions: PARTITIONS });
const groupId = `heartbeats-${topic}`;
const ended = new AbortController();
const settings = connectionSettings(givenToRecovery({}));
const connections = Array.from(
  { length: CONNECTIONS },
  () => new KafkaConnection(brokers, [], settings, { log: silentLog, signal: ended.signal }),
);
const links = await Promise.all(
  connections.map((each) =>
    each.open(async () => {
      const nodeId = await each.coordinatorId({ kind: "group", id: groupId });
      return await each.broker(nodeId);
    })
  ),
);
await setGroupConfigs(links[0], groupId, {
  "streams.initial.rebalance.delay.ms": "0",
  "streams.assignment.interval.ms": "0",
});
const owner = ownBroker();

const topology = {
  epoch: 0,
  subtopologies: [{
    subtopologyId: "read",
    sourceTopics: [topic],
    changelogTopics: [],
    repartitionSinkTopics: [],
    repartitionSourceTopics: [],
  }],
};
const members: FakeMember[] = Array.from({ length: count }, (_, n) => ({
  id: crypto.randomUUID(),
  broker: links[n % CONNECTIONS],
  epoch: 0,
  tasks: [],
}));

/** One heartbeat of a member. */
async function beat(member: FakeMember): Promise<void> {
  const joins = member.epoch === 0;
  const answer = await streamsGroupHeartbeat(member.broker, {
    groupId,
    memberId: member.id,
    memberEpoch: member.epoch,
    rebalanceTimeoutMs: joins ? 60_000 : -1,
    topology: joins ? topology : null,
    activeTasks: member.tasks,
    processId: joins ? member.id : null,
  });
  if (answer.errorCode !== 0) throw new Error(`error ${answer.errorCode}: ${answer.errorMessage}`);
  member.epoch = answer.memberEpoch;
  member.tasks = answer.activeTasks ?? member.tasks;
}

/** Whether the tasks of all members are all tasks. */
function isSettled(): boolean {
  const owned = members.flatMap(({ tasks }) => tasks.flatMap(({ partitions }) => partitions));
  return owned.length === PARTITIONS && new Set(owned).size === PARTITIONS;
}

const begun = performance.now();
await inTurns(members);
console.log(`${count} members have joined in ${seconds(performance.now() - begun)}`);
const before = performance.now();
let rounds = 0;
for (let epochs = new Set([0]); epochs.size > 1 || !isSettled() || rounds < 2; rounds++) {
  await inTurns(members);
  epochs = new Set(members.map(({ epoch }) => epoch));
}
console.log(`settled in ${rounds} rounds, ${seconds(performance.now() - before)}`);

/** Each member's heartbeat, as fast as the broker answers. */
async function inTurns(all: readonly FakeMember[]): Promise<void> {
  await Promise.all(links.flatMap((link) => {
    const queue = all.filter(({ broker }) => broker === link);
    return Array.from({ length: PIPELINED }, async () => {
      for (let next = queue.pop(); next !== undefined; next = queue.pop()) await beat(next);
    });
  }));
}

async function fastest(over: number): Promise<void> {
  const used = links.slice(0, over);
  const cpu = cpuSeconds(owner);
  const from = performance.now();
  const end = from + MEASURE_MS;
  let done = 0;
  await Promise.all(used.flatMap((link) => {
    const its = members.filter(({ broker }) => broker === link);
    return Array.from({ length: PIPELINED }, async (_, lane) => {
      for (let n = lane; performance.now() < end; n += PIPELINED) {
        await beat(its[n % its.length]);
        done++;
      }
    });
  }));
  const took = performance.now() - from;
  console.log(
    `as fast as it answers, ${over} connections: ${rateOf(done / took * 1000)} requests/s, ` +
      `${((cpuSeconds(owner) - cpu) / took * 1000).toFixed(2)} cores of the broker`,
  );
}

async function paced(intervalMs: number): Promise<void> {
  const cpu = cpuSeconds(owner);
  const from = performance.now();
  const end = from + MEASURE_MS;
  const times: number[] = [];
  await Promise.all(members.map(async (member, n) => {
    let at = from + intervalMs * n / count;
    while (at < end) {
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, at - performance.now())));
      const sent = performance.now();
      await beat(member);
      times.push(performance.now() - sent);
      at = Math.max(at + intervalMs, performance.now());
    }
  }));
  const took = performance.now() - from;
  const sorted = times.toSorted((a, b) => a - b);
  console.log(
    `every ${intervalMs} ms: ${rateOf(times.length / took * 1000)} requests/s of ` +
      `${rateOf(count / intervalMs * 1000)} wanted, ` +
      `p50 ${median(sorted).toFixed(1)} ms, p99 ${
        sorted[Math.floor(sorted.length * 0.99)].toFixed(1)
      } ms, ${((cpuSeconds(owner) - cpu) / took * 1000).toFixed(2)} cores of the broker`,
  );
}

await paced(5_000); // to warm up
for (const over of [1, CONNECTIONS]) await fastest(over);
for (const intervalMs of [5_000, 1_000, 500, 200]) await paced(intervalMs);

ended.abort();
await Promise.all(connections.map((each) => each.close()));

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
