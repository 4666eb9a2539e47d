/**
 * How a member of a streams group (KIP-1071) decides.
 *
 * The broker assigns: each heartbeat says what the member owns, and the answer what it may own. An
 * answer lists tasks only if that request has changed them, and never repeats it. So after a lost
 * answer, tasks that the broker has assigned would never run, without any error.
 *
 * Joining again with epoch 0 gets the whole list, but also says that the member owns nothing. The
 * broker then hands out at once what the lost answer may have told the member to give up, while it
 * still runs. So the member asks differently. It sends its next heartbeat, and then has the group
 * described, which lists what the lost answer did. That description is not older than the answer to
 * the heartbeat, as a broker answers that once all before it is stored. The member's tasks change
 * by its own heartbeats only. The lost request may still be on its way, so it looks once more when
 * no request can be under way any longer. Until then, only looks count as signs that its tasks are
 * still its own: the time to give some up may have begun.
 *
 * @module
 */
import type { StreamsHeartbeat, StreamsHeartbeatAnswer } from "../wire/streams_group_heartbeat.ts";
import type { SubtopologyTasks } from "../wire/streams_tasks.ts";
import {
  refusal,
  SHUTDOWN_APPLICATION,
  STALE_TOPOLOGY,
  statusText,
  verdictOf,
  WAITS_FOR_MEMBERS,
} from "./group_errors.ts";
import { Holding } from "./holding.ts";
import { type Machine, RETRY_MS, silentFor, type Step } from "./machine.ts";
import { Pace, type PaceOptions } from "./pace.ts";
import { GroupRefusedError, GroupShutdownError, type Topology } from "../../../group/membership.ts";
import type { Tasks } from "../../../core/task_id.ts";
import { fromWire, toWire } from "./tasks.ts";

/** What a member asks its group. */
export type StreamsRequest =
  | { readonly kind: "heartbeat"; readonly heartbeat: StreamsHeartbeat }
  | { readonly kind: "describe"; readonly groupId: string; readonly memberId: string };

/** What the group says about a member; `null` if it does not know it. */
export type DescribedMember =
  | {
    readonly memberEpoch: number;
    readonly activeTasks: readonly SubtopologyTasks[];
    readonly standbyTasks: readonly SubtopologyTasks[];
    /** What it is to have once others have given it up. */
    readonly targetTasks: readonly SubtopologyTasks[];
    /** How many members the group has. */
    readonly members: number;
  }
  | null;

/** What the group answers. */
export type StreamsAnswer =
  | { readonly kind: "heartbeat"; readonly answer: StreamsHeartbeatAnswer }
  | { readonly kind: "described"; readonly member: DescribedMember };

/** A member of a streams group. */
export interface StreamsMemberOptions extends PaceOptions {
  readonly groupId: string;
  readonly memberId: string;
  readonly processId: string;
  readonly topology: Topology;
  /** After this time without an answer, the group gives the member's tasks away. */
  readonly sessionTimeoutMs: number;
  /**
   * How long the member may take to give tasks up, not less than the session. If the answer that
   * told so was lost, the member drops its tasks only when its session ends.
   */
  readonly rebalanceTimeoutMs: number;
  /** How long it waits for an answer. */
  readonly requestTimeoutMs: number;
  /** Whether it wants to know which tasks it is to get. @default {false} */
  readonly awaits?: boolean;
}

/**
 * How long a member asks nothing after a lost answer, in milliseconds. The lost request may be
 * late, and must not arrive after the next one. A join would say that the member owns nothing. A
 * heartbeat would say that it does not own what it was given meanwhile. The broker accepts that of
 * the epoch before, and gives the task away.
 */
const LOST_MS = 500;

/**
 * How long a member that has joined looks which tasks it is to get, and then while there are any,
 * in milliseconds. The group does not give tasks of a living member to one that was there before.
 */
const NEWCOMER_MS = 30_000;

/** How often it does. In a large group the description is long, and many may join at a time. */
const TARGET_MS = 1_000;
const TARGET_MS_A_MEMBER = 20;

const TOO_SLOW =
  "the member has not given up tasks in time, and the group has given all of them away";

