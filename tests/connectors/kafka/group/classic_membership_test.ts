/** The suite of memberships on a classic group in memory. */
import {
  ClassicMachine,
  type ClassicRequest,
} from "../../../../src/connectors/kafka/group/classic_machine.ts";
import { Members } from "../../../../src/connectors/kafka/group/members.ts";
import { taskId } from "../../../../src/core/task_id.ts";
import { testMembership } from "../../../conformance/membership.ts";
import { TestClock } from "../../../support/clock/test_clock.ts";
import { FakeClassicGroup } from "../../../support/kafka/group/fake_classic_group.ts";
import { FakeNetwork } from "../../../support/kafka/group/fake_network.ts";

const LIMITS = { sessionTimeoutMs: 6_000, heartbeatMs: 250 };
const TASKS = Array.from({ length: 8 }, (_, partition) => taskId("keyed", partition));

const TOPOLOGY = {
  epoch: 0,
  subtopologies: [{
    subtopologyId: "keyed",
    sourceTopics: ["orders"],
    changelogTopics: [],
    repartitionSinkTopics: [],
    repartitionSourceTopics: [],
  }],
};

testMembership("a classic group", (random) => {
  const clock = new TestClock();
  const network = new FakeNetwork(clock, random);
  const group = new FakeClassicGroup(clock, new Map([["orders", TASKS.length]]), {
    sessionTimeoutMs: LIMITS.sessionTimeoutMs,
    rebalanceTimeoutMs: LIMITS.sessionTimeoutMs,
  });
  return {
    network,
    tasks: TASKS,
    settlesMs: 4 * LIMITS.sessionTimeoutMs,
    machine: (_, isCut) =>
      new Members({
        machineFor: ({ id, onDisk = () => new Map() }) =>
          new ClassicMachine({
            ...LIMITS,
            groupId: "group",
            instanceId: id,
            topology: TOPOLOGY,
            requestTimeoutMs: 1_500,
            topicCheckMs: 1_000,
            onDisk,
          }),
        linkFor: ({ id }) =>
          network.link((request: ClassicRequest) => group.answer(id, request), isCut),
        clock,
      }),
    commit: ({ memberId, epoch }) => group.commit(memberId, epoch),
  };
}, 100);
