import { assertEquals } from "@std/assert";
import type { Buffer } from "node:buffer";
import {
  decodeMetadata,
  encodeMetadataRequest,
} from "../../../../src/connectors/kafka/wire/metadata.ts";
import { WireWriter } from "../../../../src/connectors/kafka/wire/wire.ts";
import { type BytesByVersion, bytesOf } from "../../../support/bytes_by_version.ts";

const ID = "AAECAwQFBgcICQoLDA0ODw";

Deno.test("a Metadata request asks by name, and creates no topics", () => {
  const id = Array(16).fill(0);
  assertEquals([...encodeMetadataRequest(["ab"], 4)], [0, 0, 0, 1, 0, 2, 97, 98, 0]);
  assertEquals([...encodeMetadataRequest(["ab"], 8)], [0, 0, 0, 1, 0, 2, 97, 98, 0, 0, 0]);
  assertEquals([...encodeMetadataRequest(["ab"], 10)], [2, ...id, 3, 97, 98, 0, 0, 0, 0, 0]);
  assertEquals([...encodeMetadataRequest(["ab"], 12)], [2, ...id, 3, 97, 98, 0, 0, 0, 0]);
});

Deno.test("a Metadata request for all topics is the same as that of Java's client", () => {
  for (
    const [version, hex] of [
      [4, "ffffffff00"],
      [8, "ffffffff000000"],
      [9, "0000000000"],
      [12, "00000000"],
    ] as const
  ) assertEquals(encodeMetadataRequest(null, version).toString("hex"), hex, `${version}`);
});

/** A response of a broker with that version. */
function response(version: number, topicId: string | null): Buffer {
  const out = new WireWriter(version >= 9);
  const int16 = (value: number) => {
    out.int8(value >> 8);
    out.int8(value & 0xff);
  };
  out.int32(20); // throttle time
  out.array([1, 2], (node) => {
    out.int32(node);
    out.string(`host-${node}`);
    out.int32(9090 + node);
    out.string(node === 1 ? null : "rack");
    out.tags();
  });
  out.string("cluster");
  out.int32(2);
  out.array(["a", "b"], (topic) => {
    int16(topic === "a" ? 0 : 3);
    out.string(topic);
    if (version >= 10) out.uuid(topicId);
    out.boolean(false);
    out.array(topic === "a" ? [0, 1] : [], (partition) => {
      int16(partition === 0 ? 0 : 5);
      out.int32(partition);
      out.int32(partition === 0 ? 1 : -1);
      if (version >= 7) out.int32(6);
      out.array([1, 2], (replica) => out.int32(replica));
      out.array([1], (replica) => out.int32(replica));
      if (version >= 5) out.array([2], (replica) => out.int32(replica));
      out.tags();
    });
    if (version >= 8) out.int32(-1);
    out.tags();
  });
  if (version >= 8 && version <= 10) out.int32(-1);
  out.tags();
  return out.written;
}

for (const version of [4, 5, 6, 7, 8, 9, 10, 11, 12]) {
  Deno.test(`a Metadata response of version ${version} is read`, () => {
    const leaderEpoch = version >= 7 ? 6 : -1;
    const topicId = version >= 10 ? ID : null;
    assertEquals(decodeMetadata(response(version, ID), version), {
      brokers: [
        { nodeId: 1, host: "host-1", port: 9091 },
        { nodeId: 2, host: "host-2", port: 9092 },
      ],
      clusterId: "cluster",
      controllerId: 2,
      topics: [
        {
          errorCode: 0,
          topic: "a",
          topicId,
          partitions: [
            { errorCode: 0, partition: 0, leader: 1, leaderEpoch },
            { errorCode: 5, partition: 1, leader: -1, leaderEpoch },
          ],
        },
        { errorCode: 3, topic: "b", topicId, partitions: [] },
      ],
      clientSideThrottleTime: version >= 6 ? 20 : 0,
    });
  });
}

Deno.test("a topic id of zeros is none", () => {
  const { topics } = decodeMetadata(response(12, null), 12);
  assertEquals(topics.map(({ topicId }) => topicId), [null, null]);
});

