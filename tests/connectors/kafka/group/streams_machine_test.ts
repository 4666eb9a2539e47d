import { assert, assertEquals } from "@std/assert";
import {
  StreamsMachine,
  type StreamsRequest,
} from "../../../../src/connectors/kafka/group/streams_machine.ts";
import { GroupShutdownError, type MembershipEvent } from "../../../../src/group/membership.ts";
import { type TaskId, taskId } from "../../../../src/core/task_id.ts";
import { toWire } from "../../../../src/connectors/kafka/group/tasks.ts";
import type { StreamsHeartbeatAnswer } from "../../../../src/connectors/kafka/wire/streams_group_heartbeat.ts";

const [A, B] = [0, 1].map((partition) => taskId("keyed", partition));

const TOPOLOGY = { epoch: 3, subtopologies: [] };

const FINE: StreamsHeartbeatAnswer = {
  errorCode: 0,
  errorMessage: null,
  memberEpoch: 5,
  heartbeatIntervalMs: 5_000,
  status: [],
  activeTasks: null,
  standbyTasks: null,
};

/** The message of the event that a member is out for good. */
function messageOf(event: MembershipEvent): string {
  return event.kind === "failed" ? event.error.message : `it has not failed: ${event.kind}`;
}

/** A machine, on a clock that each call sets. */
function machine({ awaits = false } = {}) {
  const it = new StreamsMachine({
    groupId: "app",
    memberId: "m",
    processId: "p",
    topology: TOPOLOGY,
    sessionTimeoutMs: 45_000,
    rebalanceTimeoutMs: 60_000,
    heartbeatMs: 200,
    scoutMs: 200,
    requestTimeoutMs: 2_000,
    awaits,
  });
  const request = (now: number): StreamsRequest => {
    const step = it.decide(now);
    if (step.kind !== "send") throw new Error(`the machine does not send, but: ${step.kind}`);
    return step.request;
  };
  const heartbeat = (now: number) => {
    const sent = request(now);
    if (sent.kind !== "heartbeat") throw new Error(`the machine does not beat, but: ${sent.kind}`);
    return sent.heartbeat;
  };
  return {
    it,
    request,
    heartbeat,
    /** Sends what is due now, and has it answered. */
    beat: (now: number, answer: Partial<StreamsHeartbeatAnswer> = {}) => {
      const sent = { kind: "heartbeat", heartbeat: heartbeat(now) } as const;
      it.answered(sent, { kind: "heartbeat", answer: { ...FINE, ...answer } }, now, now);
      return it.holding.takeEvents();
    },
    /** Sends what is due now, and never has an answer. */
    lose: (now: number) => it.unanswered(request(now), null, now),
  };
}

Deno.test("a member joins with its topology, then tells all that it owns", () => {
  const { heartbeat, beat } = machine();
  const { memberEpoch, topology, activeTasks, processId } = heartbeat(0);
  assertEquals([memberEpoch, topology, activeTasks, processId], [0, TOPOLOGY, [], "p"]);
  assertEquals(beat(0, { activeTasks: toWire([A]) }), [
    { kind: "assigned", tasks: new Set([A]) },
  ]);
  const next = heartbeat(200);
  assertEquals([next.memberEpoch, next.topology, next.activeTasks], [5, null, toWire([A])]);
});

Deno.test("a member whose answer was lost asks for the group's description, and does what it says", () => {
  const { it, beat, lose, request, heartbeat } = machine();
  beat(0, { activeTasks: toWire([A]) });
  lose(200);
  assertEquals(heartbeat(700).activeTasks, toWire([A])); // it does not say that it owns nothing
  beat(700);
  const look = request(700);
  assertEquals(look, { kind: "describe", groupId: "app", memberId: "m" });
  const member = {
    memberEpoch: 6,
    activeTasks: toWire([B]),
    standbyTasks: [],
    targetTasks: toWire([B]),
    members: 1,
  };
  it.answered(look, { kind: "described", member }, 700, 710);
  assertEquals(it.holding.takeEvents(), [
    { kind: "revoke", tasks: new Set([A]) },
    { kind: "assigned", tasks: new Set([B]) },
  ]);
  assertEquals(it.token()?.epoch, 6);
  beat(1_000, { memberEpoch: 6 });
  assertEquals(it.decide(1_100).kind, "wait");
  beat(2_400, { memberEpoch: 6 }); // no lost request can be under way any longer
  assertEquals(request(2_400).kind, "describe");
});

