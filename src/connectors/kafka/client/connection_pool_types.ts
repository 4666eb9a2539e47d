/**
 * The type of a module of KafkaJS 2.2.4 that has none: the connections to one broker.
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import type { BrokerVersions } from "../wire/request_versions.ts";

/** A request with its answer, as KafkaJS sends it. */
export interface Protocol {
  readonly request: {
    readonly apiKey: number;
    readonly apiVersion: number;
    readonly apiName: string;
    readonly expectResponse: () => boolean;
    readonly encode: () => Promise<{ buf: Buffer; buffer: Buffer }>;
  };
  readonly response: {
    readonly decode: (payload: Buffer) => Promise<unknown>;
    readonly parse: (decoded: unknown) => Promise<unknown>;
  };
}

/** The connections to one broker. */
export default class ConnectionPool {
  /** Each knows what the broker takes, once it has been asked. */
  declare readonly pool: readonly { readonly versions: BrokerVersions | null }[];
  /** Sends a request, and returns what `parse` made of the response. */
  declare send: (protocol: Protocol) => Promise<unknown>;
}
