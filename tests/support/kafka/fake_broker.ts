/**
 * A small Kafka broker for what no real one does: the test answers each request. It accepts the
 * versions that the test chooses, and records its requests.
 */
import { type Buffer, Buffer as NodeBuffer } from "node:buffer";
import { WireReader, WireWriter } from "../../../src/connectors/kafka/wire/wire.ts";

/** The keys of requests. */
export const API = {
  Produce: 0,
  Fetch: 1,
  ListOffsets: 2,
  Metadata: 3,
  OffsetCommit: 8,
  FindCoordinator: 10,
  DescribeGroups: 15,
  ApiVersions: 18,
  InitProducerId: 22,
  AddPartitionsToTxn: 24,
  AddOffsetsToTxn: 25,
  EndTxn: 26,
  TxnOffsetCommit: 28,
  DeleteGroups: 42,
  DescribeTransactions: 65,
} as const;

export type ApiName = keyof typeof API;

/** A request without its header. */
export interface FakeRequest {
  readonly api: ApiName;
  readonly version: number;
  readonly body: Buffer;
}

/** The body of an answer, perhaps later; `null` closes the connection. */
export type FakeAnswer = Buffer | null | Promise<Buffer | null>;

/** What a broker accepts and answers. */
export interface FakeBrokerOptions {
  /** The versions that it accepts of each request, first and last. It does not have others. */
  readonly versions?: Partial<Record<ApiName, readonly [first: number, last: number]>>;
  /**
   * Bodies of answers; `null` closes the connection instead. Those to ApiVersions and Metadata are
   * there already.
   */
  readonly answers?: Partial<Record<ApiName, (request: FakeRequest) => FakeAnswer>>;
  /** The id of its cluster in Metadata, if it reports one; `"fake"` if this is left out. */
  readonly clusterId?: string | null;
  /** The controller in Metadata; the broker itself is 1. */
  readonly controllerId?: number;
  /** How many partitions its topic has; one if this is left out. */
  readonly partitions?: number;
  /** Whether it knows its topic, when it is asked. */
  readonly knowsTopic?: () => boolean;
  /** The ports of all brokers of the cluster, in the order of their ids; else it is alone. */
  readonly ports?: () => readonly number[];
}

/** The one topic that it has. */
export const FAKE_TOPIC = "topic";

const NODE_ID = 1;

/** From these versions on, headers have tagged fields too. */
const FLEXIBLE_FROM: Partial<Record<ApiName, number>> = {
  AddPartitionsToTxn: 3,
  DescribeTransactions: 0,
  EndTxn: 3,
  FindCoordinator: 3,
  InitProducerId: 2,
  Metadata: 9,
};

const NAMES = new Map(Object.entries(API).map(([name, key]) => [key as number, name as ApiName]));

export class FakeBroker implements AsyncDisposable {
  /** All requests except ApiVersions, in order. */
  readonly requests: FakeRequest[] = [];
  readonly #options: FakeBrokerOptions;
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #connections = new Set<Deno.Conn>();
  readonly #serving: Promise<void>[] = [];

  constructor(options: FakeBrokerOptions = {}) {
    this.#options = options;
    this.#serving.push(this.#accept());
  }

  get port(): number {
    return this.#listener.addr.port;
  }

  get brokers(): string[] {
    return [`127.0.0.1:${this.port}`];
  }

  /** The versions of the requests of a kind, in order. */
  asked(api: ApiName): number[] {
    return this.requests.filter((request) => request.api === api).map(({ version }) => version);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    for (const connection of this.#connections) {
      this.#connections.delete(connection);
      connection.close();
    }
    await Promise.all(this.#serving);
  }

  async #accept(): Promise<void> {
    for await (const connection of this.#listener) this.#serving.push(this.#serve(connection));
  }

  async #serve(connection: Deno.Conn): Promise<void> {
    this.#connections.add(connection);
    let bytes = NodeBuffer.alloc(0);
    const chunk = new Uint8Array(65_536);
    try {
      for (let count; (count = await connection.read(chunk)) !== null;) {
        bytes = NodeBuffer.concat([bytes, chunk.subarray(0, count)]);
        while (bytes.length >= 4 && bytes.length >= 4 + bytes.readInt32BE(0)) {
          const end = 4 + bytes.readInt32BE(0);
          const answer = await this.#answer(bytes.subarray(4, end));
          if (answer === null) return;
          bytes = bytes.subarray(end);
          for (let sent = 0; sent < answer.length;) {
            sent += await connection.write(answer.subarray(sent));
          }
        }
      }
    } catch (error) {
      // Closed by the test's end, or by the client.
      if (!isGone(error)) throw error;
    } finally {
      if (this.#connections.delete(connection)) connection.close();
    }
  }

  async #answer(frame: Buffer): Promise<Buffer | null> {
    const key = frame.readInt16BE(0);
    const version = frame.readInt16BE(2);
    const api = NAMES.get(key);
    if (api === undefined) throw new Error(`the fake broker knows no request ${key}`);
    const flexible = version >= (FLEXIBLE_FROM[api] ?? Infinity);
    const header = 10 + frame.readInt16BE(8) + (flexible ? 1 : 0); // the client's id, no tags
    const request = { api, version, body: frame.subarray(header) };
    if (api !== "ApiVersions") this.requests.push(request);
    const body = await this.#bodyFor(request);
    if (body === null) return null;
    const out = NodeBuffer.alloc(8 + (flexible ? 1 : 0));
    out.writeInt32BE(out.length - 4 + body.length, 0);
    frame.copy(out, 4, 4, 8); // the correlation id
    return NodeBuffer.concat([out, body]);
  }

