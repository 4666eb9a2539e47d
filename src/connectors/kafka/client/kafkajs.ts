/**
 * The only access to KafkaJS: the parts of it that we use, with our settings and log.
 *
 * KafkaJS has no manual assignment of partitions, and its producer hides which partition of a
 * request failed. So both of our connectors use its typed `Cluster` and `Broker` directly. These
 * provide connections, TLS, SASL, metadata and the protocol's encoding. The cluster is passed to
 * the factory of a partition assigner, which `kafka.consumer()` calls before any connection.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import net, { isIP, type Socket } from "node:net";
import tls from "node:tls";
// @ts-types="./kafkajs_types.ts"
import { type Broker, type Cluster, Kafka, logLevel, type SocketFactory } from "kafkajs";
// @ts-types="./connection_pool_types.ts"
import ConnectionPool from "kafkajs/src/network/connectionPool.js";
// @ts-types="./kafkajs_encoder_types.ts"
import Encoder from "kafkajs/src/protocol/encoder.js";
// @ts-types="./kafkajs_types.ts"
import RequestQueue from "kafkajs/src/network/requestQueue/index.js";
import type { Log } from "../../../core/log.ts";
import type { ConnectionSettings } from "../properties/connection_settings.ts";
import { useRoomInFront } from "./request_room.ts";
import { useMonotonicTime } from "./request_timers.ts";
import { limitAnswers, mostAnswerBytes, refuseWrongLengths } from "./response_frames.ts";
import { renewSessionsInTime } from "./sasl_session.ts";
import { type BrokerVersions, requireTaken } from "../wire/request_versions.ts";
import { securityOf } from "./security.ts";

/** A broker, with the members that KafkaJS has but does not declare. */
export interface KafkaBroker extends Broker {
  /** The versions of each request that it accepts, by the request's key. */
  readonly versions: BrokerVersions;
  /** Its connections. */
  readonly connectionPool: Pick<ConnectionPool, "send">;
  /** Joins a group. It answers once all members have joined. */
  joinGroup(request: {
    groupId: string;
    sessionTimeout: number;
    rebalanceTimeout: number;
    memberId: string;
    protocolType: string;
    groupProtocols: { name: string; metadata: Buffer }[];
  }): Promise<{ generationId: number; leaderId: string; memberId: string }>;
  /** As a group's leader, sends what each member gets. For others, waits for the leader. */
  syncGroup(request: {
    groupId: string;
    generationId: number;
    memberId: string;
    groupAssignment: { memberId: string; memberAssignment: Buffer }[];
  }): Promise<{ memberAssignment: Buffer }>;
  /** Tells a group that a member is alive. */
  heartbeat(
    request: { groupId: string; groupGenerationId: number; memberId: string },
  ): Promise<{ throttleTime: number; errorCode: number }>;
  /** Leaves a group. */
  leaveGroup(request: { groupId: string; memberId: string }): Promise<void>;
  /** Creates topics. */
  createTopics(request: {
    topics: {
      topic: string;
      numPartitions: number;
      replicationFactor: number;
      configEntries: ConfigEntry[];
    }[];
    /** Whether the topics are only checked, and not created. */
    validateOnly?: boolean;
  }): Promise<unknown>;
  /** Deletes topics. */
  deleteTopics(request: { topics: string[] }): Promise<unknown>;
  /** The settings of topics. */
  describeConfigs(
    request: { resources: { type: number; name: string; configNames: string[] }[] },
  ): Promise<
    { resources: { configEntries: { configName: string; configValue: string | null }[] }[] }
  >;
  /** Replaces all settings of topics. */
  alterConfigs(
    request: { resources: { type: number; name: string; configEntries: ConfigEntry[] }[] },
  ): Promise<unknown>;
}

/** A setting of a topic. */
export interface ConfigEntry {
  readonly name: string;
  readonly value: string;
}

useMonotonicTime(RequestQueue.prototype);
sayThrottling();
renewSessionsInTime();
refuseWrongLengths();
useRoomInFront(Encoder.prototype);
checkRequests();

