import { assertEquals } from "@std/assert";
import type { GroupLink } from "../../../../src/connectors/kafka/group/members.ts";
import { Members } from "../../../../src/connectors/kafka/group/members.ts";
import {
  type StreamsAnswer,
  StreamsMachine,
  type StreamsRequest,
} from "../../../../src/connectors/kafka/group/streams_machine.ts";
import { TestClock } from "../../../support/clock/test_clock.ts";

/** Answers each request, and counts how often it is closed. */
class CountingLink implements GroupLink<StreamsRequest, StreamsAnswer> {
  closed = 0;

  send(request: StreamsRequest): Promise<StreamsAnswer> {
    if (request.kind !== "heartbeat") throw new Error("this test has no description");
    const { memberEpoch } = request.heartbeat;
    return Promise.resolve({
      kind: "heartbeat",
      answer: {
        errorCode: 0,
        errorMessage: null,
        memberEpoch: memberEpoch < 0 ? memberEpoch : 7,
        heartbeatIntervalMs: 5_000,
        status: [],
        activeTasks: memberEpoch === 0 ? [] : null,
        standbyTasks: null,
      },
    });
  }

  drop(): void {}

  isFatal(): boolean {
    return false;
  }

  close(): Promise<void> {
    this.closed++;
    return Promise.resolve();
  }
}

function membersWith(ownLinks: boolean) {
  const links: CountingLink[] = [];
  const shared = new CountingLink();
  const members = new Members<StreamsRequest, StreamsAnswer>({
    sessionTimeoutMs: 10_000,
    machineFor: ({ id }) =>
      new StreamsMachine({
        groupId: "app",
        memberId: id,
        processId: "p",
        topology: { epoch: 0, subtopologies: [] },
        sessionTimeoutMs: 10_000,
        rebalanceTimeoutMs: 10_000,
        heartbeatMs: 200,
        scoutMs: 200,
        requestTimeoutMs: 1_000,
      }),
    linkFor: () => {
      if (!ownLinks) return shared;
      links.push(new CountingLink());
      return links.at(-1)!;
    },
    ownLinks,
    clock: new TestClock(),
  });
  const join = () => members.join({ id: "m", onEvent: () => {} });
  return { members, join, links, shared };
}

Deno.test("a member that comes and goes leaves no link of its own open", async () => {
  const { members, join, links } = membersWith(true);
  await join().leave();
  await join().stop();
  assertEquals(links.map(({ closed }) => closed), [1, 1]);
  join();
  await members.close();
  assertEquals(links.map(({ closed }) => closed), [1, 1, 1]);
});

Deno.test("a link that members share stays open until all are closed", async () => {
  const { members, join, shared } = membersWith(false);
  await join().leave();
  assertEquals(shared.closed, 0);
  await join().stop();
  await members.close();
  assertEquals(shared.closed, 1);
});