  #bodyFor(request: FakeRequest): FakeAnswer {
    const answer = this.#options.answers?.[request.api];
    if (answer !== undefined) return answer(request);
    if (request.api === "ApiVersions") return this.#versions(request);
    if (request.api === "Metadata") return this.#metadata(request);
    throw new Error(`the test has no answer to ${request.api}`);
  }

  #versions({ version }: FakeRequest): Buffer {
    const out = new WireWriter(false);
    const ranges = { ApiVersions: [0, 2], Metadata: [0, 6], ...this.#options.versions } as const;
    out.int16(0);
    out.array(Object.entries(ranges), ([api, [first, last]]) => {
      out.int16(API[api as ApiName]);
      out.int16(first);
      out.int16(last);
    });
    if (version >= 1) out.int32(0);
    return out.written;
  }

  #metadata({ body }: FakeRequest): Buffer {
    const from = new WireReader(body, false);
    const topics = from.array(() => from.string()!);
    const out = new WireWriter(false);
    out.int32(0); // no throttling
    const ports = this.#options.ports?.() ?? [this.port];
    out.array([...ports.entries()], ([index, port]) => {
      out.int32(NODE_ID + index);
      out.string("127.0.0.1");
      out.int32(port);
      out.string(null);
    });
    const { clusterId = "fake" } = this.#options;
    out.string(clusterId);
    out.int32(this.#options.controllerId ?? NODE_ID);
    const isKnown = this.#options.knowsTopic?.() ?? true;
    out.array(topics, (topic) => {
      const isThere = topic === FAKE_TOPIC && isKnown;
      out.int16(isThere ? 0 : 3);
      out.string(topic);
      out.boolean(false);
      const partitions = isThere ? this.#options.partitions ?? 1 : 0;
      out.array([...Array(partitions).keys()], (partition) => {
        out.int16(0);
        out.int32(partition);
        out.int32(NODE_ID);
        for (const replicas of [[NODE_ID], [NODE_ID], []]) {
          out.array(replicas, (id) => out.int32(id));
        }
      });
    });
    return out.written;
  }
}

/** The answer, in version 1 or 2, that names the broker itself as coordinator, or an error. */
export function coordinatorAnswer(errorCode: number, port: number): Buffer {
  const out = new WireWriter(false);
  out.int32(0);
  out.int16(errorCode);
  out.string(null);
  out.int32(errorCode === 0 ? NODE_ID : -1);
  out.string("127.0.0.1");
  out.int32(port);
  return out.written;
}

/** The answer to InitProducerId, in any version. */
export function producerIdAnswer(version: number, errorCode = 0): Buffer {
  const out = new WireWriter(version >= 2);
  out.int32(0);
  out.int16(errorCode);
  out.int64(errorCode === 0 ? 7n : -1n);
  out.int16(errorCode === 0 ? 0 : -1);
  out.tags();
  return out.written;
}

/** The answer to a Produce request for the one partition, in versions 3 to 7. */
export function producedAnswer(version: number, errorCode = 0): Buffer {
  const out = new WireWriter(false);
  out.array([FAKE_TOPIC], (topic) => {
    out.string(topic);
    out.array([0], (partition) => {
      out.int32(partition);
      out.int16(errorCode);
      out.int64(0n);
      out.int64(-1n);
      if (version >= 5) out.int64(0n);
    });
  });
  out.int32(0);
  return out.written;
}

function isGone(error: unknown): boolean {
  return error instanceof Deno.errors.BadResource || error instanceof Deno.errors.Interrupted ||
    error instanceof Deno.errors.ConnectionReset || error instanceof Deno.errors.BrokenPipe;
}
