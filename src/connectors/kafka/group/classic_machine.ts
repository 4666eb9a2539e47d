/**
 * How a member of a classic group decides. The group's leader assigns (`assignor.ts`).
 *
 * Tasks move in two phases, as with Kafka's cooperative assignors. All members join with what they
 * own and go on running it. The leader hands out what nobody owns, and tells others what to give
 * up. Who has given up tasks joins again, and the next generation hands them out.
 *
 * The broker refuses a commit of a generation that is over. While the group waits for its members,
 * it still accepts those of the old one. So a member finishes the commit that is under way before
 * it joins, and begins the next when the group has answered.
 *
 * @module
 */
import type { JoinAnswer } from "../wire/classic_group.ts";
import { refusal, SHUTDOWN_APPLICATION, statusText, verdictOf } from "./group_errors.ts";
import { Holding } from "./holding.ts";
import { type Machine, RETRY_MS, silentFor, type Step } from "./machine.ts";
import { Pace, type PaceOptions } from "./pace.ts";
import { GroupShutdownError, type Topology } from "../../../group/membership.ts";
import { partsOf, type TaskId, type Tasks } from "../../../core/task_id.ts";
import { sharesOf } from "./shares.ts";
import { type Claim, decodeClaim, decodeGrant, encodeGrant, type Grant } from "./user_data.ts";

/** A member in a generation. */
interface Identity {
  readonly memberId: string;
  readonly generation: number;
}

/** What a member gets, as its leader sends it. */
export interface SentGrant {
  readonly memberId: string;
  readonly assigned: readonly { readonly topic: string; readonly partitions: readonly number[] }[];
  readonly grant: Uint8Array;
}

/** What a member asks its group, or its cluster. */
export type ClassicRequest =
  | { readonly kind: "join"; readonly memberId: string; readonly claim: Claim }
  | (Identity & { readonly kind: "sync"; readonly grants: readonly SentGrant[] })
  | (Identity & { readonly kind: "heartbeat" })
  | (Identity & { readonly kind: "leave" })
  /** How many partitions the topics have. */
  | { readonly kind: "partitions"; readonly topics: readonly string[] };

/** What the group answers. Members' metadata is their user data. */
export type ClassicAnswer =
  | { readonly kind: "join"; readonly answer: JoinAnswer }
  | { readonly kind: "sync"; readonly errorCode: number; readonly grant: Uint8Array }
  | { readonly kind: "done"; readonly errorCode: number }
  /** A topic that is not there is left out. */
  | { readonly kind: "partitions"; readonly counts: ReadonlyMap<string, number> };

/** A member of a classic group. */
export interface ClassicMemberOptions extends PaceOptions {
  readonly groupId: string;
  /** Its instance id: one that comes back within the session causes no rebalance (KIP-345). */
  readonly instanceId: string;
  readonly topology: Topology;
  readonly sessionTimeoutMs: number;
  readonly requestTimeoutMs: number;
  /** How often the leader looks whether topics have grown, in milliseconds. */
  readonly topicCheckMs: number;
  readonly onDisk: () => ReadonlyMap<TaskId, number>;
  /** Whether the machine has a disk for copies of states. */
  readonly keepsCopies: boolean;
  /** How many standbys it wants each task to have; `null` if others are to say. */
  readonly standbysWanted: number | null;
}

/**
 * How long a member waits before it joins again after a lost answer, in milliseconds. A join that
 * arrives after the next one has replaced it would tell the leader what the member owned then.
 */
const JOIN_RETRY_MS = 500;

const FENCED_INSTANCE_ID = 82;

/**
 * How long a member that is ready for some tasks waits for others, in milliseconds. All members
 * join when it asks for its tasks.
 */
const TOGETHER_MS = 3_000;

/**
 * How long a member gets ready without any copy that catches up, in milliseconds. Then it asks for
 * the tasks all the same. A changelog of this many minutes is rare. A disk that has failed is not.
 */
export const WARM_UP_MS = 600_000;

/**
 * How long a member that was told of a shutdown stays, in milliseconds. One that leaves earlier
 * begins another generation, before all others have heard what this one is about.
 */
