/**
 * What members of a classic group of type `consumer` tell each other: subscriptions and
 * assignments. Brokers and lag tools read them, so they must be well formed. Our own part is in the
 * user data.
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import { WireReader, WireWriter } from "./wire.ts";

/** The version that we write; later ones add fields at the end. */
const VERSION = 0;

/** Partitions of a topic. */
export interface AssignedTopic {
  readonly topic: string;
  readonly partitions: readonly number[];
}

/** The bytes of a subscription. */
export function encodeSubscription(topics: readonly string[], userData: Uint8Array): Buffer {
  const out = new WireWriter(false);
  out.int16(VERSION);
  out.array(topics, (topic) => out.string(topic));
  out.bytes(userData);
  return out.written;
}

/** Reads the user data of a subscription. */
export function decodeSubscription(bytes: Buffer): Buffer {
  const from = new WireReader(bytes, false);
  from.int16(); // version
  from.array(() => from.string()); // topics
  return from.bytes();
}

/** The bytes of an assignment. */
export function encodeAssignment(
  assigned: readonly AssignedTopic[],
  userData: Uint8Array,
): Buffer {
  const out = new WireWriter(false);
  out.int16(VERSION);
  out.array(assigned, ({ topic, partitions }) => {
    out.string(topic);
    out.array(partitions, (partition) => out.int32(partition));
  });
  out.bytes(userData);
  return out.written;
}

/** Reads the user data of an assignment. */
export function decodeAssignment(bytes: Buffer): Buffer {
  const from = new WireReader(bytes, false);
  from.int16(); // version
  from.array(() => {
    from.string(); // topic
    from.array(() => from.int32()); // its partitions
  });
  return from.bytes();
}
