import { assert, assertEquals, assertThrows } from "@std/assert";
import { Buffer } from "node:buffer";
import {
  type ClassicAnswer,
  ClassicMachine,
  type ClassicMemberOptions,
  type ClassicRequest,
  type SentGrant,
  WARM_UP_MS,
} from "../../../../src/connectors/kafka/group/classic_machine.ts";
import { GroupShutdownError, type MembershipEvent } from "../../../../src/group/membership.ts";
import { taskId } from "../../../../src/core/task_id.ts";
import {
  decodeClaim,
  decodeGrant,
  encodeClaim,
  encodeGrant,
  type Grant,
} from "../../../../src/connectors/kafka/group/user_data.ts";

const [A, B] = [0, 1].map((partition) => taskId("keyed", partition));

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

const NO_CLAIM = { owned: new Set<never>(), onDisk: new Map(), round: 0 };

function machine(more: Partial<ClassicMemberOptions> = {}) {
  const it = new ClassicMachine({
    groupId: "app",
    instanceId: "i",
    topology: TOPOLOGY,
    sessionTimeoutMs: 6_000,
    heartbeatMs: 250,
    scoutMs: 250,
    requestTimeoutMs: 1_500,
    topicCheckMs: 1_000,
    onDisk: () => new Map(),
    keepsCopies: false,
    standbysWanted: null,
    ...more,
  });
  const request = (now: number): ClassicRequest => {
    const step = it.decide(now);
    if (step.kind !== "send") throw new Error(`the machine does not send, but: ${step.kind}`);
    return step.request;
  };
  /** Sends what is due now, checks what it is, and has it answered. */
  const answer = (now: number, kind: ClassicRequest["kind"], given: ClassicAnswer) => {
    const sent = request(now);
    assertEquals(sent.kind, kind);
    it.answered(sent, given, now, now);
    return it.holding.takeEvents();
  };
  const done = (errorCode = 0): ClassicAnswer => ({ kind: "done", errorCode });
  const joined = (generation: number, more: { errorCode?: number; leads?: boolean } = {}) => {
    const members = [
      { memberId: "m", instanceId: "i", metadata: Buffer.from(encodeClaim(NO_CLAIM)) },
    ];
    return {
      kind: "join",
      answer: {
        errorCode: more.errorCode ?? 0,
        generation,
        leader: more.leads ? "m" : "other",
        memberId: "m",
        members: more.leads ? members : [],
      },
    } as const;
  };
  const granted = (grant: Partial<Grant>): ClassicAnswer => ({
    kind: "sync",
    errorCode: 0,
    grant: encodeGrant({ tasks: new Set(), owes: false, leads: false, status: null, ...grant }),
  });
  /** Sends the join that is due, and returns what it claims. */
  const claim = (now: number) => {
    const sent = request(now);
    if (sent.kind !== "join") throw new Error(`it does not join, but: ${sent.kind}`);
    return { claim: sent.claim, sent };
  };
  return { it, request, answer, done, joined, granted, claim };
}

/** The message of the event that a member is out for good. */
function messageOf(event: MembershipEvent): string {
  return event.kind === "failed" ? event.error.message : `it has not failed: ${event.kind}`;
}

Deno.test("user data is read as it was written, and that of others is refused", () => {
  const claim = { owned: new Set([A, B]), onDisk: new Map([[B, 7]]), round: 2 };
  const more = { awaits: new Set([A]), standbys: new Set([A, B]) };
  const copies = { ready: new Set([B]), keepsCopies: true, standbysWanted: 0 };
  for (const each of [claim, { ...claim, processId: "node" }, { ...claim, ...more, ...copies }]) {
    assertEquals(decodeClaim(encodeClaim(each)), each);
  }
  const grant = { tasks: new Set([B]), owes: true, leads: false, status: "waits" };
  for (const each of [grant, { ...grant, ...more, warmUps: new Set([B]) }]) {
    assertEquals(decodeGrant(encodeGrant(each)), each);
  }
  for (const text of ['{"version":2}', "not JSON", "null", ""]) {
    assertThrows(() => decodeClaim(Buffer.from(text)), Error, "runs another version of Millrace");
  }
});