Deno.test("a member keeps the copies that it is told to, and says so at once", () => {
  const { beat, heartbeat, it } = machine();
  assertEquals(beat(0, { activeTasks: toWire([A]), standbyTasks: toWire([B]) }), [
    { kind: "standbys", tasks: new Set([B]) },
    { kind: "assigned", tasks: new Set([A]) },
  ]);
  const { activeTasks, standbyTasks } = heartbeat(200);
  assertEquals([activeTasks, standbyTasks], [toWire([A]), toWire([B])]);
  assertEquals(beat(200), []);
  // Another machine is gone: the task of which there is a copy comes here.
  assertEquals(beat(400, { activeTasks: toWire([A, B]), standbyTasks: [] }), [
    { kind: "standbys", tasks: new Set() },
    { kind: "assigned", tasks: new Set([B]) },
  ]);
  assertEquals(heartbeat(600).standbyTasks, []);
  assertEquals(it.holding.isRevoking, false);
});

Deno.test("a member whose answer was lost hears of its copies from the description", () => {
  const { it, beat, lose, request } = machine();
  beat(0, { activeTasks: toWire([A]) });
  lose(200);
  beat(700);
  const member = {
    memberEpoch: 5,
    activeTasks: toWire([A]),
    standbyTasks: toWire([B]),
    targetTasks: toWire([A]),
    members: 1,
  };
  it.answered(request(700), { kind: "described", member }, 700, 710);
  assertEquals(it.holding.takeEvents(), [{ kind: "standbys", tasks: new Set([B]) }]);
});

Deno.test("a member that is expelled joins without its copies, and keeps them", () => {
  const { beat, heartbeat, it } = machine();
  beat(0, { activeTasks: [], standbyTasks: toWire([B]) });
  assertEquals(beat(200, { errorCode: 25 }), []);
  assertEquals(heartbeat(200).standbyTasks, undefined);
  assertEquals(it.holding.standbys, new Set([B]));
  assertEquals(beat(200, { activeTasks: [], standbyTasks: toWire([B]) }), []);
  assertEquals(heartbeat(400).standbyTasks, toWire([B]));
});

Deno.test("a member asks nothing while a lost request may be late, whatever happens", () => {
  const { it, beat, lose, heartbeat } = machine();
  beat(0, { activeTasks: toWire([A, B]) });
  beat(200, { activeTasks: toWire([A]) });
  lose(400);
  it.acknowledged(it.holding.acknowledged([A]), 410);
  assertEquals(it.decide(420).kind, "wait");
  it.hurry(Infinity, 500);
  assertEquals(it.decide(899).kind, "wait");
  assertEquals(heartbeat(900).activeTasks, toWire([A]));
});

Deno.test("a member that an answer skips an epoch of looks at the group too", () => {
  const { beat, request } = machine();
  beat(0, { activeTasks: [] });
  beat(200, { memberEpoch: 6 });
  assertEquals(request(200).kind, "describe");
});

for (const code of [25, 110]) {
  Deno.test(`a member that is expelled with ${code} loses its tasks and joins again at once`, () => {
    const { beat, heartbeat } = machine();
    beat(0, { activeTasks: toWire([A]) });
    const [lost, ...rest] = beat(200, { errorCode: code, errorMessage: "gone" });
    assertEquals([lost.kind, rest], ["lost", []]);
    assertEquals(heartbeat(200).memberEpoch, 0);
  });
}

for (const code of [14, 15, 16]) {
  Deno.test(`a member whose coordinator moves (${code}) keeps its tasks and asks again`, () => {
    const { it, beat, heartbeat } = machine();
    beat(0, { activeTasks: toWire([A]) });
    assertEquals(beat(200, { errorCode: code }), []);
    assertEquals(it.decide(250), { kind: "wait", until: 300 });
    assertEquals(heartbeat(300).activeTasks, toWire([A]));
  });
}

