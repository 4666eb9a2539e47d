/**
 * What every {@linkcode Membership} has to do, whatever protocol its group speaks.
 *
 * Schedules are random, with a seed: machines come and go, requests and answers get lost or come
 * late. The members' own statements are checked at each event, so two owners of a task are found
 * when they happen.
 */
import { assert, assertEquals } from "@std/assert";
import { wakeAfter } from "../../src/core/clock.ts";
import type { Member, Membership, MembershipEvent } from "../../src/group/membership.ts";
import type { TaskId, Tasks } from "../../src/core/task_id.ts";
import type { TestClock } from "../support/clock/test_clock.ts";
import type { FakeNetwork } from "../support/kafka/group/fake_network.ts";
import { Random } from "../support/values/random.ts";

/** A group in memory, and machines that may join it. */
export interface MembershipWorld {
  readonly network: FakeNetwork;
  readonly tasks: readonly TaskId[];
  /** Within this time after the last fault, each task must run, in milliseconds. */
  readonly settlesMs: number;
  /** The membership of a machine, which `isCut` cuts off the network. */
  machine(name: string, isCut: () => boolean): Membership;
  /** What the coordinator answers to a commit of these tasks: an error code. */
  commit(token: { memberId: string; epoch: number }, tasks: Tasks): number;
}

/** Makes a world out of chance. */
export type MakeWorld = (random: Random) => MembershipWorld;

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
class FakeWorker {
  readonly id: string;
  readonly member: Member;
  isDead = false;
  events: MembershipEvent["kind"][] = [];
  /** The first wrong event. */
  problem: Error | null = null;
  readonly #owners: Map<TaskId, FakeWorker>;
  readonly #world: MembershipWorld;
  readonly #random: Random;