/** As `MetadataRequestData` of Java's kafka-clients 3.9.1 writes it. */
const JAVA_REQUESTS: BytesByVersion = [
  [[4, 5, 6, 7], "000000020002616200076772c3bcc39f6500"],
  [[8], "000000020002616200076772c3bcc39f65000000"],
  [[9], "0303616200086772c3bcc39f650000000000"],
  [
    [10],
    "03000000000000000000000000000000000361620000000000000000000000000000000000086772c3bc" +
    "c39f650000000000",
  ],
  [
    [11, 12],
    "03000000000000000000000000000000000361620000000000000000000000000000000000086772c3bc" +
    "c39f6500000000",
  ],
];

/** As `MetadataResponseData` of Java's kafka-clients 3.9.1 writes it. */
const JAVA_RESPONSES: BytesByVersion = [
  [
    [4],
    "0000001400000002000000010006686f73742d3100002383ffff000000020006686f73742d3200002384" +
    "00047261636b0007636c7573746572000000020000000200000002616200000000010000000000000000" +
    "00020000000200000002000000010000000100000002000300026e6f0000000000",
  ],
  [
    [5, 6],
    "0000001400000002000000010006686f73742d3100002383ffff000000020006686f73742d3200002384" +
    "00047261636b0007636c7573746572000000020000000200000002616200000000010000000000000000" +
    "000200000002000000020000000100000001000000020000000100000001000300026e6f0000000000",
  ],
  [
    [7],
    "0000001400000002000000010006686f73742d3100002383ffff000000020006686f73742d3200002384" +
    "00047261636b0007636c7573746572000000020000000200000002616200000000010000000000000000" +
    "00020000000500000002000000020000000100000001000000020000000100000001000300026e6f0000" +
    "000000",
  ],
  [
    [8],
    "0000001400000002000000010006686f73742d3100002383ffff000000020006686f73742d3200002384" +
    "00047261636b0007636c7573746572000000020000000200000002616200000000010000000000000000" +
    "000200000005000000020000000200000001000000010000000200000001000000018000000000030002" +
    "6e6f00000000008000000080000000",
  ],
  [
    [9],
    "00000014030000000107686f73742d310000238300000000000207686f73742d3200002384057261636b" +
    "0008636c7573746572000000020300000361620002000000000000000000020000000503000000020000" +
    "0001020000000202000000010080000000000003036e6f000180000000008000000000",
  ],
  [
    [10],
    "00000014030000000107686f73742d310000238300000000000207686f73742d3200002384057261636b" +
    "0008636c757374657200000002030000036162000102030405060708090a0b0c0d0e0f00020000000000" +
    "000000000200000005030000000200000001020000000202000000010080000000000003036e6f000000" +
    "00000000000000000000000000000180000000008000000000",
  ],
  [
    [11, 12],
    "00000014030000000107686f73742d310000238300000000000207686f73742d3200002384057261636b" +
    "0008636c757374657200000002030000036162000102030405060708090a0b0c0d0e0f00020000000000" +
    "000000000200000005030000000200000001020000000202000000010080000000000003036e6f000000" +
    "000000000000000000000000000001800000000000",
  ],
];

for (const [version, bytes] of bytesOf(JAVA_REQUESTS)) {
  Deno.test(`a Metadata request of version ${version} is the same as that of Java's client`, () => {
    assertEquals(
      encodeMetadataRequest(["ab", "grüße"], version).toString("hex"),
      bytes.toString("hex"),
    );
  });
}

for (const [version, bytes] of bytesOf(JAVA_RESPONSES)) {
  Deno.test(`a Metadata response of version ${version} that Java wrote is read`, () => {
    assertEquals(decodeMetadata(bytes, version), {
      brokers: [
        { nodeId: 1, host: "host-1", port: 9091 },
        { nodeId: 2, host: "host-2", port: 9092 },
      ],
      clusterId: "cluster",
      controllerId: 2,
      topics: [
        {
          errorCode: 0,
          topic: "ab",
          topicId: version >= 10 ? ID : null,
          partitions: [
            { errorCode: 0, partition: 0, leader: 2, leaderEpoch: version >= 7 ? 5 : -1 },
          ],
        },
        { errorCode: 3, topic: "no", topicId: null, partitions: [] },
      ],
      clientSideThrottleTime: version >= 6 ? 20 : 0,
    });
  });
}
