/**
 * Which partition a record goes to: librdkafka's partitioners, by its names. `murmur2_random` is
 * Kafka's own rule. It puts a key where Java's and KafkaJS's producers put it.
 *
 * @module
 */
import { crc32 } from "node:zlib";
import type { PartitionerName } from "../properties/output_settings.ts";

/** Chooses one of `count` partitions. `null` leaves the choice to the caller, as any will do. */
export type Partitioner = (key: Uint8Array | null, count: number) => number | null;

const NO_KEY = new Uint8Array();

/**
 * `rd_kafka_msg_partitioner_*` of librdkafka, with the choice that it makes before it calls them.
 * With a sticky partition, even `random` is only called for records that have a key.
 */
const PARTITIONERS: Readonly<Record<PartitionerName, Partitioner>> = {
  murmur2_random: (key, count) => key === null ? null : partitionOfKey(key, count),
  murmur2: (key, count) => partitionOfKey(key ?? NO_KEY, count),
  consistent_random: (key, count) => key === null || key.length === 0 ? null : crc32(key) % count,
  consistent: (key, count) => crc32(key ?? NO_KEY) % count,
  fnv1a_random: (key, count) => key === null ? null : fnv1a(key) % count,
  fnv1a: (key, count) => fnv1a(key ?? NO_KEY) % count,
  random: (key, count) => key === null ? null : Math.floor(Math.random() * count),
};

/** The partitioner with that name. */
export function partitionerOf(name: PartitionerName): Partitioner {
  return PARTITIONERS[name];
}

/** The partition of a key among `count`, by murmur2 as in Kafka's `DefaultPartitioner`. */
export function partitionOfKey(key: Uint8Array, count: number): number {
  return (murmur2(key) & 0x7fffffff) % count;
}

const M = 0x5bd1e995;
const SEED = 0x9747b28c;

/**
 * Kafka's variant of murmur2, a signed 32-bit integer.
 * (`org.apache.kafka.common.utils.Utils.murmur2`. KafkaJS's own uses 64-bit objects, and takes
 * microseconds for each key.)
 */
export function murmur2(bytes: Uint8Array): number {
  const { length } = bytes;
  let h = SEED ^ length;
  let i = 0;
  for (; i + 4 <= length; i += 4) {
    let k = bytes[i] | (bytes[i + 1] << 8) | (bytes[i + 2] << 16) | (bytes[i + 3] << 24);
    k = Math.imul(k, M);
    k ^= k >>> 24;
    k = Math.imul(k, M);
    h = Math.imul(h, M) ^ k;
  }
  const rest = length - i;
  if (rest >= 3) h ^= bytes[i + 2] << 16;
  if (rest >= 2) h ^= bytes[i + 1] << 8;
  if (rest >= 1) h = Math.imul(h ^ bytes[i], M);
  h = Math.imul(h ^ (h >>> 13), M);
  return h ^ (h >>> 15);
}

const FNV_PRIME = 0x01000193;
const FNV_OFFSET = 0x811c9dc5;

/**
 * librdkafka's variant of 32-bit FNV-1a, from 0 to 2³¹: the absolute value of the hash as a signed
 * number. (`rd_fnv1a`, which follows Sarama's `NewHashPartitioner`.)
 */
export function fnv1a(bytes: Uint8Array): number {
  let h = FNV_OFFSET | 0;
  for (let i = 0; i < bytes.length; i++) h = Math.imul(h ^ bytes[i], FNV_PRIME);
  return Math.abs(h);
}