Deno.test("a member joins with the id that the group gives it, and runs what it is granted", () => {
  const { it, answer, done, joined, granted } = machine();
  assertEquals(it.token(), null);
  answer(0, "join", joined(-1, { errorCode: 79 }));
  const again = it.decide(0);
  assert(again.kind === "send" && "memberId" in again.request && again.request.memberId === "m");
  answer(0, "join", joined(3));
  assertEquals(answer(0, "sync", granted({ tasks: new Set([A]) })), [
    { kind: "assigned", tasks: new Set([A]) },
  ]);
  assertEquals(it.token(), { memberId: "m", epoch: 3, instanceId: "i" });
  answer(250, "heartbeat", done());
  assertEquals(it.decide(300), { kind: "wait", until: 500 });
});

Deno.test("a group that was ended before a member came may be waited for; one that ends later not", () => {
  const waitsOf = ([event]: MembershipEvent[]) => {
    const error = event.kind === "failed" ? event.error : null;
    if (error instanceof GroupShutdownError) return error.waitMs;
    throw new Error(messageOf(event));
  };
  const late = machine();
  late.answer(0, "join", late.joined(1));
  assertEquals(waitsOf(late.answer(0, "sync", late.granted({ isShutDown: true }))), 6_000);
  const early = machine();
  early.answer(0, "join", early.joined(1));
  early.answer(0, "sync", early.granted({}));
  early.answer(250, "heartbeat", early.done(27));
  early.answer(250, "join", early.joined(2));
  assertEquals(waitsOf(early.answer(250, "sync", early.granted({ isShutDown: true }))), null);
});

Deno.test("the leader counts partitions, and its grants name topics that are not there", () => {
  const { answer, request, joined } = machine();
  answer(0, "join", joined(3, { leads: true }));
  answer(0, "partitions", { kind: "partitions", counts: new Map() });
  const sync = request(0) as ClassicRequest & { grants: readonly SentGrant[] };
  assertEquals(sync.grants.map(({ memberId, grant }) => [memberId, decodeGrant(grant)]), [["m", {
    tasks: new Set(),
    owes: false,
    leads: true,
    status: 'group "app" waits for topics: create them (orders)',
  }]]);
});

Deno.test("the leader joins again when a topic has grown, and grants the new tasks", () => {
  const { answer, request, done, joined, granted } = machine();
  const counted = (count: number) =>
    ({ kind: "partitions", counts: new Map([["orders", count]]) }) as const;
  answer(0, "join", joined(3, { leads: true }));
  answer(0, "partitions", counted(1));
  answer(0, "sync", granted({ tasks: new Set([A]), leads: true }));
  for (const now of [250, 500, 750]) answer(now, "heartbeat", done());
  answer(1_000, "partitions", counted(2));
  answer(1_000, "join", joined(4, { leads: true }));
  const sync = request(1_000) as ClassicRequest & { grants: readonly SentGrant[] };
  assertEquals(sync.grants[0].assigned, [{ topic: "orders", partitions: [0, 1] }]);
});

Deno.test("the leader leaves a task with a state where it runs, until the next member is ready", () => {
  const topology = {
    ...TOPOLOGY,
    subtopologies: [{
      ...TOPOLOGY.subtopologies[0],
      changelogTopics: [{ name: "s", partitions: 0, replicationFactor: 0, configs: [] }],
    }],
  };
  const { request, answer, joined } = machine({ topology });
  const members = [
    { memberId: "m", instanceId: "i", claim: { ...NO_CLAIM, owned: new Set([A, B]) } },
    { memberId: "n", instanceId: "j", claim: { ...NO_CLAIM, keepsCopies: true } },
  ].map(({ claim, ...each }) => ({ ...each, metadata: Buffer.from(encodeClaim(claim)) }));
  const given = joined(3, { leads: true });
  answer(0, "join", { ...given, answer: { ...given.answer, members } });
  answer(0, "partitions", { kind: "partitions", counts: new Map([["orders", 2]]) });
  const sync = request(0) as ClassicRequest & { grants: readonly SentGrant[] };
  const [runs, waits] = sync.grants.map(({ grant }) => decodeGrant(grant));
  assertEquals([runs.tasks, runs.owes, waits.tasks.size], [new Set([A, B]), false, 0]);
  assertEquals([waits.awaits, waits.warmUps, waits.standbys], Array(3).fill(new Set([B])));
});

