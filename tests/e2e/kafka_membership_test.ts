/** Members of groups on a real broker, in each protocol. */
import { assert, assertEquals } from "@std/assert";
import { KafkaConnection } from "../../src/connectors/kafka/client/connection.ts";
import { streamsLink } from "../../src/connectors/kafka/group/coordinator_link.ts";
import { Members } from "../../src/connectors/kafka/group/members.ts";
import type { Member, Membership } from "../../src/group/membership.ts";
import {
  openMembership,
  type OpenMembershipOptions,
} from "../../src/connectors/kafka/group/open_membership.ts";
import {
  StreamsMachine,
  type StreamsRequest,
} from "../../src/connectors/kafka/group/streams_machine.ts";
import type { TaskId } from "../../src/core/task_id.ts";
import { connectionSettings } from "../../src/connectors/kafka/properties/connection_settings.ts";
import { givenToRecovery } from "../../src/connectors/kafka/properties/given_properties.ts";
import { silentLog } from "../../src/core/log.ts";
import { createTopic, kafkaBrokers } from "../support/kafka/kafka.ts";

const PARTITIONS = 8;

/** Opens the membership of a machine. */
type Open = (options: OpenMembershipOptions) => Promise<Membership>;

/** How each protocol is opened. */
const PROTOCOLS: Record<string, Open> = {
  streams: (options) =>
    openMembership({
      ...options,
      groupConfigs: {
        "streams.initial.rebalance.delay.ms": "0",
        "streams.assignment.interval.ms": "0",
      },
    }), // which is what it chooses
  classic: (options) => openMembership(options, "classic"),
};

/** Machines of one group, with workers that give up what they are told to at once. */
class Group implements AsyncDisposable {
  readonly owners = new Map<TaskId, string>();
  /** When each task was last told to be given up. */
  readonly toldAt = new Map<TaskId, number>();
  /** How long tasks took from one owner to the next, in milliseconds. */
  readonly movedMs: number[] = [];
  readonly #open: (processId: string, open?: Open) => Promise<Membership>;
  readonly #machines = new Set<Membership>();
  readonly #ended = new AbortController();
  #failure: Error | null = null;
  #changed = Promise.withResolvers<void>();

  constructor(
    open: Open,
    options: Pick<OpenMembershipOptions, "brokers" | "groupId" | "topology">,
  ) {
    this.#open = (processId, other = open) =>
      other({
        ...options,
        settings: connectionSettings(givenToRecovery({})),
        signal: this.#ended.signal,
        processId,
      });
  }

  static async create(open: Open) {
    const brokers = await kafkaBrokers();
    const topic = await createTopic(brokers, { partitions: PARTITIONS });
    const subtopology = {
      subtopologyId: "read",
      sourceTopics: [topic],
      changelogTopics: [],
      repartitionSinkTopics: [],
      repartitionSourceTopics: [],
    };
    const topology = { epoch: 0, subtopologies: [subtopology] };
    return new Group(open, { brokers, groupId: `group-${topic}`, topology });
  }

  /** A machine of the group; `open` if it is another than that of the others. */
  async machine(open?: Open): Promise<Membership> {
    const membership = await this.#open(crypto.randomUUID(), open);
    this.#machines.add(membership);
    return membership;
  }

  join(membership: Membership, id: string): Member {
    const member = membership.join({
      id,
      onEvent: (event) => {
        const now = performance.now();
        if (event.kind === "failed") this.#failure = event.error;
        if (event.kind === "assigned") {
          for (const task of event.tasks) {
            if (this.owners.has(task)) this.#failure = new Error(`${task} has two owners`);
            this.owners.set(task, id);
            const told = this.toldAt.get(task);
            if (told !== undefined) this.movedMs.push(now - told);
            this.toldAt.delete(task);
          }
        }
        if (event.kind === "revoke" || event.kind === "lost") {
          for (const task of event.tasks) {
            this.owners.delete(task);
            this.toldAt.set(task, now);
          }
        }
        if (event.kind === "revoke") {
          queueMicrotask(() => member.acknowledge(member.owned.difference(event.tasks)));
        }
        this.#changed.resolve();
      },
    });
    return member;
  }

  /** A process is gone: its owner is not one any more. */
  forget(id: string): void {
    for (const [task, owner] of this.owners) if (owner === id) this.owners.delete(task);
  }

