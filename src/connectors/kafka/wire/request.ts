/**
 * Sends a request in our own encoding, over any connection that can carry it.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { type BrokerVersions, type KnownVersions, versionFor } from "./request_versions.ts";
import { WireReader } from "./wire.ts";

/**
 * A request of the protocol in the versions that we write and read, and the decoder of its
 * response.
 */
export interface Request<R> extends KnownVersions {
  /** The first version whose headers have tagged fields (KIP-482); absent if none has. */
  readonly flexibleFrom?: number;
  /** Whether the header of the response never has tagged fields, as that of ApiVersions. */
  readonly plainResponse?: boolean;
  /** How long the broker may take, in milliseconds; by default `request.timeout.ms`. */
  readonly timeoutMs?: number;
  readonly encode: (version: number) => Buffer;
  /** How many free bytes are in front of what `encode` returns, for the head of the request. */
  readonly room?: number;
  /** KafkaJS reads `clientSideThrottleTime`: how long to send nothing more, in milliseconds. */
  readonly decode: (payload: Buffer, version: number) => R & { clientSideThrottleTime: number };
}

/** A request with its response, as KafkaJS's connections send it. */
export interface Exchange {
  readonly request: {
    readonly apiKey: number;
    readonly apiVersion: number;
    readonly apiName: string;
    readonly expectResponse: () => boolean;
    readonly encode: () => Promise<{ buf: Buffer; buffer: Buffer; room: number }>;
  };
  readonly response: {
    readonly decode: (payload: Buffer) => Promise<unknown>;
    readonly parse: (decoded: unknown) => Promise<unknown>;
  };
  /** How long the broker may take, in milliseconds, if that is not the connection's limit. */
  readonly requestTimeout?: number;
}

/** What sending a request needs of a broker. KafkaJS's brokers have it. */
export interface RequestBroker {
  /** The versions of each request that it accepts, by the request's key. */
  readonly versions: BrokerVersions;
  /** Its connections. */
  readonly connectionPool: { send(exchange: Exchange): Promise<unknown> };
}

const NO_TAGS = Buffer.of(0);

/**
 * Sends a request, and returns its decoded response.
 *
 * @throws {Error} If the broker accepts none of the versions, or does not answer.
 */
export async function sendRequest<R>(broker: RequestBroker, request: Request<R>): Promise<R> {
  const { apiKey, apiName, flexibleFrom = Infinity, room = 0, encode, decode } = request;
  const { plainResponse = false, timeoutMs } = request;
  const version = versionFor(request, broker.versions);
  const flexible = version >= flexibleFrom;
  // KafkaJS writes headers without tagged fields. In a response, it leaves them in the body.
  const body = flexible ? Buffer.concat([NO_TAGS, encode(version)]) : encode(version);
  const response = await broker.connectionPool.send({
    request: {
      apiKey,
      apiVersion: version,
      apiName,
      expectResponse: () => true,
      // KafkaJS expects one of its own encoders, but reads only these.
      encode: () => Promise.resolve({ buf: body, buffer: body, room: flexible ? 0 : room }),
    },
    response: {
      decode: (payload) =>
        Promise.resolve(
          decode(flexible && !plainResponse ? withoutTags(payload) : payload, version),
        ),
      parse: (response) => Promise.resolve(response),
    },
    ...timeoutMs === undefined ? {} : { requestTimeout: timeoutMs },
  });
  return response as R;
}

/** A response's body, after the tagged fields of its header. */
function withoutTags(payload: Buffer): Buffer {
  const from = new WireReader(payload, true);
  from.tags();
  return from.rest();
}
