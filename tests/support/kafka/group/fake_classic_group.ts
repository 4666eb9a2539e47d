import { wakeAfter } from "../../../../src/core/clock.ts";
import type {
  ClassicAnswer,
  ClassicRequest,
  SentGrant,
} from "../../../../src/connectors/kafka/group/classic_machine.ts";
import { encodeClaim, encodeGrant } from "../../../../src/connectors/kafka/group/user_data.ts";
import { Buffer } from "node:buffer";
import type { TestClock } from "../../clock/test_clock.ts";

interface FakeMember {
  id: string;
  readonly instanceId: string;
  claim: Uint8Array;
  grant: Uint8Array;
  /** Set while its JoinGroup waits. */
  joined: ((answer: ClassicAnswer) => void) | null;
  /** Set while its SyncGroup waits. */
  synced: ((answer: ClassicAnswer) => void) | null;
  endSession: () => void;
}

const NOTHING = encodeGrant({ tasks: new Set(), owes: false, leads: false, status: null });

/**
 * A coordinator of one classic group of static members in memory, as Apache Kafka does it in
 * GroupCoordinator.
 */
export class FakeClassicGroup {
  /** The partitions of topics. */
  readonly partitions: Map<string, number>;
  readonly #clock: TestClock;
  readonly #sessionTimeoutMs: number;
  readonly #rebalanceTimeoutMs: number;
  readonly #members = new Map<string, FakeMember>();
  #state: "stable" | "preparing" | "completing" = "stable";
  #generation = 0;
  #leader = "";
  #lastId = 0;
  #endJoining = () => {};

  constructor(
    clock: TestClock,
    partitions: ReadonlyMap<string, number>,
    limits: { sessionTimeoutMs: number; rebalanceTimeoutMs: number },
  ) {
    this.#clock = clock;
    this.partitions = new Map(partitions);
    this.#sessionTimeoutMs = limits.sessionTimeoutMs;
    this.#rebalanceTimeoutMs = limits.rebalanceTimeoutMs;
  }

  /** How many generations there were. */
  get generation(): number {
    return this.#generation;
  }