  /** Waits until each of these members has this many tasks. */
  async until(counts: Record<string, number>, withinMs = 20_000): Promise<void> {
    const late = setTimeout(() => {
      this.#failure ??= new Error(
        `${JSON.stringify(counts)} instead of ${JSON.stringify(this.#counts())}`,
      );
      this.#changed.resolve();
    }, withinMs);
    try {
      for (;;) {
        if (this.#failure !== null) throw this.#failure;
        const has = this.#counts();
        const all = Object.entries(counts).every(([id, count]) => (has[id] ?? 0) === count);
        if (all) return;
        this.#changed = Promise.withResolvers();
        await this.#changed.promise;
      }
    } finally {
      clearTimeout(late);
    }
  }

  #counts(): Record<string, number> {
    const counts: Record<string, number> = {};
    for (const id of this.owners.values()) counts[id] = (counts[id] ?? 0) + 1;
    return counts;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended.abort();
    await Promise.all(Array.from(this.#machines, (machine) => machine.close()));
  }
}

for (const [protocol, open] of Object.entries(PROTOCOLS)) {
  Deno.test(`${protocol}: members on two machines share the tasks, and a leaver's move on`, async () => {
    await using group = await Group.create(open);
    const one = await group.machine();
    const [a, b, c] = ["a", "b", "c"].map((name) => `${name}-${crypto.randomUUID()}`);
    group.join(one, a);
    await group.until({ [a]: 8 });
    group.join(one, b); // a second worker of the same machine
    await group.until({ [a]: 4, [b]: 4 });
    const two = await group.machine();
    const third = group.join(two, c);
    await group.until({ [c]: 2 });
    assertEquals(group.movedMs.length, 6); // 4 to the second member, 2 to the third
    group.forget(c);
    await third.leave();
    await group.until({ [a]: 4, [b]: 4 });
  });

  Deno.test(`${protocol}: a member that comes back gets its tasks, and nothing moves`, async () => {
    await using group = await Group.create(open);
    const [a, b] = ["a", "b"].map((name) => `${name}-${crypto.randomUUID()}`);
    const one = await group.machine();
    group.join(one, a);
    const two = await group.machine();
    group.join(two, b);
    await group.until({ [a]: 4, [b]: 4 });
    const before = new Map(group.owners);
    await two.close(); // without leaving
    group.forget(b);
    group.movedMs.length = 0;
    group.join(await group.machine(), b);
    await group.until({ [b]: 4 });
    assertEquals(new Map([...group.owners].sort()), new Map([...before].sort()));
    assertEquals(group.toldAt.size + group.movedMs.length, 0, "nobody was told to give tasks up");
    assert([...group.owners.values()].filter((owner) => owner === a).length === 4);
  });
}

Deno.test("streams: a member that loses the answer with its tasks runs them all the same", async () => {
  const asked: StreamsRequest["kind"][] = [];
  let lost = 0;
  /** Members over a link that loses the first answer with tasks, which the broker never repeats. */
  const lossy: Open = async (options) => {
    const { brokers, settings, signal, groupId, processId, topology } = options;
    const connection = new KafkaConnection(brokers, [], settings, { log: silentLog, signal });
    await connection.open(() => connection.metadata());
    const link = streamsLink(connection, groupId);
    return new Members({
      sessionTimeoutMs: 45_000,
      machineFor: ({ id }) =>
        new StreamsMachine({
          groupId,
          memberId: id,
          processId,
          topology,
          sessionTimeoutMs: 45_000,
          rebalanceTimeoutMs: 60_000,
          heartbeatMs: 50,
          scoutMs: 50,
          requestTimeoutMs: 1_000,
        }),
      linkFor: () => ({
        send: async (request: StreamsRequest) => {
          asked.push(request.kind);
          const answer = await link.send(request);
          if (answer.kind !== "heartbeat" || lost > 0) return answer;
          if (!(answer.answer.activeTasks?.length ?? 0)) return answer;
          lost++;
          throw new Error("the answer is lost");
        },
        drop: () => link.drop(),
        isFatal: (error) => link.isFatal(error),
        close: () => link.close(),
      }),
    });
  };
  await using group = await Group.create(PROTOCOLS.streams);
  const [a, b] = ["a", "b"].map((name) => `${name}-${crypto.randomUUID()}`);
  group.join(await group.machine(), a);
  await group.until({ [a]: PARTITIONS });
  group.join(await group.machine(lossy), b);
  await group.until({ [a]: PARTITIONS / 2, [b]: PARTITIONS / 2 });
  assertEquals(lost, 1);
  assert(asked.includes("describe"));
});
