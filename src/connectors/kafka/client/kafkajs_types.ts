/**
 * The types of what we use of KafkaJS 2.2.4. Some of it has no types of its own.
 *
 * KafkaJS's declarations refer to `@types/node`. In a project with a `node_modules` that lacks it,
 * `deno check` of a flow failed over them.
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import type { ConnectionOptions } from "node:tls";

/** Makes clients. */
export declare class Kafka {
  constructor(config: KafkaConfig);
  /** Makes a consumer, which calls each partition assigner's factory before it connects. */
  consumer(config: ConsumerConfig): unknown;
}

/** How much KafkaJS logs. */
export declare const logLevel: { readonly INFO: number };

/** How to reach a cluster. */
export interface KafkaConfig {
  brokers: string[];
  clientId: string;
  connectionTimeout: number;
  authenticationTimeout: number;
  requestTimeout: number;
  socketFactory: SocketFactory;
  logLevel: number;
  logCreator: () => (entry: {
    namespace: string;
    log: { message: string } & Record<string, unknown>;
  }) => void;
  ssl?: ConnectionOptions;
  sasl?: Mechanism | { mechanism: string; username: string; password: string };
}

/** Makes the sockets of a cluster's connections. */
export type SocketFactory = (where: {
  host: string;
  port: number;
  ssl: ConnectionOptions;
  onConnect: () => void;
}) => Socket;

/** A SASL mechanism of our own. */
export interface Mechanism {
  mechanism: string;
  authenticationProvider: (broker: {
    saslAuthenticate: <R>(exchange: {
      request: { encode: () => Buffer };
      response: { decode: (raw: Buffer) => Buffer; parse: (data: Buffer) => R };
    }) => Promise<R | void>;
  }) => { authenticate(): Promise<void> };
}

/** What a consumer is made with. */
export interface ConsumerConfig {
  groupId: string;
  allowAutoTopicCreation: boolean;
  partitionAssigners: ((given: { cluster: Cluster }) => {
    name: string;
    version: number;
    protocol: () => { name: string; metadata: Buffer };
    assign: () => Promise<never[]>;
  })[];
}

/** The connections to a cluster's brokers. KafkaJS has, but does not declare, what we use of it. */
export interface Cluster {
  readonly brokerPool: {
    readonly rootLogger: unknown;
    readonly connectionPoolBuilder: {
      build(at: { host: string; port: number }): Promise<{ readonly pool: readonly object[] }>;
    };
    createBroker(options: { connectionPool: unknown; logger: unknown }): Broker;
  };
}

/** Offsets of a topic's partitions. */
export interface TopicOffsets {
  topic: string;
  partitions: { partition: number; offset: string }[];
}

/** A connection to a broker. */
export interface Broker {
  /** Connects, asks for versions, and shows who we are. */
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  isConnected(): boolean;
  metadata(topics: string[]): Promise<ClusterMetadata>;
  offsetCommit(request: {
    groupId: string;
    groupGenerationId: number;
    memberId: string;
    topics: TopicOffsets[];
  }): Promise<{ responses: { topic: string; partitions: { partition: number }[] }[] }>;
}

/** A cluster's topics. */
export interface ClusterMetadata {
  topicMetadata: {
    topic: string;
    topicErrorCode: number;
  }[];
}

/** A request in a queue of a connection. */
export interface SocketRequest {
  /** In milliseconds. */
  readonly requestTimeout: number;
  /** Rejects it. */
  timeoutRequest(): void;
}

type Timer = ReturnType<typeof setTimeout>;

/**
 * Holds the requests of a connection that are under way, or wait while a broker throttles. The
 * default export of a module of it.
 */
export default class RequestQueue {
  declare readonly maxInFlightRequests: number | null;
  declare readonly requestTimeout: number;
  declare readonly enforceRequestTimeout: boolean;
  declare readonly isConnected: () => boolean;
  declare readonly inflight: ReadonlyMap<number, SocketRequest>;
  declare readonly pending: readonly SocketRequest[];
  declare throttledUntil: number;
  declare throttleCheckTimeoutId: Timer | null;
  declare requestTimeoutIntervalId: Timer | undefined;
  declare scheduleRequestTimeoutCheck: () => void;
  declare maybeThrottle: (ms: number | null | undefined) => void;
  declare sendSocketRequest: (request: SocketRequest) => void;
  declare canSendSocketRequestImmediately: () => boolean;
  declare checkPendingRequests: () => void;
  declare scheduleCheckPendingRequests: () => void;
  declare destroy: () => void;
  /** The broker's address. */
  declare readonly broker: string;
  declare readonly logger: { warn(message: string, extra: Record<string, unknown>): void };
}
