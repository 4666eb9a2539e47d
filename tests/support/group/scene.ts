/** A group in memory with machines that come and go, and workers that do what they are told. */
import { assert, assertEquals } from "@std/assert";
import { wakeAfter } from "../../../src/core/clock.ts";
import type { TaskId, Tasks } from "../../../src/core/task_id.ts";
import { silentLog } from "../../../src/core/log.ts";
import type { HandOverBoard } from "../../../src/group/hand_over.ts";
import type { Member, Membership, MembershipEvent } from "../../../src/group/membership.ts";
import type { StandbyStatus } from "../../../src/runtime/group/runner_settings.ts";
import { HandOver } from "../../../src/runtime/process/group/hand_over.ts";
import type { TestClock } from "../clock/test_clock.ts";
import type { FakeNetwork } from "../kafka/group/fake_network.ts";
import { Random } from "../values/random.ts";

/** A group in memory, and machines that may join it. */
export interface MembershipWorld {
  readonly network: FakeNetwork;
  readonly tasks: readonly TaskId[];
  /** Within this time after the last fault, each task must run, in milliseconds. */
  readonly settlesMs: number;
  /** The membership of a machine, which `isCut` cuts off the network. */
  machine(name: string, isCut: () => boolean): Membership;
  /** What takers of tasks post to, and how long their givers wait; absent if they do not. */
  readonly handOver?: { readonly board: HandOverBoard; readonly waitMs: number };
  /** What a machine's disk has of which tasks. Default: nothing is kept on disks. */
  disk?(machine: string): Map<TaskId, number>;
  /** How often the tasks have been shared out, if that is known. */
  generation?(): number;
  /** What the coordinator answers to a commit of these tasks: an error code. */
  commit(token: { memberId: string; epoch: number }, tasks: Tasks): number;
}

/** Makes a world out of chance. */
export type MakeWorld = (random: Random) => MembershipWorld;

/** How long reading the state of a task takes at most, in milliseconds. */
const READING_MS = 6_000;

/** How many microtasks an answer needs to get through a member, and more. */
const TURNS = 40;

/** Lets time pass, and members do what they want meanwhile. */
export async function pass(clock: TestClock, ms: number): Promise<void> {
  for (const end = clock.at + ms; clock.at < end;) {
    for (let turn = 0; turn < TURNS; turn++) await Promise.resolve();
    const next = clock.nextAt ?? end;
    clock.advance(Math.max(0, Math.min(next, end) - clock.at));
  }
  for (let turn = 0; turn < TURNS; turn++) await Promise.resolve();
}

/** A worker that does what its member is told, some time later. */
export class FakeWorker {
  readonly id: string;
  readonly member: Member;
  isDead = false;
  /** How many tasks it was given in all. */
  assigned = 0;
  events: MembershipEvent["kind"][] = [];
  /** The tasks of which it has had copies that have caught up. */
  readonly copied = new Set<TaskId>();
  /** The first wrong event. */
  problem: Error | null = null;
  /** How many tasks it was given that another one had run, with their states read or not. */
  readonly taken = { ready: 0, cold: 0 };
  /** The longest time that it has waited for takers, in milliseconds. */
  waitedMs = 0;
  readonly #handOver: HandOver | null;
  readonly #copies = new Map<TaskId, StandbyStatus>();
  readonly #owners: Map<TaskId, FakeWorker>;
  readonly #world: MembershipWorld;
  readonly #random: Random;
  readonly #disk: Map<TaskId, number> | undefined;
  #standbys: Tasks = new Set();
  readonly #caughtUp = new Set<TaskId>();