const JOINS = 0;
const LEAVES = -1;

/** The machine of one member. */
export class StreamsMachine implements Machine<StreamsRequest, StreamsAnswer> {
  readonly holding = new Holding();
  readonly pace: Pace;
  leases = 0;
  readonly #options: StreamsMemberOptions;
  #phase: "out" | "in" | "leaving" | "over" = "out";
  #epoch = JOINS;
  #brokerMs = Infinity; // how often the broker wants to hear of it
  #nextAt = -Infinity;
  #quietUntil = -Infinity; // a lost request may arrive until then
  #heardAt = -Infinity; // when the last heartbeat was sent that was answered
  #answeredAt = -Infinity; // the same, of those after which the member knew what it may own
  #releasesUntil = Infinity; // the time to give tasks up ends then, at the earliest
  #shutsDown = false;
  #dismisses = false;
  #leavesAt = -Infinity;
  #hasBeenIn = false;
  #releases = 0; // how often it has given up tasks
  #saidReleases = 0; // of these, how many the last heartbeat has told
  #heardReleases = 0; // and how many the group has heard of
  #saidRevoking = false; // whether the last heartbeat listed tasks that are to be given up
  #lookAt = Infinity; // when to look at the group's description
  #isSettledAt = -Infinity; // from when on no lost request can be under way
  #looksNow = false;
  #joinedAt = -Infinity;
  #targetAt = Infinity; // when to look which tasks it is to get

  constructor(options: StreamsMemberOptions) {
    this.#options = options;
    this.pace = new Pace(options);
  }

