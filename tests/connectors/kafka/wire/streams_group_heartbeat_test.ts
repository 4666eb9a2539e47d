import { assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import {
  decodeStreamsGroupHeartbeat,
  encodeStreamsGroupHeartbeat,
  type StreamsHeartbeat,
} from "../../../../src/connectors/kafka/wire/streams_group_heartbeat.ts";

const TASKS = [{ subtopologyId: "keyed", partitions: [1, 300] }];

const ANY: StreamsHeartbeat = {
  groupId: "app",
  memberId: "m-1",
  memberEpoch: 258,
  rebalanceTimeoutMs: -1,
  topology: null,
  activeTasks: TASKS,
  processId: null,
};

/** What `StreamsGroupHeartbeatRequestData` of Java's kafka-clients 4.3.1 writes. */
const JAVA_REQUESTS: Record<string, [StreamsHeartbeat, string]> = {
  "of a member that joins": [
    {
      ...ANY,
      memberEpoch: 0,
      rebalanceTimeoutMs: 60_000,
      topology: {
        epoch: 7,
        subtopologies: [
          {
            subtopologyId: "read",
            sourceTopics: ["orders", "late"],
            changelogTopics: [],
            repartitionSinkTopics: ["app.shuffle"],
            repartitionSourceTopics: [],
          },
          {
            subtopologyId: "keyed",
            sourceTopics: [],
            changelogTopics: [
              { name: "app.state", partitions: 0, replicationFactor: 0, configs: [] },
            ],
            repartitionSinkTopics: [],
            repartitionSourceTopics: [{
              name: "app.shuffle",
              partitions: 64,
              replicationFactor: 3,
              configs: [{ key: "retention.ms", value: "-1" }],
            }],
          },
        ],
      },
      activeTasks: [],
      processId: "p-1",
    },
    "04617070046d2d3100000000ffffffff00000000ea60010000000703057265616403076f7264657273056c617465" +
    "0101020c6170702e73687566666c65010100066b657965640101020a6170702e737461746500000000000001000102" +
    "0c6170702e73687566666c65000000400003020d726574656e74696f6e2e6d73032d31000001000001010104702d31" +
    "ff0100000000",
  ],
  "of a member that runs tasks": [
    ANY,
    "04617070046d2d3100000102ffffffff0000ffffffffff02066b6579656403000000010000012c00010100ff0000" +
    "000000",
  ],
  "of a member that leaves": [
    { ...ANY, memberEpoch: -1, activeTasks: null },
    "04617070046d2d31ffffffffffffffff0000ffffffffff00000000ff0000000000",
  ],
};

for (const [which, [heartbeat, hex]] of Object.entries(JAVA_REQUESTS)) {
  Deno.test(`a StreamsGroupHeartbeat request ${which} is the same as that of Java's client`, () => {
    assertEquals(encodeStreamsGroupHeartbeat(heartbeat).toString("hex"), hex);
  });
}

/** One task, and an empty list, as requests and responses have them. */
const [ONE, EMPTY] = ["02066b65796564020000000200", "01"];
const LISTED = "02066b6579656403000000010000012c00"; // TASKS

Deno.test("a StreamsGroupHeartbeat has standby tasks between the active and the warm-up ones", () => {
  const standbyTasks = [{ subtopologyId: "keyed", partitions: [2] }];
  const request = encodeStreamsGroupHeartbeat({ ...ANY, standbyTasks }).toString("hex");
  const [, without] = JAVA_REQUESTS["of a member that runs tasks"];
  assertEquals(request, without.replace(`${LISTED}${EMPTY}`, `${LISTED}${ONE}`));
  const [response, read] = JAVA_RESPONSES["with tasks and a status"];
  const answer = response.replace(`${LISTED}${EMPTY}`, `${LISTED}${ONE}`);
  assertEquals(decodeStreamsGroupHeartbeat(Buffer.from(answer, "hex")), { ...read, standbyTasks });
});

const NOTHING = {
  errorCode: 0,
  errorMessage: null,
  memberEpoch: 259,
  heartbeatIntervalMs: 5_000,
  status: [],
  activeTasks: null,
  standbyTasks: null,
  clientSideThrottleTime: 0,
};

/** What `StreamsGroupHeartbeatResponseData` of Java's kafka-clients 4.3.1 writes. */
const JAVA_RESPONSES: Record<string, [string, ReturnType<typeof decodeStreamsGroupHeartbeat>]> = {
  "with tasks and a status": [
    "00000014000000046d2d310000010300001388000000000000000002010a6e6f206f72646572730002066b657965" +
    "6403000000010000012c000101000000000000",
    {
      ...NOTHING,
      status: [{ code: 1, detail: "no orders" }],
      activeTasks: TASKS,
      standbyTasks: [],
      clientSideThrottleTime: 20,
    },
  ],
  "without a change": [
    "00000000000000046d2d310000010300001388000000000000000001000000000000000000",
    NOTHING,
  ],
  "with an error": [
    "00000000006e0766656e636564010000000000000000000000000000000001000000000000000000",
    { ...NOTHING, errorCode: 110, errorMessage: "fenced", memberEpoch: 0, heartbeatIntervalMs: 0 },
  ],
};

for (const [which, [hex, read]] of Object.entries(JAVA_RESPONSES)) {
  Deno.test(`a StreamsGroupHeartbeat response ${which} that Java wrote is read`, () => {
    assertEquals(decodeStreamsGroupHeartbeat(Buffer.from(hex, "hex")), read);
  });
}
