import { assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import { Partitioners, type PartitionMetadata } from "kafkajs";
import { murmur2, partitionOfKey } from "../../../src/connectors/kafka/partitioner.ts";
import { Random } from "../../support/random.ts";

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
  Deno.test(`murmur2() of "${text}" is what Kafka says`, () => {
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

Deno.test("partitionOfKey() looks at a view's own bytes, not at its whole buffer", () => {
  const whole = new TextEncoder().encode("xxfoobarxx");
  assertEquals(murmur2(whole.subarray(2, 8)), -790332482);
});
