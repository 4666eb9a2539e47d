import { wakeAfter } from "../../../../src/core/clock.ts";
import type { TaskId, Tasks } from "../../../../src/core/task_id.ts";
import { fromWire, toWire } from "../../../../src/connectors/kafka/group/tasks.ts";
import type {
  StreamsAnswer,
  StreamsRequest,
} from "../../../../src/connectors/kafka/group/streams_machine.ts";
import type { StreamsHeartbeat } from "../../../../src/connectors/kafka/wire/streams_group_heartbeat.ts";
import type { TestClock } from "../../clock/test_clock.ts";

interface FakeMember {
  readonly id: string;
  epoch: number;
  previousEpoch: number;
  state: "stable" | "unrevoked" | "unreleased";
  assigned: Tasks;
  revoking: Tasks;
  rebalanceTimeoutMs: number;
  /** Cancel the ends of its session, and of its time to give tasks up. */
  endSession: () => void;
  endRevocation: () => void;
}

const NONE: Tasks = new Set();

/**
 * A coordinator of one streams group in memory, as Apache Kafka 4.3.1 does it. The states are
 * those of its CurrentAssignmentBuilder, and the checks those of its GroupMetadataManager.
 */
export class FakeStreamsGroup {
  /** A status that it answers; `null` for none. */
  status: { code: number; detail: string } | null = null;
  /** An error that it answers to everything; 0 for none. */
  errorCode = 0;
  readonly #clock: TestClock;
  readonly #tasks: readonly TaskId[];
  readonly #sessionTimeoutMs: number;
  readonly #members = new Map<string, FakeMember>();
  readonly #target = new Map<string, Tasks>();
  /** Who has a task, or is giving it up. */
  readonly #holders = new Map<TaskId, FakeMember>();
  #epoch = 0;
  #isShutDown = false;

  constructor(clock: TestClock, tasks: readonly TaskId[], sessionTimeoutMs: number) {
    this.#clock = clock;
    this.#tasks = tasks;
    this.#sessionTimeoutMs = sessionTimeoutMs;
  }

  /** Expels a member, as if its session had ended. */
  expel(id: string): void {
    this.#remove(id);
  }

  /** What a commit of these tasks answers, by StreamsGroup.validateOffsetCommit. */
  commit(memberId: string, epoch: number, tasks: Tasks): number {
    const member = this.#members.get(memberId);
    if (member === undefined) return 25;
    if (epoch === member.epoch) return 0;
    const kept = tasks.isSubsetOf(member.assigned.union(member.revoking));
    return epoch < member.epoch && kept ? 0 : 22;
  }

  answer(request: StreamsRequest): Promise<StreamsAnswer> {
    if (request.kind === "heartbeat") {
      return Promise.resolve({ kind: "heartbeat", answer: this.#heartbeat(request.heartbeat) });
    }
    const member = this.#members.get(request.memberId);
    return Promise.resolve({
      kind: "described",
      member: member === undefined ? null : {
        memberEpoch: member.epoch,
        activeTasks: toWire(member.assigned),
        standbyTasks: [],
        targetTasks: toWire(this.#target.get(member.id) ?? NONE),
        members: this.#members.size,
      },
    });
  }

  #heartbeat(heartbeat: StreamsHeartbeat) {
    const { memberId, memberEpoch: epoch, activeTasks } = heartbeat;
    const answer = {
      errorCode: this.errorCode,
      errorMessage: null,
      memberEpoch: 0,
      heartbeatIntervalMs: 5_000,
      status: this.status === null ? [] : [this.status],
      activeTasks: null as ReturnType<typeof toWire> | null,
      standbyTasks: null,
    };
    if (this.errorCode !== 0) return answer;
    if (heartbeat.shutsDown) this.#isShutDown = true;
    if (this.#members.size === 0) this.#isShutDown = false; // as in StreamsGroup
    if (this.#isShutDown && epoch !== -1) {
      answer.status.push({ code: 4, detail: "a member requested a shutdown" });
    }
    if (epoch === -1) {
      if (!this.#members.has(memberId)) return { ...answer, errorCode: 25 };
      this.#remove(memberId);
      return { ...answer, memberEpoch: -1 };
    }
    const owned = fromWire(activeTasks ?? []);
    if (epoch === 0) this.#join(heartbeat);
    const member = this.#members.get(memberId);
    if (member === undefined) return { ...answer, errorCode: 25 };
    const isBefore = epoch === member.previousEpoch && owned.isSubsetOf(member.assigned);
    if (epoch !== 0 && epoch !== member.epoch && !isBefore) return { ...answer, errorCode: 110 };
    const before = member.assigned;
    this.#reconcile(member, owned);
    this.#hear(member);
    const isChanged = before.symmetricDifference(member.assigned).size > 0;
    return {
      ...answer,
      memberEpoch: member.epoch,
      activeTasks: epoch === 0 || isChanged ? toWire(member.assigned) : null,
    };
  }

  #join({ memberId: id, rebalanceTimeoutMs }: StreamsHeartbeat): void {
    if (this.#members.has(id)) return;
    this.#members.set(id, {
      id,
      epoch: 0,
      previousEpoch: -1,
      state: "stable",
      assigned: NONE,
      revoking: NONE,
      rebalanceTimeoutMs,
      endSession: () => {},
      endRevocation: () => {},
    });
    this.#assign();
  }

  #remove(id: string): void {
    const member = this.#members.get(id);
    if (member === undefined) return;
    member.endSession();
    member.endRevocation();
    this.#hold(member, NONE, NONE);
    this.#members.delete(id);
    this.#assign();
  }

  #hear(member: FakeMember): void {
    member.endSession();
    member.endSession = wakeAfter(
      this.#clock,
      this.#sessionTimeoutMs,
      () => this.#remove(member.id),
    );
  }

