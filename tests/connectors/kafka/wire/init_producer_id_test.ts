import { assertEquals } from "@std/assert";
import {
  decodeInitProducerId,
  encodeInitProducerId,
} from "../../../../src/connectors/kafka/wire/init_producer_id.ts";
import { producerIdAnswer } from "../../../support/kafka/fake_broker.ts";
import { type BytesByVersion, bytesOf } from "../../../support/bytes_by_version.ts";

Deno.test("an InitProducerId request is written as in the protocol's documentation", () => {
  const plain = { transactionalId: null, transactionTimeoutMs: 0x0102 };
  const named = { transactionalId: "ab", transactionTimeoutMs: 0x0102 };
  const timeout = [0, 0, 1, 2];
  const none = Array(10).fill(0xff); // producer id and epoch
  for (const version of [0, 1]) {
    assertEquals([...encodeInitProducerId(plain, version)], [0xff, 0xff, ...timeout]);
    assertEquals([...encodeInitProducerId(named, version)], [0, 2, 97, 98, ...timeout]);
  }
  assertEquals([...encodeInitProducerId(plain, 2)], [0, ...timeout, 0]);
  assertEquals([...encodeInitProducerId(named, 2)], [3, 97, 98, ...timeout, 0]);
  for (const version of [3, 4]) {
    assertEquals([...encodeInitProducerId(plain, version)], [0, ...timeout, ...none, 0]);
    assertEquals([...encodeInitProducerId(named, version)], [3, 97, 98, ...timeout, ...none, 0]);
  }
});

for (const version of [0, 1, 2, 3, 4]) {
  Deno.test(`an InitProducerId response of version ${version} is read`, () => {
    const answer = { producerId: 7n, producerEpoch: 0, errorCode: 0, clientSideThrottleTime: 0 };
    assertEquals(decodeInitProducerId(producerIdAnswer(version), version), answer);
    const failed = { producerId: -1n, producerEpoch: -1, errorCode: 53, clientSideThrottleTime: 0 };
    assertEquals(decodeInitProducerId(producerIdAnswer(version, 53), version), failed);
  });
}

/**
 * Java's kafka-clients 3.9.1 (`InitProducerIdRequestData`) writes this without a transactional id.
 */
const JAVA_PLAIN_REQUESTS: BytesByVersion = [
  [[0, 1], "ffff0000ea60"],
  [[2], "000000ea6000"],
  [[3, 4], "000000ea60ffffffffffffffffffff00"],
];

/** The same with one. */
const JAVA_TRANSACTIONAL_REQUESTS: BytesByVersion = [
  [[0, 1], "0004666c6f770000ea60"],
  [[2], "05666c6f770000ea6000"],
  [[3, 4], "05666c6f770000ea60ffffffffffffffffffff00"],
];

/**
 * Java's kafka-clients 4.3.1 writes this with the identity that the id has had. Older versions
 * cannot name it.
 */
const JAVA_CONTINUING_REQUESTS: BytesByVersion = [
  [[0, 1], "0004666c6f770000ea60"],
  [[2], "05666c6f770000ea6000"],
  [[3, 4], "05666c6f770000ea600000000100000002000500"],
];

/** As `InitProducerIdResponseData` of Java's kafka-clients 3.9.1 writes it. */
const JAVA_RESPONSES: BytesByVersion = [
  [[0, 1], "00000014000000000001000000020005"],
  [[2, 3, 4], "0000001400000000000100000002000500"],
];

for (
  const [transactionalId, requests] of [
    [null, JAVA_PLAIN_REQUESTS],
    ["flow", JAVA_TRANSACTIONAL_REQUESTS],
  ] as const
) {
  for (const [version, bytes] of bytesOf(requests)) {
    Deno.test(`an InitProducerId request of version ${version} for the id ${transactionalId} is the same as that of Java's client`, () => {
      const ours = encodeInitProducerId({ transactionalId, transactionTimeoutMs: 60_000 }, version);
      assertEquals(ours.toString("hex"), bytes.toString("hex"));
    });
  }
}

for (const [version, bytes] of bytesOf(JAVA_CONTINUING_REQUESTS)) {
  Deno.test(`an InitProducerId request of version ${version} that continues an identity is the same as that of Java's client`, () => {
    const continues = { producerId: 2n ** 32n + 2n, producerEpoch: 5 };
    const request = { transactionalId: "flow", transactionTimeoutMs: 60_000, continues };
    assertEquals(encodeInitProducerId(request, version).toString("hex"), bytes.toString("hex"));
  });
}

for (const [version, bytes] of bytesOf(JAVA_RESPONSES)) {
  Deno.test(`an InitProducerId response of version ${version} that Java wrote is read`, () => {
    assertEquals(decodeInitProducerId(bytes, version), {
      errorCode: 0,
      producerId: 2n ** 32n + 2n,
      producerEpoch: 5,
      clientSideThrottleTime: version >= 1 ? 20 : 0,
    });
  });
}
