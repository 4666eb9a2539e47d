/**
 * Links to the broker that keeps a group.
 *
 * @module
 */
import { isFatal, ofGroup } from "../client/errors.ts";
import type { KafkaBroker } from "../client/kafkajs.ts";
import { classicHeartbeat, joinGroup, leaveGroup, syncGroup } from "../wire/classic_group.ts";
import {
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
} from "../wire/consumer_protocol.ts";
import type { Coordinated } from "../wire/find_coordinator.ts";
import { fetchMetadata } from "../wire/metadata.ts";
import { streamsGroupDescribe } from "../wire/streams_group_describe.ts";
import { streamsGroupHeartbeat } from "../wire/streams_group_heartbeat.ts";
import type { ClassicAnswer, ClassicRequest } from "./classic_machine.ts";
import { verdictOf } from "./group_errors.ts";
import type { GroupLink } from "./members.ts";
import type { StreamsAnswer, StreamsRequest } from "./streams_machine.ts";
import { encodeClaim } from "./user_data.ts";

/** What a link needs of a connection. */
export interface GroupConnection {
  coordinatorId(of: Coordinated): Promise<number>;
  broker(nodeId: number): Promise<KafkaBroker>;
  dropBroker(nodeId: number): void;
  close(): Promise<void>;
}

/** Asks the coordinator of one group. It is found again after an error. */
export class CoordinatorLink<Q, A> implements GroupLink<Q, A> {
  readonly #connection: GroupConnection;
  readonly #groupId: string;
  readonly #ask: (broker: KafkaBroker, request: Q) => Promise<{ answer: A; errorCode: number }>;
  #nodeId: Promise<number> | null = null;

  /** `ask` sends a request to the coordinator, and returns the error code of the answer too. */
  constructor(
    connection: GroupConnection,
    groupId: string,
    ask: (broker: KafkaBroker, request: Q) => Promise<{ answer: A; errorCode: number }>,
  ) {
    this.#connection = connection;
    this.#groupId = groupId;
    this.#ask = ask;
  }

  async send(request: Q): Promise<A> {
    this.#nodeId ??= this.#connection.coordinatorId({ kind: "group", id: this.#groupId });
    const asked = this.#nodeId;
    try {
      const broker = await this.#connection.broker(await asked);
      const { answer, errorCode } = await this.#ask(broker, request);
      if (verdictOf(errorCode) === "moved") this.#forget(asked);
      return answer;
    } catch (error) {
      this.#forget(asked);
      throw error;
    }
  }

  drop(): void {
    const asked = this.#nodeId;
    if (asked === null) return;
    this.#forget(asked);
    asked.then((nodeId) => this.#connection.dropBroker(nodeId), () => {}); // not found: not asked
  }

  isFatal(error: unknown): boolean {
    return isFatal(error);
  }

  async close(): Promise<void> {
    await this.#connection.close();
  }

  /** Another request may have found the new coordinator already. */
  #forget(asked: Promise<number>): void {
    if (this.#nodeId === asked) this.#nodeId = null;
  }
}

/** A link to a streams group. All members of a process share it. */
export function streamsLink(
  connection: GroupConnection,
  groupId: string,
): GroupLink<StreamsRequest, StreamsAnswer> {
  return new CoordinatorLink(connection, groupId, askStreamsGroup);
}

async function askStreamsGroup(
  broker: KafkaBroker,
  request: StreamsRequest,
): Promise<{ answer: StreamsAnswer; errorCode: number }> {
  if (request.kind === "heartbeat") {
    const answer = await streamsGroupHeartbeat(broker, request.heartbeat);
    return { answer: { kind: "heartbeat", answer }, errorCode: answer.errorCode };
  }
  const { groupId, memberId } = request;
  const member = await ofGroup(null, async () => {
    const { members } = await streamsGroupDescribe(broker, groupId);
    const found = members.find((each) => each.memberId === memberId);
    return found === undefined ? null : { ...found, members: members.length };
  });
  return { answer: { kind: "described", member }, errorCode: 0 };
}

/** How long a classic member may be silent, and how long its group waits for members to join. */
export interface ClassicLimits {
  readonly sessionTimeoutMs: number;
}

/**
 * A link to a classic group for one member. It needs a connection of its own: a broker answers
 * nothing else on it while a JoinGroup or SyncGroup waits for other members.
 */
export function classicLink(
  connection: GroupConnection,
  member: {
    readonly groupId: string;
    readonly instanceId: string;
    /** The id of the machine's state. */
    readonly processId: string;
    readonly topics: readonly string[];
  },
  limits: ClassicLimits,
): GroupLink<ClassicRequest, ClassicAnswer> {
  return new CoordinatorLink(
    connection,
    member.groupId,
    (broker, request) => askClassicGroup(broker, request, member, limits),
  );
}

async function askClassicGroup(
  broker: KafkaBroker,
  request: ClassicRequest,
  { groupId, instanceId, processId, topics }: Parameters<typeof classicLink>[1],
  { sessionTimeoutMs }: ClassicLimits,
): Promise<{ answer: ClassicAnswer; errorCode: number }> {
  switch (request.kind) {
    case "join": {
      const answer = await joinGroup(broker, {
        groupId,
        sessionTimeoutMs,
        rebalanceTimeoutMs: sessionTimeoutMs,
        memberId: request.memberId,
        instanceId,
        protocolType: "consumer",
        protocol: "millrace-tasks",
        metadata: encodeSubscription(topics, encodeClaim({ ...request.claim, processId })),
      });
      const members = answer.members.map((each) => ({
        ...each,
        metadata: decodeSubscription(each.metadata),
      }));
      return {
        answer: { kind: "join", answer: { ...answer, members } },
        errorCode: answer.errorCode,
      };
    }
    case "sync": {
      const identity = { groupId, instanceId, ...request };
      const { errorCode, assignment } = await syncGroup(
        broker,
        identity,
        request.grants.map(({ memberId, assigned, grant }) => ({
          memberId,
          assignment: encodeAssignment(assigned, grant),
        })),
      );
      const grant = errorCode === 0 ? decodeAssignment(assignment) : assignment;
      return { answer: { kind: "sync", errorCode, grant }, errorCode };
    }
    case "heartbeat":
    case "leave": {
      const tell = request.kind === "leave" ? leaveGroup : classicHeartbeat;
      const { errorCode } = await tell(broker, { groupId, instanceId, ...request });
      return { answer: { kind: "done", errorCode }, errorCode };
    }
    case "partitions": {
      const { topics: found } = await fetchMetadata(broker, request.topics);
      const counts = found.filter(({ errorCode }) => errorCode === 0)
        .map(({ topic, partitions }) => [topic, partitions.length] as const);
      return { answer: { kind: "partitions", counts: new Map(counts) }, errorCode: 0 };
    }
  }
}
