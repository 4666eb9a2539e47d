import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { Buffer } from "node:buffer";
import { groupAdminAt } from "../../../src/connectors/kafka_tasks/group_admin.ts";
import { deniedBy } from "../../../src/connectors/kafka_tasks/task_log_error.ts";
import { encodeClaim, encodeGrant } from "../../../src/connectors/kafka/group/user_data.ts";
import {
  encodeAssignment,
  encodeSubscription,
} from "../../../src/connectors/kafka/wire/consumer_protocol.ts";
import { WireWriter } from "../../../src/connectors/kafka/wire/wire.ts";
import { taskId } from "../../../src/core/task_id.ts";
import {
  coordinatorAnswer,
  FakeBroker,
  type FakeBrokerOptions,
} from "../../support/kafka/fake_broker.ts";

/** A broker that keeps all groups. */
function brokerWith(options: FakeBrokerOptions) {
  const broker: FakeBroker = new FakeBroker({
    ...options,
    versions: { FindCoordinator: [0, 2], ...options.versions },
    answers: { FindCoordinator: () => coordinatorAnswer(0, broker.port), ...options.answers },
  });
  return broker;
}

/** The answer to DescribeGroups, in version 4. */
function described(members: readonly [metadata: Uint8Array, assignment: Uint8Array][]): Buffer {
  const out = new WireWriter(false);
  out.int32(0);
  out.array([0], () => {
    out.int16(0);
    for (const text of ["app.1", "Stable", "consumer", "millrace-tasks"]) out.string(text);
    out.array(members, ([metadata, assignment]) => {
      for (const text of ["m-1", "i-1", "client", "/10.0.0.1"]) out.string(text);
      out.bytes(metadata);
      out.bytes(assignment);
    });
    out.int32(0);
  });
  return out.written;
}

const [A, B] = [taskId("keyed", 1), taskId("keyed", 2)];

Deno.test("members of a classic group tell their machine, tasks and disks", async () => {
  const claim = { owned: new Set([A, B]), onDisk: new Map([[A, 41]]), round: 1, processId: "node" };
  const grant = { tasks: new Set([A]), owes: false, leads: true, status: "waits for topics" };
  const stable = described([[
    encodeSubscription(["orders"], encodeClaim(claim)),
    encodeAssignment([], encodeGrant(grant)),
  ]]);
  // While the group rebalances, the broker keeps back what members have told.
  const answers = [stable, described([[Buffer.alloc(0), Buffer.alloc(0)]])];
  await using broker = brokerWith({
    versions: { DescribeGroups: [0, 4] },
    answers: { DescribeGroups: () => answers.shift()! },
  });
  await using admin = groupAdminAt({ brokers: broker.brokers, properties: {} });
  const member = {
    id: "i-1",
    processId: "node",
    host: "/10.0.0.1",
    epoch: null,
    owned: new Set([A]),
    target: new Set([A]),
    standbys: new Set<typeof A>(),
    onDisk: new Map([[A, 41]]),
  };
  assertEquals(await admin.describe("app.1", "classic"), {
    protocol: "classic",
    state: "Stable",
    epoch: null,
    status: "waits for topics",
    members: [member],
  });
  const [quiet] = (await admin.describe("app.1", "classic")).members;
  assertEquals([quiet.id, quiet.processId, quiet.owned.size], ["i-1", null, 0]);
});

Deno.test("a broker without streams groups is named, with what it needs", async () => {
  await using broker = brokerWith({});
  await using admin = groupAdminAt({ brokers: broker.brokers, properties: {} });
  const error = await assertRejects(() => admin.describe("app.1", "streams"), Error);
  assertStringIncludes(error.message, "does not have the request StreamsGroupDescribe");
  assertStringIncludes(error.message, "it needs Kafka 4.2 or newer");
});

Deno.test("a group that we may not delete, has members, or is not there is told apart", async () => {
  const codes = [30, 68, 69, 0];
  await using broker = brokerWith({
    versions: { DeleteGroups: [0, 1] },
    answers: {
      DeleteGroups: () => {
        const out = new WireWriter(false);
        out.int32(0);
        out.array([codes.shift()!], (code) => {
          out.string("app.1");
          out.int16(code);
        });
        return out.written;
      },
    },
  });
  await using admin = groupAdminAt({ brokers: broker.brokers, properties: {} });
  const denied = await assertRejects(() => admin.deleteGroup("app.1"), Error);
  assertEquals(deniedBy(denied), "GROUP_AUTHORIZATION_FAILED");
  assertEquals(await admin.deleteGroup("app.1"), false);
  assertEquals(await admin.deleteGroup("app.1"), true);
  assertEquals(await admin.deleteGroup("app.1"), true);
});
