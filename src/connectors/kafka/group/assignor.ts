/**
 * The assignor of classic groups: who gets which task. Pure.
 *
 * - Balanced: no member has two tasks of a sub-topology more than another, nor two tasks in all.
 * - Sticky: a member keeps what it owns, as far as that allows.
 * - State-aware: a task goes to the member whose copy of its state lacks least. Of tasks that must
 *   be given up, those go first of which others have such copies.
 *
 * @module
 */
import { type TaskId, taskId, type Tasks } from "../../../core/task_id.ts";

/** A member, as the leader knows it. */
export interface Candidate {
  readonly id: string;
  /** What it runs. */
  readonly owned: Tasks;
  /** Changelog offsets of tasks on the disk of its machine. */
  readonly onDisk: ReadonlyMap<TaskId, number>;
  /** The id of its machine's state. Members of one have the same disk. Default: one of its own. */
  readonly processId?: string;
  /** What it was told to expect, and does not run yet. The target stays as far as it may. */
  readonly awaits?: Tasks;
  /** Tasks that it can go on with at once: what its copies of their states lack is little. */
  readonly ready?: Tasks;
}

/** What each member is to have, by its id. */
export type Target = ReadonlyMap<string, Tasks>;

/**
 * Who is to have which task. The same for the same members, in whatever order they come.
 *
 * @param counts How many tasks each sub-topology has.
 */
export function targetOf(
  members: readonly Candidate[],
  counts: ReadonlyMap<string, number>,
): Target {
  if (members.length === 0) return new Map();
  const sorted = [...members].sort((a, b) => a.id < b.id ? -1 : 1);
  const copies = copiesOf(sorted);
  const subtopologies = [...counts].sort(([a], [b]) => a < b ? -1 : 1).map(([name, count]) =>
    new Subtopology(name, count, sorted, copies)
  );
  shareExtras(subtopologies, sorted.length);
  const target = new Map(sorted.map(({ id }) => [id, new Set<TaskId>()]));
  for (const subtopology of subtopologies) {
    for (const [task, member] of subtopology.assign()) target.get(sorted[member].id)!.add(task);
  }
  return target;
}

/** What a member that does not run a task has of it. */
interface Copy {
  readonly task: TaskId;
  /** The member's place in order. */
  readonly member: number;
  readonly rank: number;
  /** How many records it lacks, compared with the best that is known. */
  readonly lag: number;
}

/** How a member stands to a task that it does not run. */
const ON_DISK = 0;
const AWAITED = 1;
const READY = 2;
const READY_ITSELF = 3; // and not only another member with the same disk

const UNKNOWN_LAG = Number.MAX_SAFE_INTEGER;

const NONE: Tasks = new Set();

/** What names the machine of a member. */
export function machineOf({ id, processId }: Candidate): string {
  return processId ?? id;
}

/** What members have of tasks that they do not run, by task. */
function copiesOf(members: readonly Candidate[]): ReadonlyMap<TaskId, readonly Copy[]> {
  const ends = new Map<TaskId, number>();
  for (const { onDisk } of members) {
    for (const [task, offset] of onDisk) ends.set(task, Math.max(offset, ends.get(task) ?? 0));
  }
  const machines = Map.groupBy(members, machineOf);
  const readyAt = new Map(Array.from(machines, ([machine, its]) => {
    return [machine, new Set(its.flatMap(({ owned, ready = NONE }) => [...owned, ...ready]))];
  }));
  const copies = new Map<TaskId, Copy[]>();
  members.forEach((each, member) => {
    const { owned, onDisk, awaits = NONE, ready = NONE } = each;
    const here: Tasks = readyAt.get(machineOf(each))!;
    for (const task of new Set([...onDisk.keys(), ...awaits, ...here])) {
      if (owned.has(task)) continue;
      const rank = ready.has(task)
        ? READY_ITSELF
        : here.has(task)
        ? READY
        : awaits.has(task)
        ? AWAITED
        : ON_DISK;
      const offset = onDisk.get(task);
      const lag = rank >= READY ? 0 : offset === undefined ? UNKNOWN_LAG : ends.get(task)! - offset;
      const its = copies.get(task);
      if (its === undefined) copies.set(task, [{ task, member, rank, lag }]);
      else its.push({ task, member, rank, lag });
    }
  });
  return copies;
}

/** The better one first, for tasks that run. What is expected comes first, so that it stays so. */
function byRank(a: Copy, b: Copy): number {
  return b.rank - a.rank || a.lag - b.lag;
}

/** The better one first, for tasks that nobody runs: they are to go on soon. */
function byLag(a: Copy, b: Copy): number {
  return a.lag - b.lag || b.rank - a.rank;
}

/** A task of a sub-topology, and which members have anything of it. */
interface Shared {
  readonly task: TaskId;
  /** The members that run it, by their places in order: more than one if claims are wrong. */
  readonly owners: number[];
  readonly copies: readonly Copy[];
}

