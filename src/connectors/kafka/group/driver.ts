/**
 * Drives a member: sends what its machine decides, on the clock that it is given.
 *
 * @module
 */
import { type Clock, elapsedOf, wakeAfter } from "../../../core/clock.ts";
import type { Machine } from "./machine.ts";
import {
  type CommitToken,
  type Member,
  type MemberOptions,
  MembershipLostError,
} from "../../../group/membership.ts";
import type { TaskId, Tasks } from "../../../core/task_id.ts";

/** How long leaving may take, and telling the last that was given up, in milliseconds. */
const LEAVE_MS = 2_000;

/** How long leaving for another process may take, in milliseconds: nobody waits for it. */
const DISMISS_MS = 10_000;

/** How long ending the group may take, in milliseconds: all members of a classic one join first. */
const SHUTDOWN_MS = 10_000;

/** What a driver needs. */
export interface DriverOptions<Q, A> {
  readonly machine: Machine<Q, A>;
  /**
   * Sends a request. Rejects if there is no answer. An answer that comes after the driver has given
   * up on it is ignored.
   */
  readonly send: (request: Q) => Promise<A>;
  /** Called when a request got no answer in time: its connection may hang. */
  readonly dropConnection: () => void;
  /** Whether another attempt is useless after this error. */
  readonly isFatal: (error: unknown) => boolean;
  readonly clock: Clock;
  readonly onEvent: MemberOptions["onEvent"];
  /** Called when the member has heard of another epoch of its group. */
  readonly onHeard: (heard: number) => void;
  /** Called when the member is out for good. */
  readonly onOver: () => void;
}

/** A member with a machine. It begins at once. */
export class MemberDriver<Q, A> implements Member {
  readonly #options: DriverOptions<Q, A>;
  readonly #machine: Machine<Q, A>;
  readonly #running: Promise<void>;
  #wake: () => void = () => {};
  #isStopped = false;
  #changes = Promise.withResolvers<void>();

  constructor(options: DriverOptions<Q, A>) {
    this.#options = options;
    this.#machine = options.machine;
    this.#running = this.#run();
  }

  get owned(): Tasks {
    return this.#machine.holding.owned;
  }

  acknowledge(owned: Iterable<TaskId>): void {
    const released = this.#machine.holding.acknowledged(owned);
    this.#machine.acknowledged(released, this.#now());
    this.#wake(); // the loop hands out events, so this call returns first
  }

  caughtUp(standbys: Tasks): void {
    this.#machine.caughtUp(standbys, this.#now());
    this.#wake();
  }

  async token(): Promise<CommitToken> {
    const machine = this.#machine;
    const { losses } = machine.holding;
    for (;;) {
      const identity = machine.token();
      // Another may have run the tasks meanwhile, also if the member has them again.
      if (this.#isStopped || machine.holding.losses > losses) {
        throw new MembershipLostError("the member is not in the group any more: do not commit");
      }
      if (identity !== null) return this.#lease(identity);
      await this.#changes.promise;
    }
  }

  async leave(): Promise<void> {
    this.#machine.leave();
    await this.#ends(LEAVE_MS);
  }

  /** Leaves for another process with this id, which has gone without leaving. */
  async dismiss(): Promise<void> {
    this.#machine.dismiss();
    await this.#ends(DISMISS_MS);
  }

  async shutDown(): Promise<void> {
    this.#machine.shutDown(this.#now());
    await this.#ends(SHUTDOWN_MS);
  }

  /** Waits until the machine has said what it has to say, then stops. */
  async #ends(limitMs: number): Promise<void> {
    this.#wake();
    const late = Promise.withResolvers<void>();
    const cancel = wakeAfter(this.#options.clock, limitMs, late.resolve);
    await Promise.race([this.#running, late.promise]);
    cancel();
    await this.stop();
  }

  async stop(): Promise<void> {
    await this.#released();
    this.#isStopped = true;
    this.#machine.holding.drop();
    this.#wake();
    await this.#running;
  }

  /**
   * Waits until the group knows what the member has given up. It would think until the end of the
   * session that the member still runs that, and give it to nobody.
   */
  async #released(): Promise<void> {
    if (!this.#machine.isReleasing) return;
    const late = Promise.withResolvers<void>();
    let isLate = false;
    const cancel = wakeAfter(this.#options.clock, LEAVE_MS, () => {
      isLate = true;
      late.resolve();
    });
    while (this.#machine.isReleasing && !this.#isStopped && !isLate) {
      await Promise.race([this.#changes.promise, late.promise]);
    }
    cancel();
  }

  /** Another member of the process has heard of an epoch of the group. */
  hurry(heard: number): void {
    this.#machine.hurry(heard, this.#now());
    this.#wake();
  }

  /** Makes it the scout of its process, or not. */
  set isScout(isScout: boolean) {
    this.#machine.pace.isScout = isScout;
  }

  #now(): number {
    return elapsedOf(this.#options.clock);
  }

  #lease(identity: { memberId: string; epoch: number; instanceId: string | null }): CommitToken {
    const machine = this.#machine;
    let isOpen = true;
    machine.leases++;
    return {
      ...identity,
      owned: machine.holding.owned,
      [Symbol.dispose]: () => {
        if (!isOpen) return;
        isOpen = false;
        machine.leases--;
        this.#wake();
      },
    };
  }

  async #run(): Promise<void> {
    const { onEvent } = this.#options;
    await Promise.resolve(); // the caller has the member before its first event
    while (!this.#isStopped) {
      const step = this.#machine.decide(this.#now());
      for (const event of this.#machine.holding.takeEvents()) onEvent(event);
      this.#changes.resolve();
      this.#changes = Promise.withResolvers();
      if (step.kind === "over") break;
      if (step.kind === "wait") await this.#sleep(step.until);
      else await this.#ask(step.request, step.until);
    }
    this.#isStopped = true;
    this.#changes.resolve();
    this.#options.onOver();
  }

  /** Sleeps until then, or until somebody wakes it. */
  async #sleep(until: number): Promise<void> {
    if (this.#isStopped) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    const ms = until - this.#now();
    const cancel = ms === Infinity ? () => {} : wakeAfter(this.#options.clock, ms, resolve);
    await promise;
    cancel();
  }

  async #ask(request: Q, until: number): Promise<void> {
    const { clock, send, dropConnection, isFatal, onHeard } = this.#options;
    const machine = this.#machine;
    const sentAt = this.#now();
    const { promise, resolve } = Promise.withResolvers<"late" | "stopped">();
    this.#wake = () => this.#isStopped && resolve("stopped");
    const cancel = wakeAfter(clock, until - sentAt, () => resolve("late"));
    try {
      const got = await Promise.race([send(request).then((answer) => ({ answer })), promise]);
      if (got === "stopped") return;
      if (got === "late") {
        dropConnection();
        machine.unanswered(request, null, this.#now());
      } else {
        const before = machine.heard;
        machine.answered(request, got.answer, sentAt, this.#now());
        if (machine.heard !== before) onHeard(machine.heard);
      }
    } catch (error) {
      machine.unanswered(request, isFatal(error) ? error as Error : null, this.#now());
    } finally {
      cancel();
    }
  }
}