Deno.test("a member that hears nothing drops its tasks when its session ends", () => {
  const { it, beat, lose } = machine();
  beat(0, { activeTasks: toWire([A]) });
  for (let now = 200; now < 45_000; now += 2_100) lose(now);
  assertEquals(it.holding.takeEvents(), []);
  it.decide(45_000);
  const [{ kind }] = it.holding.takeEvents();
  assertEquals(kind, "lost");
  assertEquals(it.token(), null);
});

Deno.test("a member that cannot say in time that it has given tasks up drops all of them", () => {
  const { it, beat } = machine();
  beat(0, { activeTasks: toWire([A, B]) });
  beat(200, { activeTasks: toWire([A]) });
  for (let now = 400; now < 60_000; now += 200) beat(now); // the worker does not answer
  it.decide(60_000);
  assertEquals(it.holding.takeEvents().map(({ kind }) => kind), ["lost"]);
});

const CURES: Record<number, string> = {
  1: 'group "app" waits for topics that it reads: create them (orders)',
  2: 'group "app" has topics whose numbers of partitions do not fit: delete the flow\'s own ' +
    "topics that differ (orders)",
  3: 'group "app" waits for its own topics, which the broker creates: does the user have CREATE ' +
    "on them? (orders)",
  5: 'group "app" waits for more members before it assigns tasks ' +
    "(streams.initial.rebalance.delay.ms) (orders)",
};

for (const [code, text] of Object.entries(CURES)) {
  Deno.test(`status ${code} is an event with its cure, and another one ends it`, () => {
    const { beat } = machine();
    const status = [{ code: Number(code), detail: "orders" }];
    const isUsual = code === "5" ? { isUsual: true } : {}; // each group that begins waits
    assertEquals(beat(0, { activeTasks: [], status }), [{ kind: "status", text, ...isUsual }]);
    assertEquals(beat(200), [{ kind: "status", text: null }]);
    const both = [...status, { code: 1, detail: "" }];
    const [event] = beat(400, { status: both });
    assert(event.kind === "status" && event.isUsual === undefined, "one of two is not usual");
  });
}

Deno.test("a group that was ended before a member came may be waited for; one that ends later not", () => {
  const status = [{ code: 4, detail: "" }];
  const waitsOf = ([event]: MembershipEvent[]) => {
    const error = event.kind === "failed" ? event.error : null;
    if (error instanceof GroupShutdownError) return error.waitMs;
    throw new Error(messageOf(event));
  };
  const late = machine();
  assertEquals(waitsOf(late.beat(0, { status })), 45_000);
  const early = machine();
  early.beat(0);
  assertEquals(waitsOf(early.beat(200, { status })), null);
  const back = machine();
  back.beat(0);
  back.beat(200, { errorCode: 25 });
  assertEquals(waitsOf(back.beat(200, { status })), null); // it was there when it ended
});

for (const [code, text] of [[0, "runs a newer topology"], [4, "was shut down"]] as const) {
  Deno.test(`status ${code} ends the membership, and its tasks never start`, () => {
    const { it, beat, heartbeat } = machine();
    const activeTasks = toWire([A]);
    const [failed, ...rest] = beat(0, { activeTasks, status: [{ code, detail: "" }] });
    assert(messageOf(failed).includes(text), messageOf(failed));
    assertEquals(rest, []);
    const leave = { kind: "heartbeat", heartbeat: heartbeat(0) } as const;
    assertEquals(leave.heartbeat.memberEpoch, -1);
    it.answered(leave, { kind: "heartbeat", answer: FINE }, 0, 0);
    assertEquals(it.decide(1), { kind: "over" });
  });
}

Deno.test("an error that no attempt can cure ends the membership with what to do", () => {
  for (const [code, cure] of [[42, "choose another group"], [30, "allow READ"]] as const) {
    const { it, beat } = machine();
    const [failed] = beat(0, { errorCode: code, errorMessage: "no" });
    assert(messageOf(failed).startsWith('group "app" refuses the member (no)'));
    assert(messageOf(failed).includes(cure), messageOf(failed));
    assertEquals(it.decide(0), { kind: "over" });
  }
});