Deno.test("a member asks for its tasks as soon as it is ready for all of them", () => {
  const { it, answer, joined, granted, claim } = machine({ keepsCopies: true });
  answer(0, "join", joined(3));
  const warmUps = new Set([A, B]);
  assertEquals(answer(0, "sync", granted({ awaits: warmUps, warmUps, standbys: warmUps })), [
    { kind: "standbys", tasks: warmUps },
  ]);
  it.caughtUp(new Set([A]), 100);
  assertEquals(it.decide(100), { kind: "wait", until: 250 });
  it.caughtUp(new Set([A, B]), 200);
  const { claim: its } = claim(200);
  assertEquals([its.ready, its.awaits, its.standbys, its.round], [warmUps, warmUps, warmUps, 1]);
});

Deno.test("a copy that caught up before the group wanted it is told at once, and one that fell back is not", () => {
  const { it, request, answer, joined, granted, claim } = machine({ keepsCopies: true });
  const [warmUps, none] = [new Set([A]), new Set<never>()];
  answer(0, "join", joined(3));
  it.caughtUp(warmUps, 0);
  const wanted = granted({ awaits: warmUps, warmUps, standbys: warmUps });
  answer(0, "sync", wanted);
  assertEquals(claim(0).claim.ready, warmUps);
  answer(0, "join", joined(4));
  it.caughtUp(none, 0); // its process has ended while the group shared the tasks out
  answer(0, "sync", wanted);
  assertEquals(request(250).kind, "heartbeat");
});

Deno.test("a member asks for tasks that it is ready for if others take long", () => {
  const { it, answer, done, joined, granted, claim } = machine({ keepsCopies: true });
  answer(0, "join", joined(3));
  const warmUps = new Set([A, B]);
  answer(0, "sync", granted({ awaits: warmUps, warmUps, standbys: warmUps }));
  it.caughtUp(new Set([A]), 100);
  for (let now = 250; now < 3_100; now += 250) answer(now, "heartbeat", done());
  it.caughtUp(new Set([A]), 3_050); // as it has said
  assertEquals(claim(3_100).claim.ready, new Set([A]));
  // It asks once, even if others get nothing by it.
  answer(3_100, "join", joined(4));
  const rest = new Set([B]);
  answer(3_100, "sync", granted({ tasks: new Set([A]), awaits: rest, warmUps: rest }));
  for (let now = 3_350; now < 20_000; now += 250) answer(now, "heartbeat", done());
});

Deno.test("a member whose copies do not catch up asks for its tasks all the same", () => {
  const { it, answer, done, joined, granted, claim } = machine({ keepsCopies: true });
  answer(0, "join", joined(3));
  const warmUps = new Set([A, B]);
  answer(0, "sync", granted({ awaits: warmUps, warmUps, standbys: warmUps }));
  for (let now = 250; now < WARM_UP_MS; now += 250) answer(now, "heartbeat", done());
  assertEquals(it.holding.owned.size, 0);
  assertEquals(claim(WARM_UP_MS).claim.ready, warmUps);
});

Deno.test("a claim that is repeated has what the disk had, so that the group knows it", () => {
  let offset = 5;
  const { it, joined, claim } = machine({ onDisk: () => new Map([[A, offset++]]) });
  const first = claim(0);
  it.unanswered(first.sent, null, 0);
  const again = claim(500);
  assertEquals(encodeClaim(again.claim), encodeClaim(first.claim));
  it.answered(again.sent, joined(3, { errorCode: 22 }), 500, 500);
  assertEquals(claim(500).claim.onDisk, new Map([[A, 6]]));
});

