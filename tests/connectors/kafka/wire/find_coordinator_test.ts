import { assertEquals } from "@std/assert";
import type { Buffer } from "node:buffer";
import {
  decodeFindCoordinator,
  encodeFindCoordinator,
} from "../../../../src/connectors/kafka/wire/find_coordinator.ts";
import { WireWriter } from "../../../../src/connectors/kafka/wire/wire.ts";
import { type BytesByVersion, bytesOf } from "../../../support/bytes_by_version.ts";

Deno.test("a FindCoordinator request is written as in the protocol's documentation", () => {
  const group = { kind: "group", id: "ab" } as const;
  const transaction = { kind: "transaction", id: "ab" } as const;
  assertEquals([...encodeFindCoordinator(group, 0)], [0, 2, 97, 98]);
  for (const version of [1, 2]) {
    assertEquals([...encodeFindCoordinator(group, version)], [0, 2, 97, 98, 0]);
    assertEquals([...encodeFindCoordinator(transaction, version)], [0, 2, 97, 98, 1]);
  }
  assertEquals([...encodeFindCoordinator(transaction, 3)], [3, 97, 98, 1, 0]);
  assertEquals([...encodeFindCoordinator(transaction, 4)], [1, 2, 3, 97, 98, 0]);
});

/** A response of a broker with that version. */
function response(version: number, errorCode: number): Buffer {
  const out = new WireWriter(version >= 3);
  const node = () => {
    out.int32(3);
    out.string("host");
    out.int32(9092);
  };
  if (version >= 1) out.int32(20); // throttle time
  if (version < 4) {
    out.int16(errorCode);
    if (version >= 1) out.string("in words");
    node();
  } else {
    out.array(["ab"], (key) => {
      out.string(key);
      node();
      out.int16(errorCode);
      out.string("in words");
      out.tags();
    });
  }
  out.tags();
  return out.written;
}

for (const version of [0, 1, 2, 3, 4]) {
  Deno.test(`a FindCoordinator response of version ${version} is read`, () => {
    for (const errorCode of [0, 15]) {
      assertEquals(decodeFindCoordinator(response(version, errorCode), version), {
        errorCode,
        nodeId: 3,
        clientSideThrottleTime: version >= 2 ? 20 : 0,
      });
    }
  });
}

/** As `FindCoordinatorRequestData` of Java's kafka-clients 3.9.1 writes it for a group. */
const JAVA_GROUP_REQUESTS: BytesByVersion = [
  [[0], "0004666c6f77"],
  [[1, 2], "0004666c6f7700"],
  [[3], "05666c6f770000"],
  [[4], "000205666c6f7700"],
];

/** The same for a transactional id. */
const JAVA_TRANSACTION_REQUESTS: BytesByVersion = [
  [[1, 2], "0004666c6f7701"],
  [[3], "05666c6f770100"],
  [[4], "010205666c6f7700"],
];

/** As `FindCoordinatorResponseData` of Java's kafka-clients 3.9.1 writes it. */
const JAVA_RESPONSES: BytesByVersion = [
  [[0], "000f000000030004686f737400002384"],
  [[1, 2], "00000014000f00076e6f7420796574000000030004686f737400002384"],
  [[3], "00000014000f086e6f74207965740000000305686f73740000238400"],
  [[4], "000000140205666c6f770000000305686f737400002384000f086e6f74207965740000"],
];

for (
  const [kind, requests] of [
    ["group", JAVA_GROUP_REQUESTS],
    ["transaction", JAVA_TRANSACTION_REQUESTS],
  ] as const
) {
  for (const [version, bytes] of bytesOf(requests)) {
    Deno.test(`a FindCoordinator request for a ${kind} of version ${version} is the same as that of Java's client`, () => {
      const ours = encodeFindCoordinator({ kind, id: "flow" }, version);
      assertEquals(ours.toString("hex"), bytes.toString("hex"));
    });
  }
}

for (const [version, bytes] of bytesOf(JAVA_RESPONSES)) {
  Deno.test(`a FindCoordinator response of version ${version} that Java wrote is read`, () => {
    assertEquals(decodeFindCoordinator(bytes, version), {
      errorCode: 15,
      nodeId: 3,
      clientSideThrottleTime: version >= 2 ? 20 : 0,
    });
  });
}