/**
 * KafkaJS picks the version of a request by the broker's newest alone, although the broker may have
 * dropped older ones. Its errors do not name the request that they answer. All requests go through
 * here, including our own.
 */
function checkRequests(): void {
  const { prototype } = ConnectionPool;
  const original = prototype.send;
  prototype.send = async function (this: ConnectionPool, protocol) {
    const { apiKey, apiName, apiVersion } = protocol.request;
    const taken = this.pool[0].versions?.[apiKey];
    if (taken !== undefined) requireTaken(apiName, apiVersion, taken);
    try {
      return await original.call(this, protocol);
    } catch (error) {
      throw error instanceof Error ? Object.assign(error, { apiName }) : error;
    }
  };
}

/** Called when a broker wants no more requests for `ms` milliseconds. */
export type OnThrottled = (broker: string, ms: number) => void;

/** What KafkaJS is made to log when a broker throttles. */
const THROTTLED = "the broker throttles";

/** KafkaJS pauses silently when a broker asks for it. All requests go through here. */
function sayThrottling(): void {
  const { prototype } = RequestQueue;
  const original = prototype.maybeThrottle;
  prototype.maybeThrottle = function (this: RequestQueue, ms): void {
    original.call(this, ms);
    if (ms !== null && ms !== undefined && ms > 0) {
      this.logger.warn(THROTTLED, { broker: this.broker, ms });
    }
  };
}

/**
 * A broker, not connected yet. `onSocket` is called with each of its sockets, so that they can be
 * closed without an answer of the broker.
 */
export async function createBroker(
  { host, port }: { readonly host: string; readonly port: number },
  settings: ConnectionSettings,
  { log, onSocket, onThrottled }: {
    readonly log: Log;
    readonly onSocket: (socket: Socket) => void;
    readonly onThrottled: OnThrottled;
  },
): Promise<KafkaBroker> {
  const kafka = new Kafka({
    brokers: [`${host}:${port}`],
    clientId: settings.clientId,
    connectionTimeout: settings.connectionTimeoutMs,
    authenticationTimeout: settings.connectionTimeoutMs,
    requestTimeout: settings.requestTimeoutMs,
    socketFactory: socketFactory(settings, onSocket),
    logLevel: logLevel.INFO,
    logCreator: () => ({ namespace, log: { message, broker, ms } }) => {
      if (message === THROTTLED) onThrottled(broker as string, ms as number);
      else log.debug(`kafkajs: ${message}`, { namespace });
    },
    ...await securityOf(settings),
  });
  let cluster: Cluster | undefined;
  kafka.consumer({
    groupId: "unused", // no group is joined
    allowAutoTopicCreation: false,
    partitionAssigners: [({ cluster: ours }) => {
      cluster = ours;
      return {
        name: "none",
        version: 0,
        protocol: () => ({ name: "none", metadata: Buffer.alloc(0) }),
        assign: () => Promise.resolve([]),
      };
    }],
  });
  if (cluster === undefined) throw new Error("KafkaJS did not hand out its cluster");
  const { brokerPool } = cluster;
  const connectionPool = await brokerPool.connectionPoolBuilder.build({ host, port });
  limitAnswers(connectionPool.pool, mostAnswerBytes(settings.fetchMaxBytes));
  return brokerPool.createBroker({ connectionPool, logger: brokerPool.rootLogger }) as KafkaBroker;
}

/** KafkaJS's own factory, with settings that KafkaJS has no names for. */
function socketFactory(
  { noDelay, addressFamily }: ConnectionSettings,
  onSocket: (socket: Socket) => void,
): SocketFactory {
  const KEEP_ALIVE_MS = 60_000;
  return ({ host, port, ssl, onConnect }) => {
    const where = { host, port, family: addressFamily };
    const servername = isIP(host) === 0 ? { servername: host } : {};
    const socket = ssl
      ? tls.connect({ ...where, ...servername, ...ssl }, onConnect)
      : net.connect(where, onConnect);
    socket.setNoDelay(noDelay);
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    onSocket(socket);
    return socket;
  };
}
