/**
 * The types of the parts of KafkaJS 2.2.4 that we use. Some of them are not declared there.
 *
 * KafkaJS's declarations refer to `@types/node`. If a project has a `node_modules` without it,
 * `deno check` of a flow would fail.
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

/** The settings of a consumer. */
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

/** The connections to a cluster's brokers. KafkaJS does not declare all that we use of it. */
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
  partitions: { partition: number; offset: string; metadata?: string | null }[];
}

/** A connection to a broker. */
export interface Broker {
  /** Connects, asks for versions, and authenticates. */
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
 * The requests of a connection that are under way, or wait while a broker throttles. It is the
 * default export of a module of its own.
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
