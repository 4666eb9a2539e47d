/**
 * What a member owns, what it may own, and what it is giving up. Pure, and the same for both
 * protocols.
 *
 * @module
 */
import type { MembershipEvent } from "../../../group/membership.ts";
import type { TaskId, Tasks } from "../../../core/task_id.ts";

/** Keeps a member's tasks, and collects the events that follow from what it learns. */
export class Holding {
  #owned: Tasks = new Set();
  #allowed: Tasks = new Set();
  #revoking: Tasks = new Set();
  #standbys: Tasks = new Set();
  #awaited: Tasks = new Set();
  #events: MembershipEvent[] = [];
  #status: string | null = null;
  #losses = 0;

  /** How often the member has lost tasks. */
  get losses(): number {
    return this.#losses;
  }

  /** What the member owns, including what it is giving up. */
  get owned(): Tasks {
    return this.#owned;
  }

  /** What the group has said that it may own. */
  get allowed(): Tasks {
    return this.#allowed;
  }

  /** Whether the member is giving up tasks. */
  get isRevoking(): boolean {
    return this.#revoking.size > 0;
  }

  /** The tasks that the member keeps copies of. */
  get standbys(): Tasks {
    return this.#standbys;
  }

  /**
   * The group says which tasks the member is to keep copies of. It does so from now on: nobody
   * waits until a copy is gone. To be called before `told`, as a task may become the member's own.
   */
  toldStandbys(standbys: Tasks): void {
    if (standbys.symmetricDifference(this.#standbys).size === 0) return;
    this.#standbys = standbys;
    this.#events.push({ kind: "standbys", tasks: standbys });
  }

  /** What the member is to get as soon as others have given it up. */
  get awaited(): Tasks {
    return this.#awaited;
  }

  /**
   * The group says what the member is to own once others have given it up. It may be told at any
   * time: what the member may own already is left out.
   */
  toldTarget(target: Tasks): void {
    const awaited = target.difference(this.#allowed);
    if (awaited.symmetricDifference(this.#awaited).size === 0) return;
    this.#awaited = awaited;
    this.#events.push({ kind: "awaited", tasks: awaited });
  }

  /** The group says what the member may own. Nobody else owns any of these. */
  told(allowed: Tasks): void {
    this.#allowed = allowed;
    const tasks = this.#owned.difference(allowed).difference(this.#revoking);
    if (tasks.size > 0) {
      this.#revoking = this.#revoking.union(tasks);
      this.#events.push({ kind: "revoke", tasks });
    }
    this.#start();
    this.toldTarget(this.#awaited); // without what it has got
  }

  /**
   * The member says what it still owns. Returns whether it has given up any. A task that it is
   * allowed again meanwhile comes back in an event: it has been stopped, and has to start again.
   *
   * @throws {TypeError} If it may not give up one, or does not own one.
   */
  acknowledged(kept: Iterable<TaskId>): boolean {
    const owned: Tasks = new Set(kept);
    const [foreign] = owned.difference(this.#owned);
    if (foreign !== undefined) {
      throw new TypeError(`the member does not own task "${foreign}", which it acknowledges`);
    }
    const released = this.#owned.difference(owned);
    const [early] = released.difference(this.#revoking);
    if (early !== undefined) {
      throw new TypeError(
        `the member gives up task "${early}", which it was not told to: acknowledge it as owned`,
      );
    }
    this.#owned = owned;
    this.#revoking = this.#revoking.difference(released);
    this.#start();
    return released.size > 0;
  }

  /** The member has lost all that it owns. Others may run it by now. */
  lose(reason: string): void {
    const tasks = this.#owned;
    this.drop();
    if (tasks.size === 0) return;
    this.#losses++;
    this.#events.push({ kind: "lost", tasks, reason });
  }

  /** The member owns nothing from now on, and knows it. */
  drop(): void {
    this.#owned = this.#allowed = this.#revoking = new Set();
  }

  /** Why tasks do not run; `null` if they do. `isUsual`: each group begins like that. */
  status(text: string | null, isUsual = false): void {
    if (text === this.#status) return;
    this.#status = text;
    this.#events.push({ kind: "status", text, ...isUsual ? { isUsual } : {} });
  }

  /** The member is out for good. */
  fail(error: Error): void {
    this.lose(error.message);
    this.#events.push({ kind: "failed", error });
  }

  /** The events since the last call. */
  takeEvents(): MembershipEvent[] {
    const events = this.#events;
    this.#events = [];
    return events;
  }

  #start(): void {
    const tasks = this.#allowed.difference(this.#owned);
    if (tasks.size === 0) return;
    this.#owned = this.#owned.union(tasks);
    this.#events.push({ kind: "assigned", tasks });
  }
}
