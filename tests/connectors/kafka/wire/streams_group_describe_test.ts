import { assertEquals, assertRejects } from "@std/assert";
import { Buffer } from "node:buffer";
import {
  decodeStreamsGroupDescribe,
  encodeStreamsGroupDescribe,
  streamsGroupDescribe,
} from "../../../../src/connectors/kafka/wire/streams_group_describe.ts";
import { WrongAnswerError } from "../../../../src/connectors/kafka/wire/wrong_answer.ts";

/** What Java's kafka-clients 4.3.1 writes for them. */
const REQUEST = "02046170700000";
const RESPONSE =
  "0000001402000000046170700c5265636f6e63696c696e670000010400000103010000000702066b65796564020" +
  "76f7264657273020278020a6170702e73746174650000000400000202610262000001000002046d2d310000010300" +
  "0002630b2f3132372e302e302e310000000704702d310102680009000102066b6579656400000001000000000000" +
  "0005000102066b6579656403000000010000012c0001010002066b657965640200000001000101000000800000000000";
const NO_GROUP = "00000000020045056e6f6e6504617070010000000000000000ff01800000000000";

const GROUP = {
  errorCode: 0,
  groupId: "app",
  state: "Reconciling",
  epoch: 260,
  assignmentEpoch: 259,
  topologyEpoch: 7,
  members: [{
    memberId: "m-1",
    memberEpoch: 259,
    topologyEpoch: 7,
    processId: "p-1",
    clientHost: "/127.0.0.1",
    activeTasks: [{ subtopologyId: "keyed", partitions: [1, 300] }],
    standbyTasks: [],
    targetTasks: [{ subtopologyId: "keyed", partitions: [1] }],
  }],
};

Deno.test("a StreamsGroupDescribe request is the same as that of Java's client", () => {
  assertEquals(encodeStreamsGroupDescribe("app").toString("hex"), REQUEST);
});

Deno.test("a StreamsGroupDescribe response that Java wrote is read", () => {
  assertEquals(decodeStreamsGroupDescribe(Buffer.from(RESPONSE, "hex")), {
    groups: [GROUP],
    clientSideThrottleTime: 20,
  });
});

Deno.test("a StreamsGroupDescribe response has the standby tasks of a member", () => {
  // Java's, with a list of one task between those of active and warm-up tasks.
  const tasks = "02066b6579656403000000010000012c00";
  const standby = "02066b65796564020000000200";
  const response = RESPONSE.replace(`${tasks}0101`, `${tasks}${standby}01`);
  const { groups: [{ members: [member] }] } = decodeStreamsGroupDescribe(
    Buffer.from(response, "hex"),
  );
  assertEquals(member, {
    ...GROUP.members[0],
    standbyTasks: [{ subtopologyId: "keyed", partitions: [2] }],
  });
});

Deno.test("streamsGroupDescribe throws if there is no such group, or another is described", async () => {
  const describe = (id: string, hex: string) =>
    streamsGroupDescribe({
      versions: { 89: { maxVersion: 0 } },
      connectionPool: {
        send: () => Promise.resolve(decodeStreamsGroupDescribe(Buffer.from(hex, "hex"))),
      },
    }, id);
  assertEquals(await describe("app", RESPONSE), GROUP);
  const none = await assertRejects(() => describe("app", NO_GROUP));
  assertEquals((none as { type?: string }).type, "GROUP_ID_NOT_FOUND");
  await assertRejects(() => describe("other", RESPONSE), WrongAnswerError, 'group "other"');
});