Deno.test("a member that has joined looks which tasks it is to get, until it has them", () => {
  const { it, beat, request, member: described } = newcomer();
  assertEquals(beat(0, { activeTasks: [] }), []);
  assertEquals(described(0, [A, B]), [{ kind: "awaited", tasks: new Set([A, B]) }]);
  beat(200);
  beat(400, { activeTasks: toWire([A]) });
  assertEquals(it.holding.awaited, new Set([B]));
  beat(600);
  beat(800);
  assertEquals(described(1_000, [A, B], [A]), []);
  assertEquals(request(1_200).kind, "heartbeat");
  // Another epoch may have another target.
  assertEquals(beat(1_200, { memberEpoch: 6 }), []);
  assertEquals(described(1_200, [A], [A], 6), [{ kind: "awaited", tasks: new Set() }]);
});

Deno.test("a member looks seldom in a large group, and after a while no more", () => {
  const { it, beat, member: described } = newcomer();
  beat(0, { activeTasks: [] });
  described(0, [], [], 5, 1_000); // each 20 s
  const looks: number[] = [];
  for (let now = 100; now < 120_000; now += 100) {
    const step = it.decide(now);
    if (step.kind !== "send") continue;
    if (step.request.kind === "heartbeat") beat(now);
    else {
      looks.push(now);
      described(now, [], [], 5, 1_000);
    }
  }
  assertEquals(looks, [20_000, 40_000]);
});

Deno.test("looks at the target do not put off heartbeats", () => {
  const { it, beat, member: described } = newcomer();
  it.pace.isScout = false; // it beats each 5 s only, as the broker wants
  beat(0, { activeTasks: [] });
  described(0, [A]);
  const beats: number[] = [];
  for (let now = 100; now < 40_000; now += 100) {
    const step = it.decide(now);
    if (step.kind !== "send") continue;
    if (step.request.kind === "describe") described(now, [A]);
    else {
      beat(now);
      beats.push(now);
    }
  }
  assertEquals(beats.slice(-3), [25_100, 30_100, 35_100]);
});

Deno.test("a look at the target that fails costs the member nothing", () => {
  const { it, beat, request, member: described } = newcomer();
  beat(0, { activeTasks: toWire([A]) });
  for (let now = 0; now < 50_000; now += 100) {
    const step = it.decide(now);
    if (step.kind !== "send") continue;
    if (step.request.kind === "heartbeat") beat(now);
    else it.unanswered(step.request, now % 2_000 === 0 ? new Error("denied") : null, now);
  }
  assertEquals(it.holding.owned, new Set([A]));
  assertEquals(it.holding.takeEvents(), []);
  // One that it needs, as an answer was lost, is repeated after a heartbeat.
  it.hurry(6, 50_000);
  beat(50_000, { memberEpoch: 6 });
  it.unanswered(request(50_000), null, 50_000);
  beat(50_500, { memberEpoch: 6 });
  assertEquals(described(50_500, [A, B], [A], 6), [{ kind: "awaited", tasks: new Set([B]) }]);
});

Deno.test("a member that is not to look never does", () => {
  const { it, beat } = machine();
  beat(0, { activeTasks: [] });
  for (let now = 100; now < 60_000; now += 100) if (it.decide(now).kind === "send") beat(now);
});

Deno.test("a lost answer, and a look at the target, make one look after a heartbeat", () => {
  const { it, beat, lose, request, member: described } = newcomer();
  beat(0, { activeTasks: [] });
  described(0, [A]);
  beat(200);
  lose(400);
  assertEquals(it.decide(500).kind, "wait"); // the lost request may be late
  assertEquals(beat(900), []);
  assertEquals(described(900, [A], [A]), [
    { kind: "assigned", tasks: new Set([A]) },
    { kind: "awaited", tasks: new Set() },
  ]);
  assertEquals(request(1_100).kind, "heartbeat");
});

/** A machine that looks for its target. */
function newcomer() {
  const world = machine({ awaits: true });
  return {
    ...world,
    /** Has it described now, as a member of a group with as many others. */
    member: (
      now: number,
      target: TaskId[],
      active: TaskId[] = [],
      memberEpoch = 5,
      members = 2,
    ): MembershipEvent[] => {
      const sent = world.request(now);
      assertEquals(sent.kind, "describe");
      const member = {
        memberEpoch,
        activeTasks: toWire(active),
        standbyTasks: [],
        targetTasks: toWire(target),
        members,
      };
      world.it.answered(sent, { kind: "described", member }, now, now);
      return world.it.holding.takeEvents();
    },
  };
}