const SHUTDOWN_MS = 1_000;

/** The machine of one member. */
export class ClassicMachine implements Machine<ClassicRequest, ClassicAnswer> {
  readonly holding = new Holding();
  readonly pace: Pace;
  leases = 0;
  readonly #options: ClassicMemberOptions;
  #phase: "out" | "joined" | "in" | "leaving" | "over" = "out";
  #memberId = "";
  #generation = -1;
  #heard = -1; // the newest generation, also one that is yet to begin
  #round = 0; // of its claims
  #shutsDown = false;
  #dismisses = false;
  #hasBeenIn = false;
  #leavesAt = -Infinity;
  #releases = 0; // how often it has given up tasks
  #claimedReleases = 0; // of these, how many its last claim has told
  #heardReleases = 0; // and how many are in a generation
  #isJoining = false; // a JoinGroup waits for its answer
  #mustJoin = true;
  #members: readonly (Claim & { readonly id: string })[] | null = null; // of the leader only
  #onDisk: ReadonlyMap<TaskId, number> = new Map(); // as it was told last
  #isRetry = false; // whether the next claim may be a repeated one
  #awaits: Tasks = new Set();
  #warmUps: Tasks = new Set();
  #caughtUp: Tasks = new Set(); // copies of this machine
  #ready: Tasks = new Set(); // as it was told last
  #isReadyAt = Infinity; // from when on it is ready for a task that it has not told
  #warmUpsUntil = Infinity;
  #counts: ReadonlyMap<string, number> | null = null; // partitions of topics
  #replacedUntil = -Infinity; // if it is replaced again before that, there is another process
  #nextAt = -Infinity;
  #nextCheckAt = -Infinity;
  #answeredAt = -Infinity; // when the last request was sent that shows that its tasks are its own

  constructor(options: ClassicMemberOptions) {
    this.#options = options;
    this.pace = new Pace(options);
  }

