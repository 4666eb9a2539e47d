/**
 * Which members of a classic group keep copies of the states of others' tasks: standbys. Pure.
 *
 * - Apart: never on the machine that runs the task, and one on a machine. What is lost with that
 *   machine is then somewhere else.
 * - Sticky: a copy stays where it is, as far as the other rules allow. Failing that, a member that
 *   has much of the state on its disk comes first.
 * - Even: no copy can be moved to another member so that the two have more equal numbers.
 *
 * @module
 */
import type { TaskId, Tasks } from "../../../core/task_id.ts";
import { type Candidate, machineOf } from "./assignor.ts";

/** A member that keeps copies. */
export interface Keeper extends Candidate {
  /** The copies that it keeps. */
  readonly standbys?: Tasks;
}

/**
 * Returns which copies each member is to keep, by its id. The same for the same members, in
 * whatever order they come.
 *
 * @param members Those that have a disk.
 * @param runAt The machine that runs each task with a state.
 * @param copies How many copies each task is to have. There are fewer if there are too few
 * machines.
 */
export function standbysOf(
  members: readonly Keeper[],
  runAt: ReadonlyMap<TaskId, string>,
  copies: number,
): ReadonlyMap<string, Tasks> {
  const spread = new Spread([...members].sort((a, b) => a.id < b.id ? -1 : 1), runAt);
  if (copies > 0 && members.length > 0) spread.fill(copies);
  return spread.kept;
}

/** How many copies there are of which task, and where. Members are named by places in order. */
class Spread {
  readonly #members: readonly Keeper[];
  readonly #machines: readonly string[]; // of each member
  readonly #runAt: ReadonlyMap<TaskId, string>;
  readonly #tasks: readonly TaskId[];
  readonly #keepers = new Map<TaskId, Set<number>>();
  readonly #kept: Set<TaskId>[];
  readonly #byCount: Set<number>[] = []; // members that keep 0, 1, … copies

  constructor(members: readonly Keeper[], runAt: ReadonlyMap<TaskId, string>) {
    this.#members = members;
    this.#machines = members.map(machineOf);
    this.#runAt = runAt;
    this.#tasks = [...runAt.keys()].sort();
    this.#kept = members.map(() => new Set());
    this.#byCount[0] = new Set(members.keys());
    for (const task of this.#tasks) this.#keepers.set(task, new Set());
  }

  get kept(): ReadonlyMap<string, Tasks> {
    return new Map(this.#members.map(({ id }, member) => [id, this.#kept[member]]));
  }

  fill(copies: number): void {
    const known = this.#known();
    const missing = (task: TaskId) => copies - this.#keepers.get(task)!.size;
    for (const task of this.#tasks) {
      for (const member of known.get(task) ?? []) {
        const isKept = this.#members[member].standbys?.has(task) === true;
        if (isKept && missing(task) > 0 && this.#mayKeep(task, member)) this.#add(task, member);
      }
    }
    const most = Math.ceil(copies * this.#tasks.length / this.#members.length);
    for (const task of this.#tasks) {
      for (const member of known.get(task) ?? []) {
        const hasRoom = this.#kept[member].size < most;
        if (hasRoom && missing(task) > 0 && this.#mayKeep(task, member)) this.#add(task, member);
      }
    }
    for (const task of this.#tasks) {
      for (let left = missing(task); left > 0; left--) {
        const member = this.#least((each) => this.#mayKeep(task, each));
        if (member === null) break;
        this.#add(task, member);
      }
    }
    this.#even();
  }

  /** Which members know of a task: those that keep a copy, then those with most of it on disk. */
  #known(): ReadonlyMap<TaskId, readonly number[]> {
    const all = new Map<TaskId, { member: number; isKept: boolean; offset: number }[]>();
    this.#members.forEach(({ standbys = new Set(), onDisk }, member) => {
      for (const task of new Set([...standbys, ...onDisk.keys()])) {
        if (!this.#runAt.has(task)) continue;
        if (!all.has(task)) all.set(task, []);
        const offset = onDisk.get(task) ?? -1;
        all.get(task)!.push({ member, isKept: standbys.has(task), offset });
      }
    });
    return new Map(Array.from(all, ([task, its]) => {
      its.sort((a, b) => Number(b.isKept) - Number(a.isKept) || b.offset - a.offset);
      return [task, its.map(({ member }) => member)];
    }));
  }

  /** Whether a member may keep a copy of a task, beside those that others keep. */
  #mayKeep(task: TaskId, member: number, insteadOf = -1): boolean {
    const machine = this.#machines[member];
    if (machine === this.#runAt.get(task)) return false;
    return this.#keepers.get(task)!.values().every((each) =>
      each === insteadOf || this.#machines[each] !== machine
    );
  }

  #add(task: TaskId, member: number): void {
    this.#count(member, +1, () => this.#kept[member].add(task));
    this.#keepers.get(task)!.add(member);
  }

  #remove(task: TaskId, member: number): void {
    this.#count(member, -1, () => this.#kept[member].delete(task));
    this.#keepers.get(task)!.delete(member);
  }

  #count(member: number, by: number, change: () => void): void {
    const before = this.#kept[member].size;
    this.#byCount[before].delete(member);
    (this.#byCount[before + by] ??= new Set()).add(member);
    change();
  }

  /** The member with the fewest copies of those that will do, and of these the first in order. */
  #least(willDo: (member: number) => boolean, below = Infinity): number | null {
    for (let count = 0; count < Math.min(below, this.#byCount.length); count++) {
      let first: number | null = null;
      for (const member of this.#byCount[count] ?? []) {
        if ((first === null || member < first) && willDo(member)) first = member;
      }
      if (first !== null) return first;
    }
    return null;
  }

  /** Moves copies from members with many to members with two fewer, until there is none to move. */
  #even(): void {
    for (let hasMoved = true; hasMoved;) {
      hasMoved = false;
      for (let count = this.#byCount.length - 1; count >= 2; count--) {
        for (const from of [...this.#byCount[count] ?? []].sort((a, b) => a - b)) {
          hasMoved = this.#shed(from) || hasMoved;
        }
      }
    }
  }

  /** Moves one copy of a member to one that has two fewer. Returns whether there is any. */
  #shed(from: number): boolean {
    const { standbys, onDisk } = this.#members[from];
    const its = [...this.#kept[from]].map((task) => ({
      task,
      isKept: standbys?.has(task) === true,
      offset: onDisk.get(task) ?? -1,
    }));
    its.sort((a, b) =>
      Number(a.isKept) - Number(b.isKept) || a.offset - b.offset || (a.task < b.task ? -1 : 1)
    );
    for (const { task } of its) {
      const to = this.#least((each) => this.#mayKeep(task, each, from), this.#kept[from].size - 1);
      if (to === null) continue;
      this.#remove(task, from);
      this.#add(task, to);
      return true;
    }
    return false;
  }
}