  constructor(
    id: string,
    membership: Membership,
    world: MembershipWorld,
    owners: Map<TaskId, FakeWorker>,
    random: Random,
  ) {
    this.id = id;
    this.#world = world;
    this.#owners = owners;
    this.#random = random;
    this.member = membership.join({
      id,
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
    if (event.kind === "assigned") {
      for (const task of event.tasks) {
        const owner = this.#owners.get(task);
        assert(owner === undefined, `${task} is assigned to ${this.id}, and ${owner?.id} runs it`);
        this.#owners.set(task, this);
      }
      return;
    }
    for (const task of event.tasks) {
      assertEquals(this.#owners.get(task), this, `${this.id} does not run ${task}`);
    }
    if (event.kind === "lost") { for (const task of event.tasks) this.#owners.delete(task); }
    else this.#giveUp(event.tasks);
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
    this.#release();
    await this.member.stop();
  }

  async leave(): Promise<void> {
    this.isDead = true;
    this.#release();
    await this.member.leave();
  }

  #release(): void {
    for (const [task, owner] of this.#owners) if (owner === this) this.#owners.delete(task);
  }
}

/** One world with workers. */
class Scene {
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

  start(machine: string, worker = 0): FakeWorker {
    const isCut = () => this.#cut.has(machine);
    const membership = this.world.machine(machine, isCut);
    const id = `${machine}-${worker}`;
    const started = new FakeWorker(id, membership, this.world, this.owners, this.random);
    this.workers.add(started);
    this.#all.push(started);
    return started;
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
    for (const worker of this.workers) {
      const has = this.world.tasks.filter((task) => this.owners.get(task) === worker);
      assertEquals(new Set(has), new Set(worker.member.owned), `${what}: ${worker.id}`);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(Array.from(this.workers, (worker) => worker.die()));
  }
}

/** The first seed: another each day finds more, and the failure names it. */
function firstSeed(): number {
  return Number(Deno.env.get("SEED") ?? 1);
}

/** Registers the suite for one protocol. */
export function testMembership(name: string, make: MakeWorld, seeds: number): void {
  Deno.test(`${name}: members that join share the tasks, and only moved tasks stop`, async () => {
    await using scene = new Scene(make, 1);
    const first = scene.start("a");
    await scene.pass(scene.world.settlesMs);
    scene.check("one member");
    const kept = new Set(first.member.owned);
    const second = scene.start("b");
    await scene.pass(scene.world.settlesMs);
    scene.check("two members");
    assert(first.member.owned.isSubsetOf(kept));
    assertEquals(first.events, ["assigned", "revoke"]);
    assertEquals(second.events, ["assigned"]);
  });

  Deno.test(`${name}: the tasks of a member that leaves run elsewhere`, async () => {
    await using scene = new Scene(make, 2);
    scene.start("a");
    const second = scene.start("b");
    await scene.pass(scene.world.settlesMs);
    await scene.end(second, "leave");
    scene.check("after it left");
  });

  Deno.test(`${name}: a member that comes back within its session gets the same tasks`, async () => {
    await using scene = new Scene(make, 3);
    const first = scene.start("a");
    const second = scene.start("b");
    await scene.pass(scene.world.settlesMs);
    const before = new Set(second.member.owned);
    const events = first.events.length;
    scene.workers.delete(second);
    await second.die();
    await scene.pass(1_000);
    const back = scene.start("b");
    await scene.pass(1_000);
    assertEquals(new Set(back.member.owned), before);
    assertEquals(first.events.length, events, "nothing moves");
  });

  Deno.test(`${name}: a member that is cut off drops its tasks before others get them`, async () => {
    await using scene = new Scene(make, 4);
    scene.start("a");
    const second = scene.start("b");
    await scene.pass(scene.world.settlesMs);
    scene.cut("b", true);
    await scene.pass(scene.world.settlesMs);
    assertEquals(second.events.at(-1), "lost");
    assertEquals(second.member.owned.size, 0);
    assertEquals(scene.owners.size, scene.world.tasks.length);
    scene.cut("b", false);
    await scene.pass(scene.world.settlesMs);
    scene.check("after it is back");
  });

  Deno.test(`${name}: no commit is refused while members join and leave`, async () => {
    await using scene = new Scene(make, 5);
    const first = scene.start("a");
    await scene.pass(scene.world.settlesMs);
    const codes: number[] = [];
    let isOver = false;
    const committing = (async () => {
      while (!isOver) codes.push(await first.commit());
    })();
    for (let round = 0; round < 5; round++) {
      const other = scene.start(`b${round}`);
      await scene.pass(2_000 + scene.random.below(100));
      await scene.end(other, "leave");
    }
    isOver = true;
    await scene.pass(1_000);
    await committing;
    assert(codes.length > 100, `${codes.length} commits`);
    assertEquals(codes.filter((code) => code !== 0), []);
  });

  const first = firstSeed();
  Deno.test(`${name}: ${seeds} random schedules from seed ${first} have no two owners, and settle`, async () => {
    const happened = new Map<string, number>();
    for (let seed = first; seed < first + seeds; seed++) {
      try {
        await schedule(make, seed, happened);
      } catch (error) {
        throw new Error(`with SEED=${seed}: ${(error as Error).message}`, { cause: error });
      }
    }
    for (const fault of ["request lost", "answer lost", "request late", "silence", "cut"]) {
      assert((happened.get(fault) ?? 0) > 0, `${fault} never happened`);
    }
  });
}

const MACHINES = ["a", "b", "c", "d"];
const ACTIONS = 12;

async function schedule(make: MakeWorld, seed: number, happened: Map<string, number>) {
  await using scene = new Scene(make, seed);
  const { random, world } = scene;
  const machineOf = ({ id }: FakeWorker) => id.split("-")[0];
  world.network.faultsInHundred = random.below(20);
  for (let action = 0; action < ACTIONS; action++) {
    const machine = random.pick(MACHINES);
    const worker = [...scene.workers].find((each) => machineOf(each) === machine);
    if (worker === undefined) {
      scene.start(machine);
    } else {
      const what = random.pick(["die", "leave", "cut", "heal"] as const);
      if (what === "die" || what === "leave") await scene.end(worker, what);
      else scene.cut(machine, what === "cut");
      if (what === "cut") happened.set("cut", (happened.get("cut") ?? 0) + 1);
    }
    await scene.pass(random.below(random.pick([300, 3_000, 20_000])));
  }
  for (const machine of MACHINES) scene.cut(machine, false);
  world.network.faultsInHundred = 0;
  if (scene.workers.size === 0) scene.start("a");
  await scene.pass(world.settlesMs);
  scene.check("once faults have stopped");
  for (const [fault, count] of world.network.happened) {
    happened.set(fault, (happened.get(fault) ?? 0) + count);
  }
}
