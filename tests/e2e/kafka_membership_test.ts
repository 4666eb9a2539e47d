/** Members of groups on a real broker, in each protocol. */
import { assert, assertEquals } from "@std/assert";
import type { Member, Membership } from "../../src/connectors/kafka/group/membership.ts";
import {
  openMembership,
  type OpenMembershipOptions,
} from "../../src/connectors/kafka/group/open_membership.ts";
import type { TaskId } from "../../src/connectors/kafka/group/tasks.ts";
import { connectionSettings } from "../../src/connectors/kafka/properties/connection_settings.ts";
import { givenToRecovery } from "../../src/connectors/kafka/properties/given_properties.ts";
import { createTopic, kafkaBrokers } from "../support/kafka/kafka.ts";

const PARTITIONS = 8;

/** How each protocol is opened. */
const PROTOCOLS: Record<string, (options: OpenMembershipOptions) => Promise<Membership>> = {
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
  readonly #open: (processId: string) => Promise<Membership>;
  readonly #machines = new Set<Membership>();
  readonly #ended = new AbortController();
  #failure: Error | null = null;
  #changed = Promise.withResolvers<void>();

  constructor(
    open: (options: OpenMembershipOptions) => Promise<Membership>,
    options: Pick<OpenMembershipOptions, "brokers" | "groupId" | "topology">,
  ) {
    this.#open = (processId) =>
      open({
        ...options,
        settings: connectionSettings(givenToRecovery({})),
        signal: this.#ended.signal,
        processId,
      });
  }

  static async create(open: (options: OpenMembershipOptions) => Promise<Membership>) {
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

  async machine(): Promise<Membership> {
    const membership = await this.#open(crypto.randomUUID());
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
    console.log(`${protocol}: told → new owner, in ms: ${group.movedMs.map(Math.round)}`);
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
