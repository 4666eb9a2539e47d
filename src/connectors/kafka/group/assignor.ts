/**
 * The assignor of classic groups: who gets which task. Pure.
 *
 * - Balanced: no member has two tasks of a sub-topology more than another, nor two tasks in all.
 * - Sticky: a member keeps what it owns, as far as that allows.
 * - State-aware: a task that nobody owns goes to the member that has most of it on disk.
 *
 * @module
 */
import { type TaskId, taskId, type Tasks } from "../../../core/task_id.ts";

/** A member, as the leader knows it. */
export interface Candidate {
  readonly id: string;
  /** What it runs. */
  readonly owned: Tasks;
  /** Changelog offsets of tasks on its disk. */
  readonly onDisk: ReadonlyMap<TaskId, number>;
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
  const subtopologies = [...counts].sort(([a], [b]) => a < b ? -1 : 1).map(([name, count]) =>
    new Subtopology(name, count, sorted)
  );
  shareExtras(subtopologies, sorted.length);
  const target = new Map(sorted.map(({ id }) => [id, new Set<TaskId>()]));
  for (const subtopology of subtopologies) {
    for (const [task, member] of subtopology.assign()) target.get(sorted[member].id)!.add(task);
  }
  return target;
}

/**
 * What each member may own now: its share of the target, without tasks that another member still
 * runs. That one is told to give them up, joins again without them, and the next generation hands
 * them out. So no task has two owners.
 */
export function allowedOf(members: readonly Candidate[], target: Target): Target {
  const runBy = new Map<TaskId, number>();
  for (const { owned } of members) {
    for (const task of owned) runBy.set(task, (runBy.get(task) ?? 0) + 1);
  }
  return new Map(members.map(({ id, owned }) => {
    const isFree = (task: TaskId) => (runBy.get(task) ?? 0) === (owned.has(task) ? 1 : 0);
    return [id, new Set([...target.get(id) ?? []].filter(isFree))];
  }));
}

/** A task, and which members have anything of it, by their places in order. */
interface Shared {
  readonly task: TaskId;
  readonly owners: number[];
  readonly stored: { readonly member: number; readonly offset: number }[];
}

/** One sub-topology: each member gets its `share` of tasks, and some one more: an extra. */
class Subtopology {
  readonly extras = new Set<number>(); // members, by their places in order
  /** How much is saved if a member gets an extra: a move, or else a read of the changelog. */
  readonly wishes: readonly number[];
  readonly #tasks: readonly Shared[];
  readonly #members: readonly Candidate[];
  readonly #share: number;

  constructor(name: string, count: number, members: readonly Candidate[]) {
    this.#members = members;
    this.#share = Math.floor(count / members.length);
    this.#tasks = Array.from(
      { length: count },
      (_, partition) => ({ task: taskId(name, partition), owners: [], stored: [] }),
    );
    const byId = new Map(this.#tasks.map((each) => [each.task, each]));
    this.wishes = members.map(({ owned, onDisk }, member) => {
      let has = 0;
      let storedOnly = 0;
      for (const task of owned) {
        const shared = byId.get(task);
        if (shared === undefined) continue;
        shared.owners.push(member);
        has++;
      }
      for (const [task, offset] of onDisk) {
        const shared = byId.get(task);
        if (shared === undefined) continue;
        shared.stored.push({ member, offset });
        if (!owned.has(task)) storedOnly++;
      }
      return (has > this.#share ? 2 : 0) + (has + storedOnly > this.#share ? 1 : 0);
    });
    const byWish = members.map((_, member) => member)
      .sort((a, b) => this.wishes[b] - this.wishes[a]);
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
    // Of tasks that have to be given up, those that others have on disk go first.
    const copies = new Map(this.#tasks.map(({ task, owners, stored }) => {
      return [task, stored.filter(({ member }) => !owners.includes(member)).length];
    }));
    const kept = this.#tasks.toSorted((a, b) => copies.get(a.task)! - copies.get(b.task)!);
    for (const { task, owners } of kept) {
      for (const member of owners) give(task, member);
    }
    const stored = this.#tasks.flatMap(({ task, stored }) =>
      stored.map(({ member, offset }) => ({ task, member, offset }))
    ).sort((a, b) => b.offset - a.offset);
    for (const { task, member } of stored) give(task, member);
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
