import { assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import { Partitioners, type PartitionMetadata } from "kafkajs";
import {
  fnv1a,
  murmur2,
  partitionerOf,
  partitionOfKey,
} from "../../../../src/connectors/kafka/write/partitioner.ts";
import type { PartitionerName } from "../../../../src/connectors/kafka/properties/output_settings.ts";
import { Random } from "../../../support/values/random.ts";

// The vectors of Kafka's own `UtilsTest.testMurmur2`.
for (
  const [text, hash] of [
    ["21", -973932308],
    ["foobar", -790332482],
    ["a-little-bit-long-string", -985981536],
    ["a-little-bit-longer-string", -1486304829],
    ["lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971],
    ["abc", 479470107],
  ] as const
) {
  Deno.test(`murmur2() of "${text}" is Kafka's value`, () => {
    assertEquals(murmur2(new TextEncoder().encode(text)), hash);
  });
}

const metadata = (count: number): PartitionMetadata[] =>
  Array.from({ length: count }, (_, partitionId) => ({
    partitionErrorCode: 0,
    partitionId,
    leader: 1,
    replicas: [1],
    isr: [1],
    offlineReplicas: [],
  }));

Deno.test("partitionOfKey() is KafkaJS's DefaultPartitioner, for any bytes and length", () => {
  const choose = Partitioners.DefaultPartitioner();
  const random = new Random(4711);
  const seen = new Set<number>();
  let high = 0; // keys with a byte that would be negative in Java
  for (let n = 0; n < 5_000; n++) {
    const key = Uint8Array.from({ length: n % 41 }, () => random.below(256));
    if (key.some((byte) => byte >= 0x80)) high++;
    const count = 1 + random.below(60);
    const theirs = choose({
      topic: "t",
      partitionMetadata: metadata(count),
      message: { key: Buffer.from(key), value: null },
    });
    assertEquals(partitionOfKey(key, count), theirs, `key ${key.toHex()} of ${count} partitions`);
    seen.add(theirs);
  }
  assertEquals(high > 4_000, true);
  assertEquals(seen.size > 50, true);
});

Deno.test("partitionOfKey() reads a view's own bytes, not its whole buffer", () => {
  const whole = new TextEncoder().encode("xxfoobarxx");
  assertEquals(murmur2(whole.subarray(2, 8)), -790332482);
});

// The vectors of librdkafka's `unittest_murmur2` (Java's) and `unittest_fnv1a` (Sarama's).
for (
  const [text, murmur, fnv] of [
    ["kafka", 0xd067cf64, 0xd33c4e1],
    ["giberish123456789", 0x8f552b0c, 0x77a58295],
    ["1234", 0x9fc97b14, 0x23bdd03],
    ["234", 0xe7c009ca, 0x2dea3cd2],
    ["34", 0x873930da, 0x740fa83e],
    ["4", 0x5a4b5ca1, 0x310ca263],
    ["PreAmbleWillBeRemoved,ThePrePartThatIs", 0x78424f1c, 0x65cbd69c],
    ["reAmbleWillBeRemoved,ThePrePartThatIs", 0x4a62b377, 0x6e49c79a],
    ["eAmbleWillBeRemoved,ThePrePartThatIs", 0xe0e4e09e, 0x69eed356],
    ["AmbleWillBeRemoved,ThePrePartThatIs", 0x62b8b43f, 0x6abcc023],
    ["", 0x106e08d9, 0x7ee3623b],
  ] as const
) {
  Deno.test(`murmur2() and fnv1a() of "${text}" are librdkafka's values`, () => {
    const key = new TextEncoder().encode(text);
    assertEquals(murmur2(key) >>> 0, murmur);
    assertEquals(fnv1a(key), fnv);
  });
}

Deno.test("fnv1a() handles the one hash whose sign cannot be removed", () => {
  const key = new TextEncoder().encode('"thCqE');
  assertEquals(fnv1a(key), 2 ** 31);
  // Where librdkafka 2.16 put it.
  assertEquals(partitionerOf("fnv1a")(key, 7), 2);
  assertEquals(partitionerOf("fnv1a")(key, 60), 8);
});

/**
 * Where librdkafka 2.16 put keys (as hex) of topics with 7 and 60 partitions on Apache Kafka. It
 * used `murmur2`, `consistent` and `fnv1a`. (All of 330 random keys, also of topics with 2 and 12
 * partitions, went where we put them, with each of its partitioners.)
 */
// deno-fmt-ignore
const PLACED: readonly (readonly [string, readonly (readonly [number, number])[]])[] = [
  ["00", [[0, 8], [2, 37], [5, 51]]],
  ["ffffffff", [[6, 29], [3, 15], [0, 55]]],
  ["6b61666b61", [[3, 40], [6, 59], [4, 5]]],
  ["6769626572697368313233343536373839", [[5, 20], [2, 11], [5, 53]]],
  ["31323334", [[0, 0], [2, 19], [6, 15]]],
  ["a7", [[3, 58], [4, 10], [0, 30]]],
  ["daaf", [[4, 12], [4, 15], [0, 26]]],
  ["d0be36", [[2, 59], [2, 57], [1, 11]]],
  ["4ee32e45", [[0, 55], [2, 56], [3, 35]]],
  ["27c69de0af", [[4, 37], [1, 13], [1, 30]]],
  ["cda425327033f34d765d8f", [[6, 12], [1, 15], [5, 44]]],
  ["c53866266f6ef309c4b4dd5d87cf6f5db4", [[1, 2], [2, 50], [2, 55]]],
  ["7fb0d802cd23f31acfb0c76617edc08dc624cdbab04a6d", [[6, 55], [2, 53], [6, 30]]],
  ["f36a55c6fdaf3e3633e3d1d76c0e4093a9ddc18c4982e289f6fc539a6566a8", [[0, 58], [5, 12], [3, 55]]],
  ["3da8041cab418a758129b5a4f7ac5599b4523490b7329400263df46fba4ba24d", [[4, 17], [3, 36], [4, 42]]],
];

const HASHES = ["murmur2", "consistent", "fnv1a"] as const;

for (const [i, hash] of HASHES.entries()) {
  for (const name of [hash, `${hash}_random`] as const) {
    Deno.test(`partitionerOf("${name}") puts keys where librdkafka puts them`, () => {
      const partitioner = partitionerOf(name);
      for (const [key, placed] of PLACED) {
        const bytes = Uint8Array.fromHex(key);
        assertEquals([partitioner(bytes, 7), partitioner(bytes, 60)], placed[i], key);
        assertEquals(partitioner(bytes, 1), 0);
      }
    });
  }
}

// As librdkafka 2.16 did it, too: `null` where 40 records went to several partitions.
for (
  const [name, without, empty] of [
    ["murmur2", 21, 21],
    ["murmur2_random", null, 21],
    ["consistent", 0, 0],
    ["consistent_random", null, null],
    ["fnv1a", 15, 15],
    ["fnv1a_random", null, 15],
  ] as readonly [PartitionerName, number | null, number | null][]
) {
  Deno.test(`partitionerOf("${name}") has a rule of its own for no key, and for an empty one`, () => {
    const partitioner = partitionerOf(name);
    assertEquals(partitioner(null, 60), without);
    assertEquals(partitioner(new Uint8Array(), 60), empty);
  });
}

Deno.test('partitionerOf("random") puts one key anywhere, and leaves the choice without a key', () => {
  const partitioner = partitionerOf("random");
  const key = new TextEncoder().encode("kafka");
  const seen = new Set<number | null>();
  for (let n = 0; n < 1_000; n++) seen.add(partitioner(key, 5));
  assertEquals([...seen].sort(), [0, 1, 2, 3, 4]); // one is missing once in 10⁹⁶ runs
  assertEquals(partitioner(new Uint8Array(), 1), 0);
  assertEquals(partitioner(null, 5), null);
});

Deno.test("partitionOfKey() is the partitioner that records have by default", () => {
  const partitioner = partitionerOf("murmur2_random");
  for (const [key] of PLACED) {
    const bytes = Uint8Array.fromHex(key);
    assertEquals(partitioner(bytes, 60), partitionOfKey(bytes, 60));
  }
});
