/**
 * Membership in a group: which tasks this process runs, decided with the other machines.
 *
 * This is the port that the task layer uses. It does not know which protocol the group speaks: that
 * of streams groups or the classic one, which are in `connectors/kafka/group`. Both pass the suite
 * of `tests/conformance/membership.ts`.
 *
 * @module
 */
import type { TaskId, Tasks } from "../core/task_id.ts";

/**
 * What the group runs: sub-topologies, each with the topics that it reads. There is one task for
 * each partition of those; if they differ, for each of the topic that has the most.
 */
export interface Topology {
  /** Its version; 0 as long as the broker accepts no other. */
  readonly epoch: number;
  readonly subtopologies: readonly MemberSubtopology[];
}

/** A sub-topology, as the group has to know it. */
export interface MemberSubtopology {
  readonly subtopologyId: string;
  readonly sourceTopics: readonly string[];
  readonly changelogTopics: readonly InternalTopic[];
  readonly repartitionSinkTopics: readonly string[];
  readonly repartitionSourceTopics: readonly InternalTopic[];
}

/** A topic that belongs to the flow, which a streams group makes if it is not there. */
export interface InternalTopic {
  readonly name: string;
  /** 0: as many as the sub-topology has tasks. */
  readonly partitions: number;
  /** 0: the broker's default. */
  readonly replicationFactor: number;
  readonly configs: readonly { readonly key: string; readonly value: string }[];
}

/** What happens to a member. Events come one at a time, in order. */
export type MembershipEvent =
  /** The member owns these in addition, and may start them at once. */
  | { readonly kind: "assigned"; readonly tasks: Tasks }
  /**
   * The member must give these up. Until it calls {@linkcode Member.acknowledge}, it owns them: it
   * closes its epoch and commits first. Nobody else gets them before that.
   */
  | { readonly kind: "revoke"; readonly tasks: Tasks }
  /**
   * The member has lost these: others may run them by now. It drops them without a commit, which
   * the broker would refuse. It joins again by itself.
   */
  | { readonly kind: "lost"; readonly tasks: Tasks; readonly reason: string }
  /**
   * The member is to keep copies of the states of these, and of no others. It gives the others up
   * by itself: they need no acknowledgement. It keeps them while it is out of the group, too.
   */
  | { readonly kind: "standbys"; readonly tasks: Tasks }
  /**
   * The member is to get these as soon as their owners give them up, and no others. It may read
   * their states until then (`hand_over.ts`). What it has got is not among them. A membership that
   * cannot know this never tells it.
   */
  | { readonly kind: "awaited"; readonly tasks: Tasks }
  /** Why tasks do not run, with what to do about it; `null` once that is over. */
  | {
    readonly kind: "status";
    readonly text: string | null;
    /** Set if each group that begins is like that for a moment. */
    readonly isUsual?: true;
  }
  /** The member is out for good. It has lost its tasks, in an event before. */
  | { readonly kind: "failed"; readonly error: Error };

/** What identifies a member when it commits positions of its tasks. */
export interface CommitToken extends Disposable {
  readonly memberId: string;
  /** The member's epoch, or its generation in a classic group: TxnOffsetCommit's `generationId`. */
  readonly epoch: number;
  /** The instance id of a member of a classic group; `null` if it has none. */
  readonly instanceId: string | null;
  /**
   * What the member owns. The broker does not check each task: a commit must name no other
   * partitions than theirs.
   */
  readonly owned: Tasks;
}

/** One member of a group: one worker. */
export interface Member {
  /** What it owns now, including tasks that it is to give up and has not yet. */
  readonly owned: Tasks;

  /**
   * Tells what the member still owns, after it has given up tasks that it was told to.
   *
   * @throws {TypeError} If a task is missing that the member was not told to give up, or that it
   * does not own is there.
   */
  acknowledge(owned: Iterable<TaskId>): void;