  decide(now: number): Step<ClassicRequest> {
    const { sessionTimeoutMs, requestTimeoutMs, topicCheckMs } = this.#options;
    if (this.#phase === "over") return { kind: "over" };
    const identity = { memberId: this.#memberId, generation: this.#generation };
    if (this.#phase === "leaving") {
      // Without a member's id, the group removes any member of this instance.
      if (this.#memberId === "" && !this.#dismisses) return { kind: "over" };
      if (now < this.#leavesAt) return { kind: "wait", until: this.#leavesAt };
      return {
        kind: "send",
        request: { kind: "leave", ...identity },
        until: now + requestTimeoutMs,
      };
    }
    if (now >= this.#end) this.#expelled(silentFor(sessionTimeoutMs));
    if (this.#phase === "in" && !this.#mustJoin && this.#wantsTasks(now)) {
      this.#round++;
      this.#joinAgain(now);
    }
    if (now < this.#nextAt) return { kind: "wait", until: Math.min(this.#nextAt, this.#end) };
    const until = Math.min(now + requestTimeoutMs, this.#end);
    if (this.#mustJoin) {
      if (this.leases > 0) return { kind: "wait", until: this.#end };
      this.#isJoining = true;
      this.#claimedReleases = this.#releases;
      const claim = this.#claim(now);
      const joins = { kind: "join", memberId: this.#memberId, claim } as const;
      const answersUntil = Math.min(now + sessionTimeoutMs, this.#end);
      return { kind: "send", request: joins, until: answersUntil };
    }
    const isLeader = this.#members !== null;
    if (isLeader && (this.#counts === null || now >= this.#nextCheckAt)) {
      this.#nextCheckAt = now + topicCheckMs;
      return { kind: "send", request: { kind: "partitions", topics: this.#topics }, until };
    }
    if (this.#phase === "joined") {
      return {
        kind: "send",
        request: { kind: "sync", ...identity, grants: this.#grants() },
        until,
      };
    }
    this.#nextAt = now + this.#intervalMs(now);
    return { kind: "send", request: { kind: "heartbeat", ...identity }, until };
  }

  #claim(now: number): Claim {
    // The same as before, if the group may have it: another one would have all members join.
    if (!this.#isRetry) this.#onDisk = this.#options.onDisk();
    this.#isRetry = false;
    this.#ready = this.#caughtUp.union(now >= this.#warmUpsUntil ? this.#warmUps : new Set());
    this.#isReadyAt = Infinity;
    const { keepsCopies, standbysWanted } = this.#options;
    return {
      owned: this.holding.owned,
      onDisk: this.#onDisk,
      round: this.#round,
      awaits: this.#awaits,
      ready: this.#ready,
      standbys: this.holding.standbys,
      ...keepsCopies ? { keepsCopies } : {},
      ...standbysWanted === null ? {} : { standbysWanted },
      ...this.#shutsDown ? { shutsDown: true } : {},
    };
  }

  caughtUp(tasks: Tasks, now: number): void {
    const isNews = (task: TaskId) => !this.#caughtUp.has(task) && this.#warmUps.has(task);
    if ([...tasks].some(isNews)) this.#warmUpsUntil = now + WARM_UP_MS;
    this.#caughtUp = tasks;
    this.#lookAtWarmUps(now);
  }

  #lookAtWarmUps(now: number): void {
    const isReady = [...this.#warmUps].some((task) =>
      this.#caughtUp.has(task) && !this.#ready.has(task)
    );
    this.#isReadyAt = isReady ? Math.min(this.#isReadyAt, now) : Infinity;
  }

  /** Whether another generation would give it a task, which it has got ready for. */
  #wantsTasks(now: number): boolean {
    const missing = this.#warmUps.difference(this.#ready);
    if (missing.size === 0) return false;
    return missing.isSubsetOf(this.#caughtUp) || now >= this.#isReadyAt + TOGETHER_MS ||
      now >= this.#warmUpsUntil;
  }

  /**
   * When its tasks may be others', if the group does not answer. The group waits a session's time
   * for members to join, so this holds for one whose JoinGroup has not arrived too. (One that waits
   * for a dead member may drop its tasks in vain, if that died in the last moment before.)
   */
  get #end(): number {
    if (this.#generation < 0 || this.holding.owned.size === 0) return Infinity;
    return this.#answeredAt + this.#options.sessionTimeoutMs;
  }

  get #topics(): string[] {
    return topicsRead(this.#options.topology);
  }

  answered(request: ClassicRequest, given: ClassicAnswer, sentAt: number, now: number): void {
    if (request.kind === "join") this.#isJoining = false;
    if (this.#phase === "leaving") {
      // One that joined meanwhile has an id to leave with.
      if (given.kind === "join" && given.answer.memberId !== "") {
        this.#memberId = given.answer.memberId;
      }
      const isMoved = given.kind === "done" && verdictOf(given.errorCode) === "moved";
      if (request.kind === "leave") this.#afterLeave(isMoved, now);
      return;
    }
    if (given.kind === "partitions") return this.#counted(given.counts);
    const errorCode = given.kind === "join" ? given.answer.errorCode : given.errorCode;
    if (errorCode !== 0) return this.#failed(errorCode, given, now);
    this.#answeredAt = sentAt;
    if (given.kind === "join") this.#joined(given.answer);
    if (given.kind === "sync") this.#granted(given.grant, now);
  }

  #joined({ memberId, leader, generation, members }: JoinAnswer): void {
    this.#memberId = memberId;
    this.#generation = this.#heard = generation;
    this.#phase = "joined";
    this.#mustJoin = false;
    this.#members = null;
    if (leader !== memberId) return;
    try {
      this.#members = members.map((each) => ({
        id: each.memberId,
        ...decodeClaim(each.metadata),
      }));
    } catch (error) {
      this.#phase = "leaving";
      this.holding.fail(error as Error);
    }
  }

  #granted(bytes: Uint8Array, now: number): void {
    let grant: Grant;
    try {
      grant = decodeGrant(bytes);
    } catch (error) {
      this.#phase = "leaving";
      return this.holding.fail(error as Error);
    }
    this.#phase = "in";
    this.#heardReleases = this.#claimedReleases;
    this.pace.changes(now);
    this.#nextAt = now + this.#intervalMs(now);
    if (grant.isShutDown) {
      this.#phase = "leaving";
      this.#leavesAt = now + SHUTDOWN_MS;
      const { groupId, sessionTimeoutMs } = this.#options;
      const waitMs = this.#hasBeenIn ? null : sessionTimeoutMs;
      const text = statusText(groupId, SHUTDOWN_APPLICATION, "");
      return this.holding.fail(new GroupShutdownError(text, { waitMs }));
    }
    this.#hasBeenIn = true;
    this.holding.status(grant.status);
    this.#getReady(grant, now);
    this.holding.toldStandbys(grant.standbys ?? new Set());
    this.holding.told(grant.tasks);
    // A member that has come back is given what it had, without a rebalance (KIP-345). But what it
    // was to give up is free now, and if it was the leader, it has to learn that (KIP-814).
    const isFree = grant.owes && !this.holding.isRevoking;
    // Nor has the leader heard of a shutdown, if the claim was sent before it, or not passed on.
    if (isFree || this.#shutsDown || (grant.leads && this.#members === null)) {
      this.#round++;
      this.#joinAgain(now);
    }
  }

  #getReady({ awaits = new Set(), warmUps = new Set() }: Grant, now: number): void {
    this.#awaits = awaits;
    const isOther = warmUps.symmetricDifference(this.#warmUps).size > 0;
    if (isOther) this.#warmUpsUntil = warmUps.size > 0 ? now + WARM_UP_MS : Infinity;
    this.#warmUps = warmUps;
    this.#lookAtWarmUps(now);
  }

  /** What each member gets, by the leader. */
  #grants(): SentGrant[] {
    if (this.#members === null) return [];
    const { subtopologies } = this.#options.topology;
    const counts = this.#counts!;
    const missing = this.#topics.filter((topic) => !counts.has(topic));
    const tasks = new Map(subtopologies.map((each) => {
      const topics = topicsOf(each);
      const isWhole = topics.every((topic) => counts.has(topic));
      return [each.subtopologyId, isWhole ? Math.max(...topics.map((it) => counts.get(it)!)) : 0];
    }));
    const status = missing.length === 0
      ? null
      : `group "${this.#options.groupId}" waits for topics: create them (${missing.join(", ")})`;
    const isShutDown = this.#members.some(({ shutsDown }) => shutsDown === true);
    const shares = sharesOf(this.#members, {
      counts: tasks,
      stateful: new Set(
        subtopologies.filter(({ changelogTopics }) => changelogTopics.length > 0)
          .map(({ subtopologyId }) => subtopologyId),
      ),
      standbys: Math.max(0, ...this.#members.map(({ standbysWanted }) => standbysWanted ?? 0)),
    });
    return this.#members.map(({ id, owned }) => {
      const share = shares.get(id)!;
      const owes = !owned.isSubsetOf(share.tasks);
      const leads = id === this.#memberId;
      return {
        memberId: id,
        assigned: this.#partitionsOf(share.tasks),
        grant: encodeGrant({ ...share, owes, leads, status, ...isShutDown ? { isShutDown } : {} }),
      };
    });
  }

  /** The partitions of topics that tasks read, for tools that show lag. */
  #partitionsOf(tasks: Tasks): { topic: string; partitions: number[] }[] {
    const subtopologies = new Map(
      this.#options.topology.subtopologies.map((each) => [each.subtopologyId, each]),
    );
    const read = [...tasks].flatMap((task) => {
      const { subtopology, partition } = partsOf(task);
      return topicsOf(subtopologies.get(subtopology)!)
        .filter((topic) => partition < (this.#counts!.get(topic) ?? 0))
        .map((topic) => ({ topic, partition }));
    });
    return [...Map.groupBy(read, ({ topic }) => topic)].map(([topic, its]) => ({
      topic,
      partitions: its.map(({ partition }) => partition),
    }));
  }

  #counted(counts: ReadonlyMap<string, number>): void {
    const before = this.#counts;
    this.#counts = counts;
    if (before === null || this.#phase !== "in") return;
    const isSame = counts.size === before.size &&
      [...counts].every(([topic, count]) => before.get(topic) === count);
    if (!isSame) this.#mustJoin = true; // the leader's JoinGroup makes all others join
  }

  #failed(errorCode: number, given: ClassicAnswer, now: number): void {
    switch (verdictOf(errorCode)) {
      case "moved":
        this.#nextAt = now + RETRY_MS;
        return;
      case "named":
        if (given.kind === "join") this.#memberId = given.answer.memberId;
        return;
      case "rebalance":
        this.#heard = this.#generation + 1;
        this.#joinAgain(now);
        return;
      case "expelled":
        return this.#expelled(`the group has expelled the member (${errorCode})`);
      case "refused":
        // A join whose answer was lost may have come after the next one, and replaced its member.
        if (errorCode === FENCED_INSTANCE_ID && now >= this.#replacedUntil) {
          this.#replacedUntil = now + 2 * this.#options.sessionTimeoutMs;
          return this.#expelled("another member has joined with the same id");
        }
        this.#phase = "over";
        return this.holding.fail(refusal(this.#options.groupId, errorCode, null));
      default:
        this.#joinAgain(now + RETRY_MS);
    }
  }

  get heard(): number {
    return this.#heard;
  }

  hurry(heard: number, now: number): void {
    if (this.#phase !== "in" || this.#mustJoin || heard <= this.#generation) return;
    this.pace.changes(now);
    this.#nextAt = Math.min(this.#nextAt, now);
  }

  /** At least three times in a session: one request may get lost. A leader looks at topics too. */
  #intervalMs(now: number): number {
    const { sessionTimeoutMs, topicCheckMs } = this.#options;
    const restMs = Math.floor(sessionTimeoutMs / 3);
    return this.pace.intervalMs(
      now,
      this.#members === null ? restMs : Math.min(restMs, topicCheckMs),
    );
  }

  #joinAgain(at: number): void {
    this.#mustJoin = true;
    this.#nextAt = at;
  }

  unanswered(request: ClassicRequest, fatal: Error | null, now: number): void {
    if (request.kind === "join") this.#isJoining = false;
    if (this.#phase === "leaving") {
      if (request.kind === "leave") this.#afterLeave(fatal === null && this.#dismisses, now);
    } else if (fatal !== null) {
      this.#phase = "over";
      this.holding.fail(fatal);
    } else if (request.kind === "join" || request.kind === "sync") {
      // The group may be a generation further, or have handed out what nobody has learnt.
      this.#isRetry = true;
      this.#joinAgain(now + JOIN_RETRY_MS);
    } else {
      this.#nextAt = now + RETRY_MS;
    }
  }

  #expelled(reason: string): void {
    this.#phase = "out";
    this.#generation = -1;
    this.#memberId = "";
    this.#members = null;
    this.#mustJoin = true;
    this.#isRetry = false;
    this.#nextAt = -Infinity;
    this.holding.lose(reason);
  }

  acknowledged(released: boolean, now: number): void {
    if (!released) return;
    this.#releases++;
    this.#joinAgain(now);
  }

  get isReleasing(): boolean {
    const isMember = this.#phase === "joined" || this.#phase === "in";
    return isMember && this.#releases > this.#heardReleases;
  }

  token(): { memberId: string; epoch: number; instanceId: string } | null {
    if (this.#isJoining || this.#mustJoin || this.#generation < 0) return null;
    return {
      memberId: this.#memberId,
      epoch: this.#generation,
      instanceId: this.#options.instanceId,
    };
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
   * The leader tells all members of the next generation, this one too. One that is not in yet joins
   * for that.
   */
  shutDown(now: number): void {
    if (this.#phase === "leaving" || this.#phase === "over") return this.leave();
    this.#shutsDown = true;
    this.#round++;
    this.#joinAgain(now);
  }
}

/** The topics whose partitions make the tasks of a sub-topology. */
function topicsOf(
  { sourceTopics, repartitionSourceTopics }: Topology["subtopologies"][number],
): string[] {
  return [...sourceTopics, ...repartitionSourceTopics.map(({ name }) => name)];
}

/** The topics that a topology reads, each once. */
export function topicsRead({ subtopologies }: Topology): string[] {
  return [...new Set(subtopologies.flatMap(topicsOf))];
}
