/**
 * The Metadata request: which topics, partitions and brokers there are.
 *
 * KafkaJS's own supports version 6 at most. That has neither the ids of topics (version 10, Kafka
 * 2.8) nor the epochs of leaders (version 7). It also fails as a whole if one of several topics is
 * missing.
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import { type RequestBroker, sendRequest } from "./request.ts";
import { WireReader, WireWriter } from "./wire.ts";

/** A broker, with the address that the cluster names to clients. */
export interface MetadataBroker {
  readonly nodeId: number;
  readonly host: string;
  readonly port: number;
}

/** A partition of a topic. */
export interface MetadataPartition {
  /** The protocol's code; 0 if there is no error. */
  readonly errorCode: number;
  readonly partition: number;
  /** The broker that leads it; -1 for none. */
  readonly leader: number;
  /** How often the leader has changed; -1 if the broker does not report that. */
  readonly leaderEpoch: number;
}

/** A topic. */
export interface MetadataTopic {
  /** The protocol's code; 0 if there is no error. */
  readonly errorCode: number;
  readonly topic: string;
  /**
   * Unlike the name, it is never given to another topic. In Kafka's printed form; `null` if there
   * is none.
   */
  readonly topicId: string | null;
  readonly partitions: readonly MetadataPartition[];
}

/** A broker's view of the cluster. For a moment, another broker may know more. */
export interface Metadata {
  readonly brokers: readonly MetadataBroker[];
  /** Differs from that of any other cluster; `null` if the broker does not report it. */
  readonly clusterId: string | null;
  /** -1 for none. */
  readonly controllerId: number;
  readonly topics: readonly MetadataTopic[];
}

const API_KEY = 3;

/** Versions that we write and read. (4 is that of Kafka 0.11.) */
const OLDEST = 4;
const NEWEST = 12;

const FLEXIBLE_FROM = 9;

/**
 * Requests topics by their names; `null` for all that we may see. A topic that the broker does not
 * have gets an error code.
 */
export async function fetchMetadata(
  broker: RequestBroker,
  topics: readonly string[] | null,
): Promise<Metadata> {
  return await sendRequest(broker, {
    apiKey: API_KEY,
    apiName: "Metadata",
    oldest: OLDEST,
    newest: NEWEST,
    flexibleFrom: FLEXIBLE_FROM,
    encode: (version) => encodeMetadataRequest(topics, version),
    decode: decodeMetadata,
  });
}

/** The body of a request. */
export function encodeMetadataRequest(
  topics: readonly string[] | null,
  version: number,
): Buffer {
  const out = new WireWriter(version >= FLEXIBLE_FROM);
  out.nullableArray(topics, (topic) => {
    if (version >= 10) out.uuid(null);
    out.string(topic);
    out.tags();
  });
  out.boolean(false); // create no topics
  if (version >= 8 && version <= 10) out.boolean(false); // what we may do with the cluster
  if (version >= 8) out.boolean(false); // and with topics
  out.tags();
  return out.written;
}

/** Reads the body of a response. */
export function decodeMetadata(
  payload: Buffer,
  version: number,
): Metadata & { clientSideThrottleTime: number } {
  const from = new WireReader(payload, version >= FLEXIBLE_FROM);
  const throttle = from.int32();
  const brokers = from.array(() => {
    const broker = { nodeId: from.int32(), host: from.string()!, port: from.int32() };
    from.string(); // its rack
    from.tags();
    return broker;
  });
  const clusterId = from.string();
  const controllerId = from.int32();
  const topics = from.array(() => {
    const errorCode = from.int16();
    const topic = from.string()!;
    const topicId = version >= 10 ? from.uuid() : null;
    from.boolean(); // whether it is Kafka's own
    const partitions = from.array(() => {
      const partition = {
        errorCode: from.int16(),
        partition: from.int32(),
        leader: from.int32(),
        leaderEpoch: version >= 7 ? from.int32() : -1,
      };
      from.array(() => from.int32()); // replicas,
      from.array(() => from.int32()); // those in sync,
      if (version >= 5) from.array(() => from.int32()); // and those that are offline
      from.tags();
      return partition;
    });
    if (version >= 8) from.int32(); // what we may do with it
    from.tags();
    return { errorCode, topic, topicId, partitions };
  });
  const clientSideThrottleTime = version >= 6 ? throttle : 0;
  return { brokers, clusterId, controllerId, topics, clientSideThrottleTime };
}
