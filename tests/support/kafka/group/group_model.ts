/** A classic group as its leader sees it: generations, without requests or time. */
import { assert } from "@std/assert";
import {
  type GroupMember,
  type SharedWork,
  sharesOf,
  WARM_UPS,
} from "../../../../src/connectors/kafka/group/shares.ts";
import { partsOf, type TaskId, taskId, type Tasks } from "../../../../src/core/task_id.ts";
import type { Random } from "../../values/random.ts";

/** How many rounds without another copy that catches up a member waits before it says ready. */
const PATIENCE = 12;

/** How many generations are more than a group ever needs to come to rest. */
const MOST = 400;

interface Machine {
  readonly name: string;
  readonly hasDisk: boolean;
  /** Whether its copies get nowhere. */
  readonly isBroken: boolean;
  readonly onDisk: Map<TaskId, number>;
}

class Worker {
  readonly id: string;
  readonly machine: Machine;
  owned = new Set<TaskId>();
  awaits: Tasks = new Set();
  warmUps: Tasks = new Set();
  standbys: Tasks = new Set();
  ready = new Set<TaskId>();
  claimedReady: Tasks = new Set();
  toRelease = new Set<TaskId>();
  patience = PATIENCE;
  wants = true; // another generation

  constructor(id: string, machine: Machine) {
    this.id = id;
    this.machine = machine;
  }
}

/** A group in which chance decides who comes and goes, and whose copies catch up. */
export class GroupModel {
  readonly work: SharedWork;
  /** How many tasks have moved to a member that was ready. */
  handedOver = 0;
  /** How many were moved though their copies had not caught up. */
  gaveUp = 0;
  readonly #random: Random;
  readonly #machines: Machine[];
  #workers: Worker[] = [];
  readonly #ends = new Map<TaskId, number>();
  readonly #tasks: readonly TaskId[];
  #started = 0;

  constructor(random: Random, work: SharedWork) {
    this.#random = random;
    this.work = work;
    this.#tasks = [...work.counts].flatMap(([name, count]) =>
      Array.from({ length: count }, (_, partition) => taskId(name, partition))
    );
    for (const task of this.#tasks) this.#ends.set(task, random.below(1_000));
    this.#machines = Array.from({ length: 1 + random.below(5) }, (_, n) => ({
      name: `node${n}`,
      hasDisk: random.below(5) > 0,
      isBroken: random.below(6) === 0,
      onDisk: new Map(),
    }));
    this.#start();
  }

  /** The members as they claim to be. */
  get members(): readonly GroupMember[] {
    return this.#workers.map(({ id, machine, owned, awaits, ready, standbys }) => ({
      id,
      processId: machine.name,
      owned: new Set(owned),
      onDisk: new Map(machine.onDisk),
      awaits,
      ready: new Set(ready),
      standbys,
      keepsCopies: machine.hasDisk,
    }));
  }

  #start(): void {
    const machine = this.#random.pick(this.#machines);
    this.#workers.push(new Worker(`m${this.#random.below(1_000)}-${this.#started++}`, machine));
  }

  /** A member comes or goes, or the tasks get further. */
  disturb(): void {
    const what = this.#random.below(4);
    if (what < 2 && this.#workers.length < 8) this.#start();
    if (what === 2 && this.#workers.length > 1) {
      const gone = this.#random.pick(this.#workers);
      this.#workers = this.#workers.filter((each) => each !== gone);
      for (const each of this.#workers) each.wants = true;
    }
    if (what === 3) {
      for (const task of this.#tasks) {
        this.#ends.set(task, this.#ends.get(task)! + this.#random.below(500));
      }
    }
  }

  /** Lets members do something some times: not all do at once. */
  run(rounds: number): void {
    for (let round = 0; round < rounds; round++) {
      for (const worker of this.#workers) if (this.#random.below(3) > 0) this.#act(worker);
      if (this.#workers.some(({ wants }) => wants)) this.#generation();
    }
  }

  /**
   * Runs until nobody wants another generation. Returns how many there were.
   *
   * @throws {Error} If there is no end.
   */
  settle(): number {
    let generations = 0;
    for (let idle = 0; idle < 3 * PATIENCE;) {
      for (const worker of this.#workers) this.#act(worker);
      if (!this.#workers.some(({ wants }) => wants)) {
        idle++;
        continue;
      }
      idle = 0;
      this.#generation();
      assert(++generations < MOST, "there is always another generation");
    }
    return generations;
  }

  #act(worker: Worker): void {
    const { machine, owned } = worker;
    for (const task of worker.toRelease) {
      owned.delete(task);
      worker.wants = true;
    }
    worker.toRelease.clear();
    if (machine.hasDisk) {
      for (const task of owned) {
        if (this.#hasState(task)) machine.onDisk.set(task, this.#ends.get(task)!);
      }
      if (!machine.isBroken) { for (const task of worker.standbys) this.#copy(worker, task); }
    }
    for (const task of worker.ready) if (!worker.standbys.has(task)) worker.ready.delete(task);
    const missing = worker.warmUps.difference(worker.ready);
    if (missing.size > 0 && --worker.patience <= 0) {
      for (const task of missing) worker.ready.add(task);
      this.gaveUp += missing.size;
    }
    if (worker.warmUps.intersection(worker.ready).difference(worker.claimedReady).size > 0) {
      worker.wants = true;
    }
  }

  #copy(worker: Worker, task: TaskId): void {
    const { onDisk } = worker.machine;
    const [at, end] = [onDisk.get(task) ?? 0, this.#ends.get(task)!];
    onDisk.set(task, Math.min(end, at + this.#random.below(400)));
    if (onDisk.get(task) !== end || worker.ready.has(task)) return;
    worker.ready.add(task);
    worker.patience = PATIENCE;
  }

  #hasState(task: TaskId): boolean {
    return this.work.stateful.has(partsOf(task).subtopology);
  }

  #generation(): void {
    const members = this.members;
    const shares = sharesOf(members.toSorted(() => this.#random.below(3) - 1), this.work);
    const granted = new Map<TaskId, string>();
    for (const { id, owned } of members) {
      for (const task of owned.union(shares.get(id)!.tasks)) {
        assert(!granted.has(task), `${task} has two owners`);
        granted.set(task, id);
      }
    }
    // What nobody runs is never held back.
    for (const task of this.#tasks) assert(granted.has(task), `nobody runs ${task}`);
    for (const worker of this.#workers) {
      const { tasks, awaits, warmUps, standbys } = shares.get(worker.id)!;
      assert(warmUps.size <= WARM_UPS, `${warmUps.size} warm-ups`);
      assert(warmUps.isSubsetOf(awaits) && warmUps.isSubsetOf(standbys), "warm-ups");
      worker.claimedReady = new Set(worker.ready);
      for (const task of tasks) {
        if (worker.ready.has(task) && !worker.owned.has(task)) this.handedOver++;
        worker.owned.add(task);
      }
      worker.toRelease = new Set(worker.owned.difference(tasks));
      Object.assign(worker, { awaits, warmUps, standbys, wants: false });
      if (warmUps.size === 0) worker.patience = PATIENCE;
    }
  }
}
