import { assertEquals } from "@std/assert";
import {
  decodeInitProducerId,
  encodeInitProducerId,
} from "../../../../src/connectors/kafka/wire/init_producer_id.ts";
import { producerIdAnswer } from "../../../support/fake_broker.ts";

Deno.test("an InitProducerId request is written as the protocol's documentation has it", () => {
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