  decide(now: number): Step<StreamsRequest> {
    const { groupId, memberId, sessionTimeoutMs, requestTimeoutMs } = this.#options;
    if (this.#phase === "over") return { kind: "over" };
    const end = Math.min(this.#answeredAt + sessionTimeoutMs, this.#releasesUntil);
    if (this.#phase === "in" && now >= end) {
      this.#expelled(now >= this.#releasesUntil ? TOO_SLOW : silentFor(sessionTimeoutMs));
    }
    const nextAt = this.#phase === "leaving"
      ? this.#leavesAt
      : Math.max(Math.min(this.#nextAt, this.#seesTargetAt), this.#quietUntil);
    if (now < nextAt) {
      return { kind: "wait", until: this.#phase === "in" ? Math.min(nextAt, end) : nextAt };
    }
    const until = this.#phase === "in"
      ? Math.min(now + requestTimeoutMs, end)
      : now + requestTimeoutMs;
    if (this.#phase === "in" && (this.#looksNow || now >= this.#seesTargetAt)) {
      return { kind: "send", request: { kind: "describe", groupId, memberId }, until };
    }
    return { kind: "send", request: { kind: "heartbeat", heartbeat: this.#heartbeat() }, until };
  }

  /** After a lost answer, it looks anyway, and a heartbeat comes first. */
  get #seesTargetAt(): number {
    return this.#lookAt === Infinity ? this.#targetAt : Infinity;
  }

  #heartbeat(): StreamsHeartbeat {
    const { groupId, memberId, processId, topology, rebalanceTimeoutMs } = this.#options;
    const base = { groupId, memberId, rebalanceTimeoutMs: -1, topology: null, processId: null };
    switch (this.#phase) {
      case "out":
        return {
          ...base,
          memberEpoch: JOINS,
          rebalanceTimeoutMs,
          topology,
          activeTasks: [],
          processId,
        };
      case "leaving":
        return { ...base, memberEpoch: LEAVES, activeTasks: null };
      default:
        this.#saidRevoking = this.holding.isRevoking;
        this.#saidReleases = this.#releases;
        // Always all of them: the broker accepts the epoch before only with the list.
        return {
          ...base,
          memberEpoch: this.#epoch,
          activeTasks: toWire(this.holding.owned),
          standbyTasks: toWire(this.holding.standbys),
          ...this.#shutsDown ? { shutsDown: true } : {},
        };
    }
  }

  answered(request: StreamsRequest, given: StreamsAnswer, sentAt: number, now: number): void {
    if (this.#phase === "leaving") {
      const isMoved = given.kind === "heartbeat" && verdictOf(given.answer.errorCode) === "moved";
      if (isLeave(request)) this.#afterLeave(isMoved, now);
      return;
    }
    if (given.kind === "described") this.#described(given.member, now);
    else this.#told(given.answer, sentAt, now);
  }

  #told(answer: StreamsHeartbeatAnswer, sentAt: number, now: number): void {
    const { groupId, sessionTimeoutMs } = this.#options;
    if (answer.errorCode !== 0) return this.#refused(answer, now);
    this.#heardAt = sentAt;
    this.#heardReleases = this.#saidReleases;
    this.#brokerMs = answer.heartbeatIntervalMs;
    if (answer.activeTasks !== null || answer.memberEpoch !== this.#epoch) this.pace.changes(now);
    const wasIn = this.#phase === "in";
    this.#nextAt = this.#shutsDown && !wasIn ? now : now + this.#intervalMs(now);
    if (!wasIn) {
      this.#lookAt = Infinity; // one that joins gets the whole list
      this.#joinedAt = now;
    }
    this.#phase = "in";
    if (answer.memberEpoch !== this.#epoch) this.#looksForTarget(now, 0);
    if (!this.#saidRevoking) this.#releasesUntil = Infinity;
    const ends = answer.status.find(({ code }) =>
      code === STALE_TOPOLOGY || code === SHUTDOWN_APPLICATION
    );
    if (ends !== undefined) {
      const text = statusText(groupId, ends.code, ends.detail);
      this.#phase = "leaving"; // the broker would give it tasks of another topology
      return this.holding.fail(
        ends.code === SHUTDOWN_APPLICATION
          ? new GroupShutdownError(text, { waitMs: this.#hasBeenIn ? null : sessionTimeoutMs })
          : new GroupRefusedError(text),
      );
    }
    this.#hasBeenIn = true;
    const texts = answer.status.map(({ code, detail }) => statusText(groupId, code, detail));
    const isUsual = answer.status.every(({ code }) => code === WAITS_FOR_MEMBERS);
    this.holding.status(texts.length === 0 ? null : texts.join("; "), isUsual && texts.length > 0);
    if (answer.activeTasks !== null) {
      this.holding.toldStandbys(fromWire(answer.standbyTasks ?? [])); // it lists all, or nothing
      this.#allow(fromWire(answer.activeTasks));
    } else if (wasIn && answer.memberEpoch !== this.#epoch) {
      this.#lookAt = now; // an answer in between was lost
    }
    this.#epoch = answer.memberEpoch;
    if (this.#lookAt === Infinity) this.#answeredAt = sentAt;
    if (now < this.#lookAt) return;
    this.#looksNow = true;
    this.#nextAt = now;
  }

  /** Has it look which tasks it is to get, in some time. */
  #looksForTarget(now: number, ms: number): void {
    const isNewcomer = now < this.#joinedAt + NEWCOMER_MS || this.holding.awaited.size > 0;
    this.#targetAt = this.#options.awaits === true && isNewcomer ? now + ms : Infinity;
  }

  get heard(): number {
    return this.#epoch;
  }

  hurry(heard: number, now: number): void {
    if (this.#phase !== "in" || heard <= this.#epoch) return;
    this.pace.changes(now);
    this.#nextAt = Math.min(this.#nextAt, now);
  }

  /** At least three times in a session: one request may get lost. */
  #intervalMs(now: number): number {
    const restMs = Math.floor(this.#options.sessionTimeoutMs / 3);
    return this.pace.intervalMs(now, Math.min(this.#brokerMs, restMs));
  }

  #refused({ errorCode, errorMessage }: StreamsHeartbeatAnswer, now: number): void {
    switch (verdictOf(errorCode)) {
      case "moved":
        this.#nextAt = now + RETRY_MS;
        return;
      case "expelled":
        this.#nextAt = now;
        return this.#expelled(`the group has expelled the member (${errorMessage ?? errorCode})`);
      case "refused":
        this.#phase = "over";
        return this.holding.fail(refusal(this.#options.groupId, errorCode, errorMessage));
      default:
        return this.#lookAgain(now);
    }
  }

  #described(member: DescribedMember, now: number): void {
    // A look at the target is in addition to heartbeats, which keep the member in the group.
    if (this.#looksNow) this.#nextAt = now + this.#intervalMs(now);
    this.#looksNow = false;
    this.#looksForTarget(now, TARGET_MS);
    // If the group does not know it, its next heartbeat is told so.
    if (member === null || member.memberEpoch < this.#epoch) return;
    this.#lookAt = now < this.#isSettledAt ? this.#isSettledAt : Infinity;
    const allowed = fromWire(member.activeTasks);
    this.#epoch = member.memberEpoch;
    this.holding.toldStandbys(fromWire(member.standbyTasks));
    if (allowed.symmetricDifference(this.holding.allowed).size > 0) this.#allow(allowed);
    if (this.#options.awaits === true) this.holding.toldTarget(fromWire(member.targetTasks));
    this.#looksForTarget(now, Math.max(TARGET_MS, member.members * TARGET_MS_A_MEMBER));
    this.#answeredAt = this.#heardAt;
  }

  /** The time to give tasks up may have begun right after the member last knew what it owns. */
  #allow(allowed: Tasks): void {
    this.holding.told(allowed);
    if (!this.holding.isRevoking) return;
    this.#releasesUntil = Math.min(
      this.#releasesUntil,
      this.#answeredAt + this.#options.rebalanceTimeoutMs,
    );
  }

  unanswered(request: StreamsRequest, fatal: Error | null, now: number): void {
    if (this.#phase === "leaving") {
      if (isLeave(request)) this.#afterLeave(fatal === null && this.#dismisses, now);
    } else if (request.kind === "describe" && !this.#looksNow) {
      this.#looksForTarget(now, TARGET_MS); // it has asked for nothing that the member needs
    } else if (fatal !== null) {
      this.#phase = "over";
      this.holding.fail(fatal);
    } else {
      this.#lookAgain(now);
    }
  }

  /** After a request that the group may have done: its answer may have had tasks. */
  #lookAgain(now: number): void {
    this.pace.changes(now);
    this.#looksNow = false; // a heartbeat first
    this.#nextAt = this.#quietUntil = now + LOST_MS;
    this.#lookAt = now;
    this.#isSettledAt = now + this.#options.requestTimeoutMs;
  }

  #expelled(reason: string): void {
    this.#phase = "out";
    this.#epoch = JOINS;
    this.#looksNow = false;
    this.#targetAt = Infinity;
    this.#releasesUntil = Infinity;
    this.holding.lose(reason);
  }

  acknowledged(released: boolean, now: number): void {
    if (!released) return;
    this.#releases++;
    this.pace.changes(now);
    this.#nextAt = Math.min(this.#nextAt, now);
  }

  /** The brokers do not accept it (`TaskOffsets`) before Kafka 4.4. */
  caughtUp(): void {}

  get isReleasing(): boolean {
    return this.#phase === "in" && this.#releases > this.#heardReleases;
  }

  token(): { memberId: string; epoch: number; instanceId: null } | null {
    if (this.#phase !== "in") return null;
    return { memberId: this.#options.memberId, epoch: this.#epoch, instanceId: null };
  }

  leave(): void {
    this.holding.drop();
    if (this.#phase !== "over") this.#phase = "leaving";
  }

  dismiss(): void {
    this.#dismisses = true;
    this.leave();
  }

  /** Without another attempt, the session ends by itself. */
  #afterLeave(again: boolean, now: number): void {
    if (again) this.#leavesAt = now + RETRY_MS;
    else this.#phase = "over";
  }

  /**
   * The answer has a status that has it leave. The broker keeps that until the group is empty. One
   * that is not in yet joins first: only members are heard.
   */
  shutDown(now: number): void {
    if (this.#phase === "leaving" || this.#phase === "over") return this.leave();
    this.#shutsDown = true;
    this.#looksNow = false;
    this.#nextAt = Math.min(this.#nextAt, now);
  }
}

function isLeave(request: StreamsRequest): boolean {
  return request.kind === "heartbeat" && request.heartbeat.memberEpoch === LEAVES;
}