/** One sub-topology: each member gets its `share` of tasks, and some one more: an extra. */
class Subtopology {
  readonly extras = new Set<number>(); // members, by their places in order
  /** How much is saved if a member gets an extra: a move, or else a read of the changelog. */
  readonly wishes: readonly number[];
  readonly #tasks: readonly Shared[];
  readonly #members: readonly Candidate[];
  readonly #share: number;
  readonly #owned: readonly number[]; // how many tasks each member runs

  constructor(
    name: string,
    count: number,
    members: readonly Candidate[],
    copies: ReadonlyMap<TaskId, readonly Copy[]>,
  ) {
    this.#members = members;
    this.#share = Math.floor(count / members.length);
    this.#tasks = Array.from({ length: count }, (_, partition) => {
      const task = taskId(name, partition);
      return { task, owners: [], copies: copies.get(task) ?? [] };
    });
    const byId = new Map(this.#tasks.map((each) => [each.task, each]));
    this.#owned = members.map(({ owned }, member) => {
      const its = [...owned].filter((task) => byId.has(task));
      for (const task of its) byId.get(task)!.owners.push(member);
      return its.length;
    });
    const counts = members.map(() => ({ ready: 0, awaited: 0, stored: 0 }));
    const lags = members.map(() => Infinity); // the least, of tasks that nobody runs
    for (const { owners, copies } of this.#tasks) {
      for (const { member, rank, lag } of copies) {
        if (owners.length === 0) lags[member] = Math.min(lags[member], lag);
        if (rank === READY_ITSELF) counts[member].ready++;
        if (rank === READY_ITSELF || rank === AWAITED) counts[member].awaited++;
        counts[member].stored++;
      }
    }
    this.wishes = this.#owned.map((has, member) => {
      const { ready, awaited, stored } = counts[member];
      const levels = [has, has + ready, has + awaited, has + stored];
      return levels.reduce((wish, level) => 2 * wish + (level > this.#share ? 1 : 0), 0);
    });
    const byWish = members.map((_, member) => member)
      .sort((a, b) => this.wishes[b] - this.wishes[a] || (lags[a] < lags[b] ? -1 : 0));
    for (const member of byWish.slice(0, count % members.length)) this.extras.add(member);
  }

  /** Who gets which task, by the member's place in order. */
  assign(): Map<TaskId, number> {
    const assigned = new Map<TaskId, number>();
    const room = this.#members.map((_, n) => this.#share + (this.extras.has(n) ? 1 : 0));
    const give = (task: TaskId, member: number) => {
      if (room[member] === 0 || assigned.has(task)) return;
      assigned.set(task, member);
      room[member]--;
    };
    // Of tasks that have to be given up, those go first that others can go on with soonest.
    const best = new Map(this.#tasks.map(({ task, copies }) => {
      const wanted = copies.filter(({ member }) => this.#owned[member] < room[member]);
      return [task, wanted.sort(byRank).at(0)];
    }));
    const kept = this.#tasks.toSorted((a, b) => {
      const [its, other] = [best.get(a.task), best.get(b.task)];
      if (its === undefined || other === undefined) {
        return Number(its !== undefined) - Number(other !== undefined);
      }
      return byRank(other, its);
    });
    for (const { task, owners } of kept) {
      for (const member of owners) give(task, member);
    }
    const [free, given] = [true, false].map((isFree) =>
      this.#tasks.filter(({ owners }) => (owners.length === 0) === isFree)
        .flatMap(({ copies }) => copies)
    );
    for (const { task, member } of free.sort(byLag)) give(task, member);
    for (const { task, member } of given.sort(byRank)) give(task, member);
    const left = this.#tasks.filter(({ task }) => !assigned.has(task));
    const byRoom = room.flatMap((its, member) =>
      Array.from({ length: its }, (_, taken) => ({ member, left: its - taken }))
    ).sort((a, b) => b.left - a.left);
    left.forEach(({ task }, n) => assigned.set(task, byRoom[n].member));
    return assigned;
  }
}

/**
 * Moves extras of sub-topologies from members with many to members with few, until no member has
 * two more than another. Each move is needed, and the cheapest that there is.
 */
function shareExtras(subtopologies: readonly Subtopology[], members: number): void {
  const loads = Array.from(
    { length: members },
    (_, member) => subtopologies.filter(({ extras }) => extras.has(member)).length,
  );
  for (;;) {
    const most = Math.max(...loads);
    const least = Math.min(...loads);
    if (most - least <= 1) return;
    let best: { from: number; to: number; of: Subtopology; cost: number } | null = null;
    for (const of of subtopologies) {
      const { extras, wishes } = of;
      let from = -1;
      let to = -1;
      for (let member = 0; member < members; member++) {
        const has = extras.has(member);
        if (has && loads[member] === most) {
          if (from < 0 || wishes[member] < wishes[from]) from = member;
        } else if (!has && loads[member] === least) {
          if (to < 0 || wishes[member] > wishes[to]) to = member;
        }
      }
      if (from < 0 || to < 0) continue;
      const cost = wishes[from] - wishes[to];
      if (best === null || cost < best.cost) best = { from, to, of, cost };
    }
    const { from, to, of } = best!; // who has more extras has one that the other has not
    of.extras.delete(from);
    of.extras.add(to);
    loads[from]--;
    loads[to]++;
  }
}
