import { assertEquals } from "@std/assert";
import {
  decodeListOffsets,
  encodeListOffsets,
  listOffsets,
  type WhichOffset,
} from "../../../../src/connectors/kafka/wire/list_offsets.ts";
import type { KafkaBroker } from "../../../../src/connectors/kafka/client/kafkajs.ts";
import { WireReader, WireWriter } from "../../../../src/connectors/kafka/wire/wire.ts";
import { type BytesByVersion, bytesOf } from "../../../support/bytes_by_version.ts";

const ASKED = [
  { topic: "a", partition: 0 },
  { topic: "b", partition: 3 },
  { topic: "a", partition: 1 },
];

for (const version of [2, 3, 4, 5, 6]) {
  Deno.test(`a ListOffsets request of version ${version} asks for each partition of each topic`, () => {
    for (const [which, time] of [["first", -2n], ["last", -1n], [{ timestamp: 5 }, 5n]] as const) {
      const request = encodeListOffsets(ASKED, which, "read_committed", version);
      const from = new WireReader(request, version >= 6);
      assertEquals([from.int32(), from.boolean()], [-1, true]);
      const topics = from.array(() => {
        const topic = from.string();
        const partitions = from.array(() => {
          const partition = from.int32();
          if (version >= 4) assertEquals(from.int32(), -1);
          const at = from.int64();
          from.tags();
          return [partition, at];
        });
        from.tags();
        return [topic, partitions];
      });
      from.tags();
      assertEquals(topics, [["a", [[0, time], [1, time]]], ["b", [[3, time]]]]);
      assertEquals(from.rest().length, 0);
    }
  });

  Deno.test(`a ListOffsets response of version ${version} is read`, () => {
    const out = new WireWriter(version >= 6);
    out.int32(20); // throttle time
    out.array(["a", "b"], (topic) => {
      out.string(topic);
      out.array([0, 1], (partition) => {
        out.int32(partition);
        out.int8(0);
        out.int8(topic === "b" ? 6 : 0);
        out.int64(99n);
        out.int64(BigInt(partition + 40));
        if (version >= 4) out.int32(2);
        out.tags();
      });
      out.tags();
    });
    out.tags();
    const offsets = ["a", "b"].flatMap((topic) =>
      [0, 1].map((partition) => ({
        topic,
        partition,
        errorCode: topic === "b" ? 6 : 0,
        offset: partition + 40,
      }))
    );
    assertEquals(decodeListOffsets(out.written, version), {
      offsets,
      clientSideThrottleTime: version >= 3 ? 20 : 0,
    });
  });
}

/** The result for partition 0 of a topic, if the broker answers with these offsets. */
async function listed(which: WhichOffset, offsets: { partition: number; offset: number }[]) {
  const answer = {
    offsets: offsets.map((each) => ({ topic: "a", errorCode: 0, ...each })),
    clientSideThrottleTime: 0,
  };
  const broker = {
    versions: { 2: { minVersion: 2, maxVersion: 6 } },
    connectionPool: { send: () => Promise.resolve(answer) },
  } as unknown as KafkaBroker;
  const asked = [{ topic: "a", partition: 0 }];
  const { found, failed } = await listOffsets(broker, asked, which, "read_committed");
  return {
    found: [...found.values()],
    failed: [...failed.values()].map((e) => (e as Error).message),
  };
}

Deno.test("an offset below 0 is an error, except -1 if no record is at or after a time", async () => {
  const wrong = (offset: number) => ({
    found: [],
    failed: [
      `the broker's answer to ListOffsets says that partition 0 of topic "a" is at offset ${offset}`,
    ],
  });
  assertEquals(await listed("first", [{ partition: 0, offset: -1 }]), wrong(-1));
  assertEquals(await listed("last", [{ partition: 0, offset: -5 }]), wrong(-5));
  assertEquals(await listed({ timestamp: 5 }, [{ partition: 0, offset: -2 }]), wrong(-2));
  const none = await listed({ timestamp: 5 }, [{ partition: 0, offset: -1 }]);
  assertEquals(none, { found: [-1], failed: [] });
});

/** As `ListOffsetsRequestData` of Java's kafka-clients 3.9.1 writes it. */
const JAVA_REQUESTS: BytesByVersion = [
  [[2, 3], "ffffffff0100000001000261620000000200000000fffffffffffffffe00000003fffffffffffffffe"],
  [
    [4, 5],
    "ffffffff0100000001000261620000000200000000fffffffffffffffffffffffe00000003ffffffffff" +
    "fffffffffffffe",
  ],
  [
    [6],
    "ffffffff01020361620300000000fffffffffffffffffffffffe0000000003ffffffffffffffffffffff" +
    "fe000000",
  ],
];

/** As `ListOffsetsResponseData` of Java's kafka-clients 3.9.1 writes it. */
const JAVA_RESPONSES: BytesByVersion = [
  [
    [2, 3],
    "000000140000000100026162000000020000000000000000018bcfe56800000000010000000200000003" +
    "0006ffffffffffffffffffffffffffffffff",
  ],
  [
    [4, 5],
    "000000140000000100026162000000020000000000000000018bcfe56800000000010000000200000005" +
    "000000030006ffffffffffffffffffffffffffffffffffffffff",
  ],
  [
    [6],
    "0000001402036162030000000000000000018bcfe5680000000001000000020000000500000000030006" +
    "ffffffffffffffffffffffffffffffffffffffff000000",
  ],
];

for (const [version, bytes] of bytesOf(JAVA_REQUESTS)) {
  Deno.test(`a ListOffsets request of version ${version} is the same as that of Java's client`, () => {
    const partitions = [0, 3].map((partition) => ({ topic: "ab", partition }));
    const ours = encodeListOffsets(partitions, "first", "read_committed", version);
    assertEquals(ours.toString("hex"), bytes.toString("hex"));
  });
}

for (const [version, bytes] of bytesOf(JAVA_RESPONSES)) {
  Deno.test(`a ListOffsets response of version ${version} that Java wrote is read`, () => {
    assertEquals(decodeListOffsets(bytes, version), {
      offsets: [
        { topic: "ab", partition: 0, errorCode: 0, offset: 2 ** 32 + 2 },
        { topic: "ab", partition: 3, errorCode: 6, offset: -1 },
      ],
      clientSideThrottleTime: version >= 3 ? 20 : 0,
    });
  });
}