  /**
   * Tells which of the member's standbys have caught up, whenever that changes. In a classic group,
   * a task that is to move runs on where it is until its next member has said so.
   */
  caughtUp(standbys: Tasks): void;

  /**
   * Returns what a commit needs, as soon as the group accepts commits: a classic group does not
   * while it rebalances. Dispose of it when the broker has answered TxnOffsetCommit. Until then the
   * member does not join the next generation, as that would have the commit refused.
   *
   * @throws {MembershipLostError} If the member is out, or has lost its tasks since the call, even
   * if it has some again.
   */
  token(): Promise<CommitToken>;

  /** Leaves: others get its tasks at once. Resolves when the group knows, or cannot be reached. */
  leave(): Promise<void>;

  /**
   * Has every member of the group end with a {@linkcode GroupShutdownError}, and leaves. A member
   * that is not in yet joins first. Resolves when the group knows, or cannot be reached. Members
   * that have gone without leaving hear of it if they come back within their session.
   */
  shutDown(): Promise<void>;

  /**
   * Ends without leaving. A member of the same id that joins within the session timeout gets the
   * same tasks, and nothing moves.
   */
  stop(): Promise<void>;
}

/** What a new member is. */
export interface MemberOptions {
  /**
   * Its id, which is kept on disk, so that a restart finds its tasks again. Two running members
   * must not have the same: it is a UUID.
   */
  readonly id: string;
  /**
   * The changelog offsets of tasks that the machine has on disk. The classic leader prefers members
   * that have most of a task. A streams group of Kafka 4.3 does not accept them. Left out if the
   * machine keeps no states: then it has no standbys, and tasks move to it at once.
   */
  readonly onDisk?: () => ReadonlyMap<TaskId, number>;
  /** Called with each event. It must not throw. */
  readonly onEvent: (event: MembershipEvent) => void;
}

/**
 * The members of one process: the supervisor has one for each of its workers. It sends their
 * heartbeats, so user functions that block a worker do not cost its membership.
 *
 * @example Joining, and doing what the group says
 * ```ts ignore
 * const member = membership.join({
 *   id: "6ad3a7f0-7f5e-4b0a-9d27-8f3f0c1b8a11",
 *   onEvent(event) {
 *     if (event.kind === "assigned") start(event.tasks);
 *     if (event.kind === "lost") drop(event.tasks);
 *     if (event.kind === "revoke") {
 *       void commit().then(() => {
 *         drop(event.tasks);
 *         member.acknowledge(member.owned.difference(event.tasks));
 *       });
 *     }
 *   },
 * });
 * ```
 */
export interface Membership {
  /** After this time without an answer, the group gives a member's tasks away, in milliseconds. */
  readonly sessionTimeoutMs: number;

  /** Joins the group with one more member. It tries until it is in, leaves, or fails. */
  join(options: MemberOptions): Member;

  /**
   * Leaves for members of earlier processes, which have gone without leaving. Others get their
   * tasks at once, and not when their sessions end. No process may run with these ids.
   *
   * @returns Resolves when the group knows, or cannot be reached.
   */
  dismiss(ids: Iterable<string>): Promise<void>;

  /** Ends all members without leaving, and closes the connections. */
  close(): Promise<void>;
}

/** A member has no right to commit any more: what it has computed since its last commit is void. */
export class MembershipLostError extends Error {
  override readonly name = "MembershipLostError";
}

/** A member has ended the whole group. */
export class GroupShutdownError extends Error {
  override readonly name = "GroupShutdownError";
  /**
   * Set if the group was ended before this member came: it remembers that until all members of then
   * are gone. Within this time, dead ones are, in milliseconds.
   */
  readonly waitMs: number | null;

  constructor(message: string, { waitMs = null }: { readonly waitMs?: number | null } = {}) {
    super(message);
    this.waitMs = waitMs;
  }
}

/** A group does not accept this member, and never will. */
export class GroupRefusedError extends Error {
  override readonly name = "GroupRefusedError";
}
