/**
 * Which partition a record goes to: Kafka's own rule, so that a key lands where Java's and KafkaJS's
 * producers put it.
 *
 * @module
 */

/** The partition of a key among `count`: murmur2, as Kafka's `DefaultPartitioner`. */
export function partitionOfKey(key: Uint8Array, count: number): number {
  return (murmur2(key) & 0x7fffffff) % count;
}

const M = 0x5bd1e995;
const SEED = 0x9747b28c;

/**
 * Kafka's variant of murmur2: a signed 32-bit integer. (`org.apache.kafka.common.utils.Utils.murmur2`;
 * KafkaJS's own, on 64-bit objects, takes microseconds a key.)
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
