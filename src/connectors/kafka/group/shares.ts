/**
 * What the leader of a classic group grants each member. Pure.
 *
 * A task with a state moves without a pause for its restore, as with Kafka Streams (KIP-441). It
 * stays with its owner while the member that is to have it makes a copy of its state. That member
 * says so once it has caught up, and the next generation hands the task over.
 *
 * ```text
 *   owner runs it ───▶ owner runs it, ───ready───▶ owner gives it up ───▶ member runs it
 *                      member warms up
 * ```
 *
 * Members say what they expect, so the target stays the same until it is reached. The leader
 * remembers nothing, and may change. A member that does not catch up in time says that it is ready
 * all the same. So each task gets to its place, whatever copies do.
 *
 * @module
 */
import { partsOf, type TaskId, type Tasks } from "../../../core/task_id.ts";
import { machineOf, type Target, targetOf } from "./assignor.ts";
import { type Keeper, standbysOf } from "./standby_assignor.ts";

/**
 * How many states a member copies at once to take over their tasks. Each is read from its changelog
 * while the machine has its own work to do.
 */
export const WARM_UPS = 8;

/** A member, as the leader knows it. */
export interface GroupMember extends Keeper {
  /** Whether it has a disk for copies of states. Default: it has none. */
  readonly keepsCopies?: boolean;
}

/** What there is to share out. */
export interface SharedWork {
  /** How many tasks each sub-topology has. */
  readonly counts: ReadonlyMap<string, number>;
  /** The sub-topologies whose tasks have a state. */
  readonly stateful: ReadonlySet<string>;
  /** How many standbys each task with a state is to have. */
  readonly standbys: number;
}

/** What a member is granted. */
export interface Share {
  /** What it may run now. */
  readonly tasks: Tasks;
  /** What it is to run later: others give it up first, or have it until this member is ready. */
  readonly awaits: Tasks;
  /** Of these: what it is to get ready for. */
  readonly warmUps: Tasks;
  /** Of which tasks it is to keep copies, including those that it gets ready for. */
  readonly standbys: Tasks;
}

/**
 * What each member is granted, by its id. No task has two owners: what another member still runs,
 * nobody is granted. That one is told to give it up, or runs on until the next owner is ready.
 */
export function sharesOf(
  members: readonly GroupMember[],
  work: SharedWork,
): ReadonlyMap<string, Share> {
  const target = targetOf(members, work.counts);
  const handOver = new HandOver(members, target, work.stateful);
  const shares = members.map((member) => [member.id, handOver.shareOf(member)] as const);
  const keepers = members.filter(({ keepsCopies }) => keepsCopies === true);
  const copies = standbysOf(keepers, handOver.runAt(), work.standbys);
  return new Map(shares.map(([id, share]) => {
    const kept: Tasks = copies.get(id) ?? new Set();
    return [id, { ...share, standbys: share.standbys.union(kept).difference(share.tasks) }];
  }));
}

/** From what members run to what they are to run. */
class HandOver {
  readonly #members: readonly GroupMember[];
  readonly #target: Target;
  readonly #stateful: ReadonlySet<string>;
  readonly #owners = new Map<TaskId, GroupMember[]>();
  readonly #readyAt = new Map<string, Set<TaskId>>(); // by machine
  readonly #held = new Set<TaskId>(); // by their owners, until the next ones are ready
  readonly #waits = new Map<string, TaskId[]>(); // the same, by the member that gets ready

  constructor(members: readonly GroupMember[], target: Target, stateful: ReadonlySet<string>) {
    this.#members = members;
    this.#target = target;
    this.#stateful = stateful;
    for (const member of members) {
      const { owned, ready = new Set() } = member;
      for (const task of owned) {
        const owners = this.#owners.get(task);
        if (owners === undefined) this.#owners.set(task, [member]);
        else owners.push(member);
      }
      const machine = machineOf(member);
      this.#readyAt.set(machine, ready.union(this.#readyAt.get(machine) ?? new Set()));
    }
    for (const member of members) {
      const waits = [...target.get(member.id)!].filter((task) => this.#mustWarmUp(task, member));
      for (const task of waits) this.#held.add(task);
      this.#waits.set(member.id, waits);
    }
  }

  #hasState(task: TaskId): boolean {
    return this.#stateful.has(partsOf(task).subtopology);
  }

  /** Whether another machine runs a task, and this member would have to restore it first. */
  #mustWarmUp(task: TaskId, member: GroupMember): boolean {
    const owners = this.#owners.get(task) ?? [];
    if (owners.length !== 1 || member.keepsCopies !== true || !this.#hasState(task)) return false;
    const machine = machineOf(member);
    return machineOf(owners[0]) !== machine && !this.#readyAt.get(machine)!.has(task);
  }

  shareOf(member: GroupMember): Share {
    const target = this.#target.get(member.id)!;
    const { owned, ready = new Set() } = member;
    const isFree = (task: TaskId) =>
      (this.#owners.get(task)?.length ?? 0) === (owned.has(task) ? 1 : 0);
    const tasks: Tasks = new Set([
      ...[...target].filter(isFree),
      ...[...owned].filter((task) => this.#held.has(task)),
    ]);
    const awaits = target.difference(owned).difference(tasks);
    const warmUps = this.#warmUpsOf(member);
    // A copy that is ready is kept up to date until its task comes.
    return { tasks, awaits, warmUps, standbys: warmUps.union(awaits.intersection(ready)) };
  }

  /** What it has begun to copy comes first, then what is known to take the least time. */
  #warmUpsOf({ id, standbys = new Set(), onDisk }: GroupMember): Tasks {
    const lagOf = (task: TaskId) => {
      const end = this.#owners.get(task)![0].onDisk.get(task);
      const offset = onDisk.get(task);
      return end === undefined || offset === undefined ? Number.MAX_SAFE_INTEGER : end - offset;
    };
    const waits = this.#waits.get(id)!.map((task) => ({
      task,
      hasBegun: standbys.has(task),
      lag: lagOf(task),
    }));
    waits.sort((a, b) =>
      Number(b.hasBegun) - Number(a.hasBegun) || a.lag - b.lag || (a.task < b.task ? -1 : 1)
    );
    return new Set(waits.slice(0, WARM_UPS).map(({ task }) => task));
  }

  /** The machine of each task with a state: where it runs, or else is to run. */
  runAt(): ReadonlyMap<TaskId, string> {
    const runAt = new Map<TaskId, string>();
    for (const member of this.#members) {
      for (const task of this.#target.get(member.id)!) {
        if (!this.#hasState(task)) continue;
        runAt.set(task, machineOf(this.#owners.get(task)?.[0] ?? member));
      }
    }
    return runAt;
  }
}
