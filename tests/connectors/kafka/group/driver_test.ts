import { assert, assertEquals, assertRejects } from "@std/assert";
import { MemberDriver } from "../../../../src/connectors/kafka/group/driver.ts";
import { Holding } from "../../../../src/connectors/kafka/group/holding.ts";
import type { Machine } from "../../../../src/connectors/kafka/group/machine.ts";
import { Pace } from "../../../../src/connectors/kafka/group/pace.ts";
import { type MembershipEvent, MembershipLostError } from "../../../../src/group/membership.ts";
import {
  type StreamsAnswer,
  StreamsMachine,
  type StreamsRequest,
} from "../../../../src/connectors/kafka/group/streams_machine.ts";
import { taskId } from "../../../../src/core/task_id.ts";
import { toWire } from "../../../../src/connectors/kafka/group/tasks.ts";
import { pass } from "../../../support/group/scene.ts";
import { TestClock } from "../../../support/clock/test_clock.ts";

const [A, B] = [0, 1].map((partition) => taskId("keyed", partition));

/** A member whose group answers what a test says; `null` never. */
function member(
  answerTo: (epoch: number) => Partial<{ errorCode: number; tasks: string[] }> | null,
) {
  const clock = new TestClock();
  const events: MembershipEvent[] = [];
  const epochs: number[] = [];
  let drops = 0;
  const it = new MemberDriver<StreamsRequest, StreamsAnswer>({
    machine: new StreamsMachine({
      groupId: "app",
      memberId: "m",
      processId: "p",
      topology: { epoch: 0, subtopologies: [] },
      sessionTimeoutMs: 10_000,
      rebalanceTimeoutMs: 10_000,
      heartbeatMs: 200,
      scoutMs: 200,
      requestTimeoutMs: 1_000,
    }),
    send: (request) => {
      if (request.kind !== "heartbeat") throw new Error("this test has no description");
      const { memberEpoch } = request.heartbeat;
      epochs.push(memberEpoch);
      const answer = answerTo(memberEpoch);
      if (answer === null) return new Promise(() => {});
      const { errorCode = 0, tasks } = answer;
      return Promise.resolve({
        kind: "heartbeat",
        answer: {
          errorCode,
          errorMessage: null,
          memberEpoch: 7,
          heartbeatIntervalMs: 5_000,
          status: [],
          activeTasks: tasks === undefined ? null : toWire(tasks as typeof A[]),
          standbyTasks: null,
        },
      });
    },
    dropConnection: () => drops++,
    isFatal: () => false,
    clock,
    onEvent: (event) => events.push(event),
    onHeard: () => {},
    onOver: () => {},
  });
  return { it, clock, events, epochs, drops: () => drops };
}

Deno.test("a member sends heartbeats on its clock, and stops without leaving", async () => {
  const { it, clock, epochs, events } = member((epoch) => epoch === 0 ? { tasks: [A] } : {});
  await pass(clock, 500);
  assertEquals(events, [{ kind: "assigned", tasks: new Set([A]) }]);
  assertEquals(epochs, [0, 7, 7]);
  await it.stop();
  assertEquals(clock.sleeps, []);
  assertEquals(epochs, [0, 7, 7]);
});

Deno.test("a member that leaves says so at once, and waits no longer than 2 s for the answer", async () => {
  const { it, clock, epochs } = member((epoch) => epoch === -1 ? null : { tasks: [A] });
  await pass(clock, 100);
  let isOver = false;
  const left = it.leave().then(() => isOver = true);
  await pass(clock, 900);
  assertEquals([epochs.at(-1), isOver], [-1, false]);
  await pass(clock, 1_100);
  assert(isOver);
  await left;
});

Deno.test("a request without an answer in time drops its connection", async () => {
  const { it, clock, drops } = member(() => null);
  await pass(clock, 1_100);
  assertEquals(drops(), 1);
  await it.stop();
});

Deno.test("what a member gives up is told to the group at once, after the call has returned", async () => {
  let told = [A, B];
  const { it, clock, epochs, events } = member(() => ({ tasks: told }));
  await pass(clock, 100);
  told = [A];
  await pass(clock, 200);
  assertEquals(events.map(({ kind }) => kind), ["assigned", "revoke"]);
  const before = epochs.length;
  it.acknowledge([A]);
  assertEquals([epochs.length, it.owned], [before, new Set([A])]);
  await pass(clock, 1);
  assertEquals(epochs.length, before + 1);
  await it.stop();
});

Deno.test("a member that stops tells first what it has given up, and waits no longer than 2 s", async () => {
  for (const isHeard of [true, false]) {
    let told: string[] | null = [A, B];
    const { it, clock, epochs } = member(() => told === null ? null : { tasks: told });
    await pass(clock, 100);
    told = [A];
    await pass(clock, 200);
    it.acknowledge([A]);
    if (!isHeard) told = null;
    const before = epochs.length;
    let isOver = false;
    const stopped = it.stop().then(() => isOver = true);
    await pass(clock, 1);
    assertEquals([epochs.length, isOver], [before + 1, isHeard]);
    await pass(clock, 2_000);
    await stopped;
  }
});

Deno.test("a token has what the member owns, and one that waits is refused after a loss", async () => {
  let answers: "fine" | "expelled" = "fine";
  const { it, clock, events } = member((epoch) => {
    if (epoch === 0) return answers === "expelled" ? null : { tasks: [A] };
    return answers === "expelled" ? { errorCode: 110 } : {};
  });
  await pass(clock, 100);
  {
    using token = await it.token();
    assertEquals([token.memberId, token.epoch, token.owned], ["m", 7, new Set([A])]);
  }
  answers = "expelled";
  await pass(clock, 300); // expelled, and its join is not answered
  const early = it.token(); // of one that owns nothing: it gets a token when it is in again
  answers = "fine";
  await pass(clock, 2_000);
  assertEquals(events.map(({ kind }) => kind), ["assigned", "lost", "assigned"]);
  (await early)[Symbol.dispose]();
  await it.stop();
  await assertRejects(() => it.token(), MembershipLostError, "do not commit");
});

Deno.test("a commit that waits for a rebalance is refused if the tasks are lost, even if they come back", async () => {
  const clock = new TestClock();
  const holding = new Holding();
  let identity: ReturnType<Machine<string, string>["token"]> = null;
  const machine: Machine<string, string> = {
    holding,
    leases: 0,
    decide: () => ({ kind: "wait", until: clock.at + 100 }),
    answered: () => {},
    unanswered: () => {},
    acknowledged: () => {},
    caughtUp: () => {},
    isReleasing: false,
    token: () => identity,
    leave: () => {},
    dismiss: () => {},
    shutDown: () => {},
    pace: new Pace({ heartbeatMs: 200, scoutMs: 200 }),
    heard: 0,
    hurry: () => {},
  };
  holding.told(new Set([A]));
  const it = new MemberDriver({
    machine,
    send: () => Promise.resolve(""),
    dropConnection: () => {},
    isFatal: () => false,
    clock,
    onEvent: () => {},
    onHeard: () => {},
    onOver: () => {},
  });
  const refused = assertRejects(() => it.token(), MembershipLostError, "do not commit");
  await pass(clock, 150);
  holding.lose("silent");
  holding.told(new Set([A]));
  identity = { memberId: "m", epoch: 8, instanceId: null };
  await pass(clock, 150);
  await refused;
  using token = await it.token();
  assertEquals([token.epoch, machine.leases], [8, 1]);
  await it.stop();
});
