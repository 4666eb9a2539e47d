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
  #epoch = 0;

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
      member: member === undefined
        ? null
        : { memberEpoch: member.epoch, activeTasks: toWire(member.assigned) },
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
    };
    if (this.errorCode !== 0) return answer;
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

  /** The target: each keeps what it has up to its share, the others get the rest. */
  #assign(): void {
    this.#epoch++;
    const ids = [...this.#members.keys()];
    const quota = Math.ceil(this.#tasks.length / ids.length);
    const old = new Map(this.#target);
    this.#target.clear();
    const free = new Set(this.#tasks);
    for (const id of ids) {
      const kept = [...old.get(id) ?? []].slice(0, quota);
      kept.forEach((task) => free.delete(task));
      this.#target.set(id, new Set(kept));
    }
    for (const task of free) {
      const sizes = [...this.#target].sort(([, a], [, b]) => a.size - b.size);
      if (sizes.length === 0) return;
      const [id, has] = sizes[0];
      this.#target.set(id, new Set([...has, task]));
    }
  }

  #reconcile(member: FakeMember, owned: Tasks): void {
    if (member.state === "unrevoked") {
      if (!owned.isDisjointFrom(member.revoking)) return;
      member.revoking = NONE;
      member.endRevocation();
    } else if (member.state === "stable" && member.epoch === this.#epoch) {
      return;
    }
    const target = this.#target.get(member.id) ?? NONE;
    const kept = member.assigned.intersection(target);
    const revoking = member.assigned.difference(target);
    member.assigned = kept;
    if (!owned.isDisjointFrom(revoking)) {
      member.state = "unrevoked";
      member.revoking = revoking;
      member.endRevocation = wakeAfter(
        this.#clock,
        member.rebalanceTimeoutMs,
        () => this.#remove(member.id),
      );
      return;
    }
    const taken = new Set(
      [...this.#members.values()].filter((other) => other !== member)
        .flatMap((other) => [...other.assigned, ...other.revoking]),
    );
    member.assigned = kept.union(target.difference(taken));
    if (member.epoch !== this.#epoch) {
      member.previousEpoch = member.epoch;
      member.epoch = this.#epoch;
    }
    member.state = target.isDisjointFrom(taken) ? "stable" : "unreleased";
  }
}
