import { assertEquals } from "@std/assert";
import type { Buffer } from "node:buffer";
import {
  decodeFindCoordinator,
  encodeFindCoordinator,
} from "../../../../src/connectors/kafka/wire/find_coordinator.ts";
import { WireWriter } from "../../../../src/connectors/kafka/wire/wire.ts";

Deno.test("a FindCoordinator request is written as the protocol's documentation has it", () => {
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