  /**
   * The target, by the rules of its StickyTaskAssignor: each keeps what it has up to the quota. The
   * quota is that of the members that are not at theirs yet.
   */
  #assign(): void {
    this.#epoch++;
    const ids = [...this.#members.keys()];
    const old = new Map(this.#target);
    this.#target.clear();
    if (ids.length === 0) return;
    const counts = new Map(ids.map((id) => [id, new Set<TaskId>()]));
    let tasks = this.#tasks.length;
    let capacity = ids.length;
    let quota = Math.ceil(tasks / capacity);
    const give = (id: string, task: TaskId) => {
      const has = counts.get(id)!;
      has.add(task);
      if (has.size !== quota) return;
      tasks -= has.size;
      capacity--;
      quota = capacity === 0 ? 0 : Math.ceil(tasks / capacity);
    };
    const free = new Set(this.#tasks);
    for (const id of ids) {
      for (const task of old.get(id) ?? []) {
        if (counts.get(id)!.size >= quota) break;
        give(id, task);
        free.delete(task);
      }
    }
    for (const task of free) {
      let least = ids[0];
      for (const id of ids) if (counts.get(id)!.size < counts.get(least)!.size) least = id;
      give(least, task);
    }
    for (const [id, has] of counts) this.#target.set(id, has);
  }

  #hold(member: FakeMember, assigned: Tasks, revoking: Tasks): void {
    const held = new Set([...assigned, ...revoking]);
    for (const task of [...member.assigned, ...member.revoking]) {
      if (!held.has(task)) this.#holders.delete(task);
    }
    for (const task of held) this.#holders.set(task, member);
    member.assigned = assigned;
    member.revoking = revoking;
  }

  #reconcile(member: FakeMember, owned: Tasks): void {
    if (member.state === "unrevoked") {
      if (!owned.isDisjointFrom(member.revoking)) return;
      this.#hold(member, member.assigned, NONE);
      member.endRevocation();
    } else if (member.state === "stable" && member.epoch === this.#epoch) {
      return;
    }
    const target = this.#target.get(member.id) ?? NONE;
    const kept = member.assigned.intersection(target);
    const revoking = member.assigned.difference(target);
    if (!owned.isDisjointFrom(revoking)) {
      member.state = "unrevoked";
      this.#hold(member, kept, revoking);
      member.endRevocation = wakeAfter(
        this.#clock,
        member.rebalanceTimeoutMs,
        () => this.#remove(member.id),
      );
      return;
    }
    this.#hold(member, kept, NONE);
    const isFree = (task: TaskId) => (this.#holders.get(task) ?? member) === member;
    const free = new Set([...target].filter(isFree));
    this.#hold(member, free, NONE);
    if (member.epoch !== this.#epoch) {
      member.previousEpoch = member.epoch;
      member.epoch = this.#epoch;
    }
    member.state = free.size === target.size ? "stable" : "unreleased";
  }
}