  constructor(
    id: string,
    membership: Membership,
    world: MembershipWorld,
    owners: Map<TaskId, FakeWorker>,
    random: Random,
    disk?: Map<TaskId, number>,
  ) {
    this.id = id;
    this.#disk = disk;
    this.#world = world;
    this.#owners = owners;
    this.#random = random;
    this.#handOver = world.handOver === undefined ? null : new HandOver({
      memberId: id,
      board: world.handOver.board,
      hasState: () => true,
      canPrepare: true,
      waitMs: world.handOver.waitMs,
      clock: world.network.clock,
      log: silentLog,
    });
    this.member = membership.join({
      id,
      ...disk === undefined ? {} : { onDisk: () => disk },
      onEvent: (event) => {
        try {
          this.#on(event);
        } catch (error) {
          this.problem ??= error as Error;
        }
      },
    });
  }

  #on(event: MembershipEvent): void {
    if (this.isDead) return;
    this.events.push(event.kind);
    if (event.kind === "failed") throw event.error;
    if (event.kind === "status") return;
    if (event.kind === "standbys") return this.#copy(event.tasks);
    if (event.kind === "awaited") return this.#await(event.tasks);
    if (event.kind === "assigned") {
      for (const task of event.tasks) {
        this.#disk?.set(task, this.#world.network.clock.at);
        const owner = this.#owners.get(task);
        assert(owner === undefined, `${task} is assigned to ${this.id}, and ${owner?.id} runs it`);
        this.#owners.set(task, this);
        const copy = this.#copies.get(task);
        if (copy !== undefined) this.taken[copy.lag === 0 ? "ready" : "cold"]++;
        this.#copies.delete(task);
      }
      this.assigned += event.tasks.size;
      return;
    }
    for (const task of event.tasks) {
      assertEquals(this.#owners.get(task), this, `${this.id} does not run ${task}`);
    }
    if (event.kind === "lost") {
      this.#handOver?.forget(event.tasks);
      for (const task of event.tasks) this.#owners.delete(task);
      return;
    }
    const from = this.#world.network.clock.at;
    const giveUp = (tasks: Tasks) => {
      this.waitedMs = Math.max(this.waitedMs, this.#world.network.clock.at - from);
      this.#giveUp(tasks);
    };
    if (this.#handOver === null) giveUp(event.tasks);
    else this.#handOver.give(event.tasks, giveUp);
  }

  /** Reads states of tasks that it is to get, which takes its time. */
  #await(tasks: Tasks): void {
    this.#handOver?.awaits(tasks, this.member.owned);
    for (const task of this.#copies.keys()) if (!tasks.has(task)) this.#copies.delete(task);
    for (const task of tasks) {
      if (this.#copies.has(task)) continue;
      const unread = { task, lag: null, hasFailed: false };
      this.#copies.set(task, unread);
      wakeAfter(this.#world.network.clock, this.#random.below(READING_MS), () => {
        if (this.isDead || this.#copies.get(task) !== unread) return;
        this.#copies.set(task, { task, lag: 0, hasFailed: false });
        this.#handOver?.copied([...this.#copies.values()]);
      });
    }
  }

  /** Copies states: each has caught up some time later, if it still is a standby then. */
  #copy(standbys: Tasks): void {
    for (const task of this.#standbys.difference(standbys)) this.#caughtUp.delete(task);
    for (const task of standbys.difference(this.#standbys)) {
      wakeAfter(this.#world.network.clock, this.#random.below(4_000), () => {
        if (this.isDead || !this.#standbys.has(task)) return;
        this.#disk?.set(task, this.#world.network.clock.at);
        this.#caughtUp.add(task);
        this.copied.add(task);
        this.member.caughtUp(new Set(this.#caughtUp));
      });
    }
    this.#standbys = standbys;
  }

  #giveUp(tasks: Tasks): void {
    wakeAfter(this.#world.network.clock, this.#random.below(60), () => {
      const given = tasks.intersection(this.member.owned);
      if (this.isDead) return;
      for (const task of given) this.#owners.delete(task);
      this.member.acknowledge(this.member.owned.difference(given));
    });
  }

  /** Commits once, and returns the answer. */
  async commit(): Promise<number> {
    const { clock } = this.#world.network;
    using token = await this.member.token();
    await new Promise<void>((resolve) => wakeAfter(clock, this.#random.below(30), resolve));
    return this.#world.commit(token, token.owned.intersection(this.member.owned));
  }

  /** The process is killed. */
  async die(): Promise<void> {
    this.isDead = true;
    this.#handOver?.close(false);
    this.#release();
    await this.member.stop();
  }

  async leave(): Promise<void> {
    this.isDead = true;
    this.#handOver?.close(true);
    this.#release();
    await this.member.leave();
  }

  #release(): void {
    for (const [task, owner] of this.#owners) if (owner === this) this.#owners.delete(task);
  }
}

/** One world with workers. */
export class Scene {
  readonly world: MembershipWorld;
  readonly random: Random;
  readonly owners = new Map<TaskId, FakeWorker>();
  readonly workers = new Set<FakeWorker>();
  readonly #all: FakeWorker[] = [];
  readonly #cut = new Set<string>();

  constructor(make: MakeWorld, seed: number) {
    this.random = new Random(seed);
    this.world = make(this.random);
  }

  /** A machine with one worker. */
  start(machine: string): FakeWorker {
    return this.startMachine(machine, 1)[0];
  }

  /** A machine with workers: members of one process. */
  startMachine(machine: string, workers: number): FakeWorker[] {
    const membership = this.machine(machine);
    return Array.from({ length: workers }, (_, worker) => {
      const id = `${machine}-${worker}`;
      const disk = this.world.disk?.(machine);
      const started = new FakeWorker(id, membership, this.world, this.owners, this.random, disk);
      this.workers.add(started);
      this.#all.push(started);
      return started;
    });
  }

  /** A machine that has no worker yet, and comes back with the ids that it had. */
  machine(name: string): Membership {
    return this.world.machine(name, () => this.#cut.has(name));
  }

  /** How many tasks members were given in all. */
  get assigned(): number {
    return this.#all.reduce((sum, { assigned }) => sum + assigned, 0);
  }

  /** How many tasks members got of others that ran them, with their states read or not. */
  get taken(): { readonly ready: number; readonly cold: number } {
    return {
      ready: this.#all.reduce((sum, { taken }) => sum + taken.ready, 0),
      cold: this.#all.reduce((sum, { taken }) => sum + taken.cold, 0),
    };
  }

  /** The longest time that a member has waited for takers, in milliseconds. */
  get waitedMs(): number {
    return Math.max(...this.#all.map(({ waitedMs }) => waitedMs));
  }

  /** Whether each task runs, and no worker has two more than another. */
  get isSettled(): boolean {
    if (this.owners.size < this.world.tasks.length) return false;
    let [least, most] = [Infinity, 0];
    for (const { member } of this.workers) {
      least = Math.min(least, member.owned.size);
      most = Math.max(most, member.owned.size);
    }
    return most - least <= 1;
  }

  cut(machine: string, isCut: boolean): void {
    if (isCut) this.#cut.add(machine);
    else this.#cut.delete(machine);
  }

  async end(worker: FakeWorker, how: "die" | "leave"): Promise<void> {
    this.workers.delete(worker);
    const ended = worker[how]();
    await this.pass(5_000);
    await ended;
  }

  async pass(ms: number): Promise<void> {
    await pass(this.world.network.clock, ms);
    for (const { problem } of this.#all) if (problem !== null) throw problem;
  }

  /** Each task has an owner that lives, and the workers have nearly as many as each other. */
  check(what: string): void {
    const missing = this.world.tasks.filter((task) => !this.owners.has(task));
    assertEquals(missing, [], `${what}: nobody runs these`);
    const counts = Array.from(this.workers, ({ member }) => member.owned.size);
    assert(Math.max(...counts) - Math.min(...counts) <= 1, `${what}: tasks ${counts}`);
    const has = Map.groupBy(this.owners.keys(), (task) => this.owners.get(task));
    for (const worker of this.workers) {
      const its = new Set(has.get(worker));
      assertEquals(its.symmetricDifference(worker.member.owned).size, 0, `${what}: ${worker.id}`);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(Array.from(this.workers, (worker) => worker.die()));
  }
}
