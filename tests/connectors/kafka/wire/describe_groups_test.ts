import { assertEquals, assertRejects } from "@std/assert";
import { Buffer } from "node:buffer";
import {
  decodeDescribeGroups,
  describeGroup,
  encodeDescribeGroups,
} from "../../../../src/connectors/kafka/wire/describe_groups.ts";
import { WrongAnswerError } from "../../../../src/connectors/kafka/wire/wrong_answer.ts";
import { type BytesByVersion, bytesOf } from "../../../support/bytes_by_version.ts";

/** What Java's kafka-clients 4.3.1 writes. */
const REQUESTS: BytesByVersion = [
  [[4], "0000000100056170702e3100"],
  [[5], "02066170702e310000"],
];
const RESPONSES: BytesByVersion = [
  [
    [4],
    "0000001400000001000000056170702e310006537461626c650008636f6e73756d6572000e6d696c6c72616365" +
    "2d7461736b730000000100036d2d310003692d31000163000a2f3132372e302e302e31000000020102000000010" +
    "300000007",
  ],
  [
    [5],
    "00000014020000066170702e3107537461626c6509636f6e73756d65720f6d696c6c726163652d7461736b7302" +
    "046d2d3104692d3102630b2f3132372e302e302e31030102020300000000070000",
  ],
];
const GROUP = {
  errorCode: 0,
  groupId: "app.1",
  state: "Stable",
  protocolType: "consumer",
  protocol: "millrace-tasks",
  members: [{
    memberId: "m-1",
    instanceId: "i-1",
    clientHost: "/127.0.0.1",
    metadata: Buffer.of(1, 2),
    assignment: Buffer.of(3),
  }],
};

Deno.test("a DescribeGroups request is the same as that of Java's client", () => {
  for (const [version, bytes] of bytesOf(REQUESTS)) {
    assertEquals(encodeDescribeGroups("app.1", version).toString("hex"), bytes.toString("hex"));
  }
});

Deno.test("a DescribeGroups response that Java wrote is read", () => {
  for (const [version, bytes] of bytesOf(RESPONSES)) {
    const { groups, clientSideThrottleTime } = decodeDescribeGroups(bytes, version);
    assertEquals([groups, clientSideThrottleTime], [[GROUP], 20]);
  }
});

Deno.test("describeGroup throws if the broker refuses, or describes another group", async () => {
  const ask = (id: string, errorCode = 0) =>
    describeGroup({
      versions: { 15: { maxVersion: 5 } },
      connectionPool: { send: () => Promise.resolve({ groups: [{ ...GROUP, errorCode }] }) },
    }, id);
  assertEquals(await ask("app.1"), GROUP);
  const denied = await assertRejects(() => ask("app.1", 30));
  assertEquals((denied as { type?: string }).type, "GROUP_AUTHORIZATION_FAILED");
  await assertRejects(() => ask("other"), WrongAnswerError, 'group "other"');
});
