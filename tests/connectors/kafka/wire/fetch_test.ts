import { assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import {
  decodeFetched,
  encodeFetchRequest,
  type FetchOptions,
  type PartitionFetch,
} from "../../../../src/connectors/kafka/wire/fetch.ts";
import { WireReader, WireWriter } from "../../../../src/connectors/kafka/wire/wire.ts";
import { type BytesByVersion, bytesOf } from "../../../support/bytes_by_version.ts";

const [ID_A, ID_B] = ["AAECAwQFBgcICQoLDA0ODw", "_wECAwQFBgcICQoLDA0ODw"];

const ASKED: readonly PartitionFetch[] = [
  { topic: "a", topicId: ID_A, partition: 0, offset: 10, maxBytes: 100 },
  { topic: "b", topicId: ID_B, partition: 0, offset: 20, maxBytes: 100 },
  { topic: "a", topicId: ID_A, partition: 2, offset: 30, maxBytes: 200 },
];

const OPTIONS: FetchOptions = {
  maxWaitMs: 500,
  minBytes: 1,
  maxBytes: 1000,
  isolation: "read_committed",
};

/** What a broker of that version reads from a request. */
function readRequest(request: Buffer, version: number) {
  const from = new WireReader(request, version >= 12);
  const head = [from.int32(), from.int32(), from.int32(), from.int32()];
  from.boolean(); // isolation
  if (version >= 7) head.push(from.int32(), from.int32());
  const topics = from.array(() => {
    const topic = version >= 13 ? from.uuid() : from.string();
    const partitions = from.array(() => {
      const partition = from.int32();
      if (version >= 9) assertEquals(from.int32(), -1); // the leader's epoch
      const offset = Number(from.int64());
      if (version >= 12) assertEquals(from.int32(), -1); // the epoch of what was fetched last
      if (version >= 5) assertEquals(from.int64(), -1n); // where the log starts
      const maxBytes = from.int32();
      from.tags();
      return [partition, offset, maxBytes];
    });
    from.tags();
    return [topic, partitions];
  });
  if (version >= 7) assertEquals(from.array(() => 0), []); // topics that leave the session
  if (version >= 11) assertEquals(from.string(), ""); // the rack
  from.tags();
  assertEquals(from.rest().length, 0);
  return { head, topics };
}

for (const version of [4, 5, 7, 9, 11, 12, 13]) {
  Deno.test(`a Fetch request of version ${version} asks for topics by ${version >= 13 ? "id" : "name"}`, () => {
    const [a, b] = version >= 13 ? [ID_A, ID_B] : ["a", "b"];
    assertEquals(readRequest(encodeFetchRequest(ASKED, OPTIONS, version), version), {
      head: [-1, 500, 1, 1000, ...version >= 7 ? [0, -1] : []],
      topics: [[a, [[0, 10, 100], [2, 30, 200]]], [b, [[0, 20, 100]]]],
    });
  });

  Deno.test(`a Fetch response of version ${version} is read`, () => {
    const out = new WireWriter(version >= 12);
    const int16 = (value: number) => {
      out.int8(value >> 8);
      out.int8(value & 0xff);
    };
    out.int32(20); // throttle time
    if (version >= 7) {
      int16(0);
      out.int32(9); // the session
    }
    out.array(["b", "a"], (topic) => {
      if (version >= 13) out.uuid(topic === "a" ? ID_A : ID_B);
      else out.string(topic);
      out.array([0], (partition) => {
        out.int32(partition);
        int16(topic === "a" ? 100 : 0);
        out.int64(50n);
        out.int64(40n);
        if (version >= 5) out.int64(5n); // where the log starts
        out.array([7n], (producerId) => {
          out.int64(producerId);
          out.int64(33n);
          out.tags();
        });
        if (version >= 11) out.int32(-1); // a preferred replica
        out.array([1, 2, 3], (byte) => out.int8(byte)); // bytes are written as arrays are
        out.tags();
      });
      out.tags();
    });
    out.tags();
    const common = {
      partition: 0,
      highWatermark: 50,
      lastStableOffset: 40,
      aborted: [{ producerId: 7n, firstOffset: 33 }],
      records: Buffer.of(1, 2, 3),
    };
    assertEquals(decodeFetched(out.written, version, ASKED), {
      errorCode: 0,
      sessionId: version >= 7 ? 9 : 0,
      partitions: [
        { topic: "b", errorCode: 0, ...common },
        { topic: "a", errorCode: 100, ...common },
      ],
      clientSideThrottleTime: version >= 8 ? 20 : 0,
    });
  });
}

/** As `FetchRequestData` of Java's kafka-clients 3.9.1 writes it. */
const JAVA_REQUESTS: BytesByVersion = [
  [
    [4],
    "ffffffff000001f400000001001000000100000001000261620000000200000000000000010000000200" +
    "01000000000002000000010000000400010000",
  ],
  [
    [5, 6],
    "ffffffff000001f4000000010010000001000000010002616200000002000000000000000100000002ff" +
    "ffffffffffffff00010000000000020000000100000004ffffffffffffffff00010000",
  ],
  [
    [7, 8],
    "ffffffff000001f400000001001000000100000007000000030000000100026162000000020000000000" +
    "00000100000002ffffffffffffffff00010000000000020000000100000004ffffffffffffffff000100" +
    "0000000001000261620000000100000005",
  ],
  [
    [9, 10],
    "ffffffff000001f4000000010010000001000000070000000300000001000261620000000200000000ff" +
    "ffffff0000000100000002ffffffffffffffff0001000000000002ffffffff0000000100000004ffffff" +
    "ffffffffff0001000000000001000261620000000100000005",
  ],
  [
    [11],
    "ffffffff000001f4000000010010000001000000070000000300000001000261620000000200000000ff" +
    "ffffff0000000100000002ffffffffffffffff0001000000000002ffffffff0000000100000004ffffff" +
    "ffffffffff00010000000000010002616200000001000000050000",
  ],
  [
    [12],
    "ffffffff000001f40000000100100000010000000700000003020361620300000000ffffffff00000001" +
    "00000002ffffffffffffffffffffffff000100000000000002ffffffff0000000100000004ffffffffff" +
    "ffffffffffffff000100000000020361620200000005000100",
  ],
  [
    [13],
    "ffffffff000001f4000000010010000001000000070000000302000102030405060708090a0b0c0d0e0f" +
    "0300000000ffffffff0000000100000002ffffffffffffffffffffffff000100000000000002ffffffff" +
    "0000000100000004ffffffffffffffffffffffff00010000000002000102030405060708090a0b0c0d0e" +
    "0f0200000005000100",
  ],
];

/**
 * As `FetchResponseData` of Java's kafka-clients 3.9.1 writes it; from
 * version 12 on with a tagged field, the current leader.
 */
const JAVA_RESPONSES: BytesByVersion = [
  [
    [4],
    "000000140000000100026162000000020000000200000000000000000009000000000000000800000001" +
    "0000000000000004000000000000000600000003010203000000030001ffffffffffffffffffffffffff" +
    "ffffff0000000000000000",
  ],
  [
    [5, 6],
    "000000140000000100026162000000020000000200000000000000000009000000000000000800000000" +
    "00000001000000010000000000000004000000000000000600000003010203000000030001ffffffffff" +
    "ffffffffffffffffffffffffffffffffffffff0000000000000000",
  ],
  [
    [7, 8, 9, 10],
    "000000140000000000070000000100026162000000020000000200000000000000000009000000000000" +
    "000800000000000000010000000100000000000000040000000000000006000000030102030000000300" +
    "01ffffffffffffffffffffffffffffffffffffffffffffffff0000000000000000",
  ],
  [
    [11],
    "000000140000000000070000000100026162000000020000000200000000000000000009000000000000" +
    "000800000000000000010000000100000000000000040000000000000006ffffffff0000000301020300" +
    "0000030001ffffffffffffffffffffffffffffffffffffffffffffffff00000000ffffffff00000000",
  ],
  [
    [12],
    "000000140000000000070203616203000000020000000000000000000900000000000000080000000000" +
    "000001020000000000000004000000000000000600ffffffff0401020301010900000003000000050000" +
    "0000030001ffffffffffffffffffffffffffffffffffffffffffffffff01ffffffff01000000",
  ],
  [
    [13],
    "0000001400000000000702000102030405060708090a0b0c0d0e0f030000000200000000000000000009" +
    "00000000000000080000000000000001020000000000000004000000000000000600ffffffff04010203" +
    "010109000000030000000500000000030001ffffffffffffffffffffffffffffffffffffffffffffffff" +
    "01ffffffff01000000",
  ],
];

for (const [version, bytes] of bytesOf(JAVA_REQUESTS)) {
  Deno.test(`a Fetch request of version ${version} is the same as that of Java's client`, () => {
    const at = { topic: "ab", topicId: ID_A, maxBytes: 65536 };
    const partitions = [0, 2].map((partition) => ({
      ...at,
      partition,
      offset: 2 ** 32 + 2 + partition,
    }));
    const forgotten = [{ ...at, partition: 5, offset: 0 }];
    const options = { ...OPTIONS, maxBytes: 1 << 20 };
    const session = { id: 7, epoch: 3, forgotten };
    const ours = encodeFetchRequest(partitions, options, version, session);
    assertEquals(ours.toString("hex"), bytes.toString("hex"));
  });
}

for (const [version, bytes] of bytesOf(JAVA_RESPONSES)) {
  Deno.test(`a Fetch response of version ${version} that Java wrote is read`, () => {
    const answer = decodeFetched(bytes, version, [{ topic: "ab", topicId: ID_A }]);
    const partitions = answer.partitions.map((each) => ({ ...each, records: [...each.records] }));
    assertEquals({ ...answer, partitions }, {
      errorCode: 0,
      sessionId: version >= 7 ? 7 : 0,
      partitions: [
        {
          topic: "ab",
          partition: 2,
          errorCode: 0,
          highWatermark: 9,
          lastStableOffset: 8,
          aborted: [{ producerId: 4n, firstOffset: 6 }],
          records: [1, 2, 3],
        },
        {
          topic: "ab",
          partition: 3,
          errorCode: 1,
          highWatermark: -1,
          lastStableOffset: -1,
          aborted: [],
          records: [],
        },
      ],
      clientSideThrottleTime: version >= 8 ? 20 : 0,
    });
  });
}