Deno.test("a member that was granted tasks by a leader of before waits for nothing", () => {
  const { it, answer, done, joined, granted } = machine({ keepsCopies: true });
  answer(0, "join", joined(3));
  answer(0, "sync", granted({ tasks: new Set([A]) }));
  it.caughtUp(new Set([B]), 0);
  answer(250, "heartbeat", done());
});

Deno.test("a member holds new commits while it joins, and joins when those under way are done", () => {
  const { it, answer, done, joined, granted } = machine();
  answer(0, "join", joined(3));
  answer(0, "sync", granted({ tasks: new Set([A]) }));
  it.leases = 1;
  answer(250, "heartbeat", done(27));
  assertEquals([it.decide(250).kind, it.token()], ["wait", null]);
  it.leases = 0;
  answer(260, "join", joined(4));
  assertEquals(it.token()?.epoch, 4); // the broker accepts that before SyncGroup is answered
});

Deno.test("a member that comes back joins again if others wait for its tasks, or if it leads", () => {
  for (const grant of [{ owes: true }, { leads: true }]) {
    const { it, answer, request, joined, granted } = machine();
    answer(0, "join", joined(3));
    answer(0, "sync", granted({ tasks: new Set([A]), ...grant }));
    const again = request(0);
    assert(again.kind === "join" && again.claim.round === 1, again.kind);
    assertEquals(it.holding.owned, new Set([A]));
  }
});

for (const code of [22, 25]) {
  Deno.test(`a member that is expelled with ${code} loses its tasks and joins as a new one`, () => {
    const { answer, request, done, joined, granted } = machine();
    answer(0, "join", joined(3));
    answer(0, "sync", granted({ tasks: new Set([A]) }));
    const [{ kind }] = answer(250, "heartbeat", done(code));
    assertEquals(kind, "lost");
    const again = request(250);
    assert(again.kind === "join" && again.memberId === "", again.kind);
  });
}

Deno.test("a member that hears nothing drops its tasks when its session ends, also while it joins", () => {
  const { it, answer, done, joined, granted } = machine();
  answer(0, "join", joined(3));
  answer(0, "sync", granted({ tasks: new Set([A]) }));
  answer(250, "heartbeat", done());
  answer(500, "heartbeat", done(27));
  const step = it.decide(500);
  if (step.kind !== "send") throw new Error(`the machine does not send, but: ${step.kind}`);
  assertEquals([step.request.kind, step.until], ["join", 6_250]);
  it.unanswered(step.request, null, 6_250);
  it.decide(6_250);
  assertEquals(it.holding.takeEvents().map(({ kind }) => kind), ["lost"]);
});

Deno.test("a member that is replaced joins again once, and then says that there is another", () => {
  const { answer, done, joined, granted } = machine();
  answer(0, "join", joined(3));
  answer(0, "sync", granted({ tasks: new Set([A]) }));
  assertEquals(answer(250, "heartbeat", done(82)).map(({ kind }) => kind), ["lost"]);
  answer(250, "join", joined(4));
  answer(250, "sync", granted({ tasks: new Set([A]) }));
  const [, failed] = answer(500, "heartbeat", done(82));
  assert(messageOf(failed).includes("a copy of the same disk?"), messageOf(failed));
});

Deno.test("a leader that meets another program in its group fails, and leaves", () => {
  const { it, answer, joined, request } = machine();
  const { answer: fine } = joined(3, { leads: true });
  const members = [{ memberId: "x", instanceId: null, metadata: Buffer.from("?") }];
  const [failed] = answer(0, "join", { kind: "join", answer: { ...fine, members } });
  assert(messageOf(failed).includes("another program"), messageOf(failed));
  assertEquals(request(0).kind, "leave");
  it.unanswered(request(0), null, 0);
  assertEquals(it.decide(0), { kind: "over" });
});