  /** What a commit answers. */
  commit(memberId: string, generation: number): number {
    if (!this.#members.has(memberId)) return 25;
    return generation === this.#generation ? 0 : 22;
  }

  answer(instanceId: string, request: ClassicRequest): Promise<ClassicAnswer> {
    return new Promise((resolve) => {
      switch (request.kind) {
        case "join":
          return this.#join(instanceId, request.memberId, encodeClaim(request.claim), resolve);
        case "sync":
          return this.#sync(request, resolve);
        case "heartbeat":
          return resolve({ kind: "done", errorCode: this.#heartbeat(request) });
        case "leave": {
          const member = request.memberId === ""
            ? [...this.#members.values()].find((each) => each.instanceId === instanceId)
            : this.#members.get(request.memberId);
          if (member !== undefined) this.#remove(member);
          return resolve({ kind: "done", errorCode: member === undefined ? 25 : 0 });
        }
        case "partitions":
          return resolve({ kind: "partitions", counts: new Map(this.partitions) });
      }
    });
  }

  #join(
    instanceId: string,
    memberId: string,
    claim: Uint8Array,
    resolve: (answer: ClassicAnswer) => void,
  ): void {
    const known = [...this.#members.values()].find((each) => each.instanceId === instanceId);
    if (memberId === "") {
      const id = `${instanceId}#${++this.#lastId}`;
      if (known === undefined) {
        const endSession = () => {};
        const fresh = { id, instanceId, claim, grant: NOTHING, endSession };
        this.#members.set(id, { ...fresh, joined: resolve, synced: null });
        return this.#rebalance();
      }
      // A static member is back: nothing moves, and it does not learn that it is the leader.
      this.#members.delete(known.id);
      const wasLeader = known.id === this.#leader;
      const leader = this.#leader;
      known.id = id;
      known.claim = claim;
      this.#members.set(id, known);
      if (wasLeader) this.#leader = id;
      this.#hear(known);
      if (this.#state === "stable") return resolve(this.#joined(known, leader));
      known.joined = resolve;
      return this.#rebalance();
    }
    const member = this.#members.get(memberId);
    if (member === undefined) {
      const errorCode = known === undefined ? 25 : 82;
      return resolve({ kind: "join", answer: { ...this.#answer("", ""), errorCode } });
    }
    const isChanged = Buffer.compare(member.claim, claim) !== 0;
    member.claim = claim;
    if (this.#state === "preparing") {
      member.joined = resolve;
      return this.#complete();
    }
    const isLeader = memberId === this.#leader;
    if (isChanged || (this.#state === "stable" && isLeader)) {
      member.joined = resolve;
      return this.#rebalance();
    }
    this.#hear(member);
    resolve(this.#joined(member, this.#leader));
  }

  #answer(memberId: string, leader: string) {
    return { errorCode: 0, generation: this.#generation, leader, memberId, members: [] };
  }

  #joined(member: FakeMember, leader: string): ClassicAnswer {
    const members = member.id !== leader ? [] : Array.from(
      this.#members.values(),
      ({ id, instanceId, claim }) => ({ memberId: id, instanceId, metadata: Buffer.from(claim) }),
    );
    return { kind: "join", answer: { ...this.#answer(member.id, leader), members } };
  }

  #rebalance(): void {
    if (this.#state === "completing") {
      for (const member of this.#members.values()) this.#synced(member, 27);
    }
    if (this.#state !== "preparing") {
      this.#state = "preparing";
      this.#endJoining = wakeAfter(
        this.#clock,
        this.#rebalanceTimeoutMs,
        () => this.#complete(true),
      );
    }
    this.#complete();
  }

  /** Static members that have not joined in time stay, with what they said last. */
  #complete(isLate = false): void {
    const all = [...this.#members.values()];
    if (!isLate && all.some(({ joined }) => joined === null)) return;
    this.#endJoining();
    if (all.length === 0) {
      this.#state = "stable";
      return;
    }
    this.#generation++;
    this.#state = "completing";
    const joined = all.filter((each) => each.joined !== null);
    if (!joined.some(({ id }) => id === this.#leader)) {
      this.#leader = joined[0]?.id ?? all[0].id;
    }
    for (const member of joined) {
      member.joined!(this.#joined(member, this.#leader));
      member.joined = null;
      this.#hear(member);
    }
  }

  #sync(
    request: ClassicRequest & { kind: "sync" },
    resolve: (answer: ClassicAnswer) => void,
  ): void {
    const member = this.#members.get(request.memberId);
    const errorCode = this.#check(member, request.generation) ||
      (this.#state === "preparing" ? 27 : 0);
    if (errorCode !== 0) return resolve({ kind: "sync", errorCode, grant: NOTHING });
    member!.synced = resolve;
    this.#hear(member!);
    if (this.#state === "completing") {
      if (request.memberId !== this.#leader) return;
      this.#assign(request.grants);
      this.#state = "stable";
    }
    for (const each of this.#members.values()) this.#synced(each, 0);
  }

  #assign(grants: readonly SentGrant[]): void {
    const byId = new Map(grants.map(({ memberId, grant }) => [memberId, grant]));
    for (const each of this.#members.values()) each.grant = byId.get(each.id) ?? NOTHING;
  }

  #synced(member: FakeMember, errorCode: number): void {
    member.synced?.({ kind: "sync", errorCode, grant: member.grant });
    member.synced = null;
  }

  #heartbeat({ memberId, generation }: ClassicRequest & { kind: "heartbeat" }): number {
    const member = this.#members.get(memberId);
    const errorCode = this.#check(member, generation);
    if (errorCode !== 0) return errorCode;
    this.#hear(member!);
    return this.#state === "preparing" ? 27 : 0;
  }

  #check(member: FakeMember | undefined, generation: number): number {
    if (member === undefined) return 25;
    return generation === this.#generation ? 0 : 22;
  }

  #hear(member: FakeMember): void {
    member.endSession();
    member.endSession = wakeAfter(this.#clock, this.#sessionTimeoutMs, () => {
      if (member.joined === null) this.#remove(member);
    });
  }

  #remove(member: FakeMember): void {
    member.endSession();
    this.#members.delete(member.id);
    this.#rebalance();
  }
}
