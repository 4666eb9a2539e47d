import { assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import {
  type ClassicIdentity,
  decodeClassicHeartbeat,
  decodeJoinGroup,
  decodeLeaveGroup,
  decodeSyncGroup,
  encodeClassicHeartbeat,
  encodeJoinGroup,
  encodeLeaveGroup,
  encodeSyncGroup,
  joinGroup,
} from "../../../../src/connectors/kafka/wire/classic_group.ts";
import type { Exchange } from "../../../../src/connectors/kafka/wire/request.ts";

const MEMBER: ClassicIdentity = {
  groupId: "app",
  generation: 3,
  memberId: "m-1",
  instanceId: "i-1",
};

const JOIN = {
  groupId: "app",
  sessionTimeoutMs: 6_000,
  rebalanceTimeoutMs: 7_000,
  memberId: "m-1",
  instanceId: "i-1",
  protocolType: "consumer",
  protocol: "millrace-tasks",
  metadata: Buffer.of(1, 2, 3),
};

/** What the classes of Java's kafka-clients 4.3.1 write. */
const JAVA_REQUESTS: Record<string, [Buffer, string]> = {
  "JoinGroup, version 5": [
    encodeJoinGroup(JOIN),
    "00036170700000177000001b5800036d2d310003692d310008636f6e73756d657200000001000e6d696c6c726163" +
    "652d7461736b7300000003010203",
  ],
  "SyncGroup, version 3": [
    encodeSyncGroup(MEMBER, [{ memberId: "m-2", assignment: Buffer.of(4, 5) }]),
    "00036170700000000300036d2d310003692d310000000100036d2d32000000020405",
  ],
  "Heartbeat, version 3": [
    encodeClassicHeartbeat(MEMBER),
    "00036170700000000300036d2d310003692d31",
  ],
  "LeaveGroup, version 3": [
    encodeLeaveGroup(MEMBER),
    "00036170700000000100036d2d310003692d31",
  ],
};

for (const [which, [ours, hex]] of Object.entries(JAVA_REQUESTS)) {
  Deno.test(`a request ${which}, is the same as that of Java's client`, () => {
    assertEquals(ours.toString("hex"), hex);
  });
}

Deno.test("responses of the classic protocol that Java wrote are read", () => {
  const bytes = (hex: string) => Buffer.from(hex, "hex");
  const clientSideThrottleTime = 20;
  assertEquals(
    decodeJoinGroup(bytes(
      "00000014000000000003000e6d696c6c726163652d7461736b7300036d2d3100036d2d310000000200036d2d31" +
        "0003692d3100000002010200036d2d32ffff00000000",
    )),
    {
      errorCode: 0,
      generation: 3,
      leader: "m-1",
      memberId: "m-1",
      members: [
        { memberId: "m-1", instanceId: "i-1", metadata: Buffer.of(1, 2) },
        { memberId: "m-2", instanceId: null, metadata: Buffer.of() },
      ],
      clientSideThrottleTime,
    },
  );
  assertEquals(decodeSyncGroup(bytes("000000140000000000020405")), {
    errorCode: 0,
    assignment: Buffer.of(4, 5),
    clientSideThrottleTime,
  });
  assertEquals(decodeClassicHeartbeat(bytes("00000014001b")), {
    errorCode: 27,
    clientSideThrottleTime,
  });
  assertEquals(decodeLeaveGroup(bytes("0000001400000000000100036d2d3100000019")), {
    errorCode: 25, // of the member, as the request itself was fine
    clientSideThrottleTime,
  });
});

Deno.test("a JoinGroup may take as long as the rebalance, and longer than other requests", async () => {
  const sent: (number | undefined)[] = [];
  await joinGroup({
    versions: { 11: { minVersion: 2, maxVersion: 9 } },
    connectionPool: {
      send: ({ requestTimeout }: Exchange) => {
        sent.push(requestTimeout);
        return Promise.resolve({});
      },
    },
  }, JOIN);
  assertEquals(sent, [12_000]);
});
