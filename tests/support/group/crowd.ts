/**
 * A group with many machines: random schedules of joins, leaves, kills, cut networks, and lost and
 * late answers, with a seed. Two owners of a task are found when they happen. Once the group has
 * been left alone, each task must run. Then single events must move hardly more than they have to.
 */
import { assert } from "@std/assert";
import type { TaskId } from "../../../src/core/task_id.ts";
import { type FakeWorker, type MakeWorld, Scene } from "./scene.ts";

/** How large a group is, and what happens to it. */
export interface CrowdOptions {
  readonly machines: number;
  /** Workers of each machine: members of the group. */
  readonly workers: number;
  /** How many things happen before it is left alone. */
  readonly events: number;
  /** How many single events are measured then. */
  readonly measured: number;
}

/** What a schedule has shown. */
export interface CrowdReport {
  /** Tasks that measured events moved, and the least that they could. */
  readonly moved: number;
  readonly least: number;
  /** Times of measured joins and leaves until each task ran again, in milliseconds. */
  readonly settledMs: readonly number[];
  /** How often each fault happened. */
  readonly happened: ReadonlyMap<string, number>;
  /** Time of the schedule, as its clock has it. */
  readonly ms: number;
  /** Requests of all members together. */
  readonly requests: number;
  /** How many machines there were at the end. */
  readonly machines: number;
  /** Requests of members in a second in which nothing happens. */
  readonly idleRequests: number;
  /** As `Scene.taken` and `Scene.waitedMs`. */
  readonly taken: { readonly ready: number; readonly cold: number };
  readonly waitedMs: number;
}

/** What happens to machines. */
const EVENTS = ["join", "leave", "die", "return", "cut"] as const;

/** What a measured event may move beyond the least, as a share and as tasks. */
const SLACK = { share: 0.1, tasks: 4 };

/** Runs a schedule. */
export async function crowd(
  make: MakeWorld,
  seed: number,
  options: CrowdOptions,
): Promise<CrowdReport> {
  await using group = new Crowd(make, seed, options);
  await group.start();
  await group.trouble();
  await group.settle("once faults have stopped");
  return await group.measure();
}

class Crowd {
  readonly #scene: Scene;
  readonly #options: CrowdOptions;
  readonly #machines = new Map<string, FakeWorker[]>();
  readonly #cut = new Set<string>();
  readonly #happened = new Map<string, number>();
  readonly #ending: Promise<void>[] = [];
  #named = 0;

  constructor(make: MakeWorld, seed: number, options: CrowdOptions) {
    this.#scene = new Scene(make, seed);
    this.#options = options;
  }

  async start(): Promise<void> {
    for (let n = 0; n < this.#options.machines; n++) {
      this.#join();
      if (this.#scene.random.below(4) === 0) await this.#scene.pass(this.#scene.random.below(50));
    }
    await this.settle("at first");
  }

  /** Machines come and go, and the network loses what it is given. */
  async trouble(): Promise<void> {
    const { random, world } = this.#scene;
    world.network.faultsInHundred = 1 + random.below(12);
    const unseen = [...EVENTS];
    for (let event = 0; event < this.#options.events; event++) {
      // Each once, in an order by chance, and then any.
      const [what] = unseen.length === 0
        ? [random.pick(EVENTS)]
        : unseen.splice(random.below(unseen.length), 1);
      this.#count(what);
      // Often several at once, as when a rack loses power or a deployment begins.
      const times = random.pick([1, 1, 2, Math.ceil(this.#options.machines / 10)]);
      for (let time = 0; time < times; time++) await this.#do(what);
      await this.#scene.pass(random.below(random.pick([100, 1_000, 10_000])));
    }
    for (const machine of this.#cut) this.#scene.cut(machine, false);
    this.#cut.clear();
    world.network.faultsInHundred = 0;
    if (this.#machines.size < 2) { for (let n = 0; n < 2; n++) this.#join(); }
  }

  async settle(what: string): Promise<void> {
    await this.#scene.pass(this.#scene.world.settlesMs);
    this.#scene.check(what);
  }

  /** Single events, with time to settle: how much moves? */
  async measure(): Promise<CrowdReport> {
    const { network, settlesMs } = this.#scene.world;
    let moved = 0;
    let least = 0;
    const settledMs: number[] = [];
    for (let event = 0; event < this.#options.measured; event++) {
      const what = EVENTS[event % 4]; // not "cut", which is like "die"
      const before = new Map(this.#scene.owners);
      const from = this.#scene.assigned;
      const machine = await this.#do(what);
      const begun = network.clock.at;
      let left = settlesMs;
      while (left > 0 && !this.#scene.isSettled) {
        await this.#scene.pass(10);
        left -= 10;
      }
      if (what === "join" || what === "leave") settledMs.push(network.clock.at - begun);
      await this.#scene.pass(left);
      this.#scene.check(`after one more "${what}"`);
      const its = this.#leastOf(what, machine, before);
      // Machines that are back get their own tasks, which have not moved.
      const here = what === "return" ? this.#tasksOf(machine) : 0;
      const movedHere = this.#scene.assigned - from - here;
      assert(
        movedHere <= its * (1 + SLACK.share) + SLACK.tasks,
        `"${what}" moves ${movedHere} tasks, and ${its} are enough`,
      );
      moved += movedHere;
      least += its;
    }
    const asked = network.requests;
    await this.#scene.pass(20_000);
    for (const [fault, count] of network.happened) this.#count(fault, count);
    return {
      moved,
      least,
      settledMs,
      happened: this.#happened,
      ms: network.clock.at,
      requests: network.requests,
      machines: this.#machines.size,
      idleRequests: (network.requests - asked) / 20,
      taken: this.#scene.taken,
      waitedMs: this.#scene.waitedMs,
    };
  }

  /** How many tasks have to move. */
  #leastOf(
    what: typeof EVENTS[number],
    machine: string,
    before: ReadonlyMap<TaskId, FakeWorker>,
  ): number {
    if (what === "join") return this.#tasksOf(machine);
    if (what === "return") return 0;
    return [...before.values()].filter((worker) => machineOf(worker) === machine).length;
  }

  #tasksOf(machine: string): number {
    return [...this.#scene.owners.values()].filter((each) => machineOf(each) === machine).length;
  }

  /** Does it to a machine, and returns its name. */
  async #do(what: typeof EVENTS[number]): Promise<string> {
    if (what === "join" || this.#machines.size < 2) return this.#join();
    const { random } = this.#scene;
    const name = random.pick([...this.#machines.keys()]);
    const workers = this.#machines.get(name)!;
    if (what === "cut") {
      if (this.#cut.delete(name)) {
        this.#scene.cut(name, false);
      } else {
        this.#cut.add(name);
        this.#scene.cut(name, true);
      }
      return name;
    }
    this.#machines.delete(name);
    for (const worker of workers) {
      this.#scene.workers.delete(worker);
      this.#ending.push(what === "leave" ? worker.leave() : worker.die());
    }
    if (what === "return") {
      await this.#scene.pass(random.below(3_000));
      this.#join(name);
    }
    return name;
  }

  #join(name = `m${this.#named++}`): string {
    this.#machines.set(name, this.#scene.startMachine(name, this.#options.workers));
    return name;
  }

  #count(what: string, times = 1): void {
    this.#happened.set(what, (this.#happened.get(what) ?? 0) + times);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#scene[Symbol.asyncDispose]();
    await Promise.all(this.#ending);
  }
}

function machineOf({ id }: FakeWorker): string {
  return id.slice(0, id.lastIndexOf("-"));
}
