/** The suite of memberships on a streams group in memory. */
import {
  StreamsMachine,
  type StreamsRequest,
} from "../../../../src/connectors/kafka/group/streams_machine.ts";
import { Members } from "../../../../src/connectors/kafka/group/members.ts";
import { taskId } from "../../../../src/core/task_id.ts";
import { testMembership } from "../../../conformance/membership.ts";
import { TestClock } from "../../../support/clock/test_clock.ts";
import { FakeNetwork } from "../../../support/kafka/group/fake_network.ts";
import { FakeStreamsGroup } from "../../../support/kafka/group/fake_streams_group.ts";

const SESSION_MS = 10_000;
const TASKS = Array.from({ length: 8 }, (_, partition) => taskId("keyed", partition));

testMembership("a streams group", (random) => {
  const clock = new TestClock();
  const network = new FakeNetwork(clock, random);
  const group = new FakeStreamsGroup(clock, TASKS, SESSION_MS);
  return {
    network,
    tasks: TASKS,
    settlesMs: 2 * SESSION_MS,
    machine: (name, isCut) =>
      new Members({
        machineFor: ({ id }) =>
          new StreamsMachine({
            groupId: "group",
            memberId: id,
            processId: name,
            topology: { epoch: 0, subtopologies: [] },
            sessionTimeoutMs: SESSION_MS,
            rebalanceTimeoutMs: SESSION_MS,
            heartbeatMs: 200,
            requestTimeoutMs: 2_000,
          }),
        linkFor: () => network.link((request: StreamsRequest) => group.answer(request), isCut),
        clock,
      }),
    commit: ({ memberId, epoch }, tasks) => group.commit(memberId, epoch, tasks),
  };
}, 100);
