import { assertEquals } from "@std/assert";
import type { Buffer } from "node:buffer";
import {
  decodeMetadata,
  encodeMetadataRequest,
} from "../../../../src/connectors/kafka/wire/metadata.ts";
import { WireWriter } from "../../../../src/connectors/kafka/wire/wire.ts";

const ID = "AAECAwQFBgcICQoLDA0ODw";

Deno.test("a Metadata request asks by name, and creates no topics", () => {
  const id = Array(16).fill(0);
  assertEquals([...encodeMetadataRequest(["ab"], 4)], [0, 0, 0, 1, 0, 2, 97, 98, 0]);
  assertEquals([...encodeMetadataRequest(["ab"], 8)], [0, 0, 0, 1, 0, 2, 97, 98, 0, 0, 0]);
  assertEquals([...encodeMetadataRequest(["ab"], 10)], [2, ...id, 3, 97, 98, 0, 0, 0, 0, 0]);
  assertEquals([...encodeMetadataRequest(["ab"], 12)], [2, ...id, 3, 97, 98, 0, 0, 0, 0]);
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
