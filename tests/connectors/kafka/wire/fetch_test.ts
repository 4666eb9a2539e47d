import { assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import {
  decodeFetched,
  encodeFetchRequest,
  type FetchOptions,
  type PartitionFetch,
} from "../../../../src/connectors/kafka/wire/fetch.ts";
import { WireReader, WireWriter } from "../../../../src/connectors/kafka/wire/wire.ts";

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

/** What a broker of that version reads in a request. */
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
