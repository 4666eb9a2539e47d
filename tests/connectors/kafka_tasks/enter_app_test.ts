import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import {
  confirmEntered,
  enterApp,
  type EnterOptions,
} from "../../../src/connectors/kafka_tasks/enter_app.ts";
import { TaskLogError } from "../../../src/connectors/kafka_tasks/task_log_error.ts";
import { UsageError } from "../../../src/core/errors.ts";
import type { Clock } from "../../../src/core/clock.ts";
import { createLog, silentLog } from "../../../src/core/log.ts";
import { taskId } from "../../../src/core/task_id.ts";
import { recordingLog } from "../../support/recording_log.ts";
import { Random } from "../../support/values/random.ts";
import { JumpingClock } from "../../support/clock/jumping_clock.ts";
import { layout, MemoryApp } from "../../support/group/memory_app.ts";
import { setImmediate } from "node:timers/promises";

const ONE = layout("00000001");
const TWO = layout("00000002", { keyed: ["sum", "count"] });

async function enter(store: MemoryApp, options: Partial<EnterOptions> = {}) {
  const { groupId, protocol } = await enterGroup(store, options);
  return { groupId, protocol };
}

async function enterGroup(store: MemoryApp, options: Partial<EnterOptions> = {}) {
  return await enterApp({
    app: store.app,
    topology: ONE,
    protocol: "auto",
    offered: () => Promise.resolve("streams"),
    drops: [],
    waits: false,
    store,
    log: silentLog,
    signal: new AbortController().signal,
    clock: new JumpingClock(),
    ...options,
  });
}

async function refusal(store: MemoryApp, options: Partial<EnterOptions>): Promise<string> {
  return (await assertRejects(() => enter(store, options), TaskLogError)).message;
}

/** Has members come, which have seen that the app is theirs. */
async function run(store: MemoryApp, members: number): Promise<void> {
  const { generation, protocol } = store.control.group!;
  store.join(generation, members);
  const groupId = `${store.app}.${generation}`;
  await confirmEntered({ ...ONE, protocol, groupId }, { app: store.app, store });
}

Deno.test("the first machine says what an app is, and the others follow it", async () => {
  const store = new MemoryApp();
  assertEquals(await enter(store), { groupId: "orders.1", protocol: "streams" });
  store.join(1, 4);
  const offered = () => Promise.resolve("classic"); // as an older broker would
  assertEquals(await enter(store, { offered }), { groupId: "orders.1", protocol: "streams" });
});

Deno.test("other shards are refused, also if nobody runs the app", async () => {
  const store = new MemoryApp();
  await enter(store);
  const topology = layout("00000009", { shards: 8 });
  const refused = await assertRejects(() => enter(store, { topology }), UsageError);
  assertStringIncludes(
    refused.message,
    'group "orders" has 4 shards, and this machine was started with 8: use --shards 4, as their ' +
      "number never changes",
  );
});

Deno.test("another layout waits for a stop of all machines, and the error names what differs", async () => {
  const store = new MemoryApp();
  await enter(store);
  store.join(1, 3);
  const text = await refusal(store, { topology: TWO });
  assertStringIncludes(text, 'group "orders" runs with 3 members in generation 1');
  assertStringIncludes(text, 'step "count" is new; exchange "count" is new');
  assertStringIncludes(text, "stop all machines, and then start them again (with --wait, ");
  assertStringIncludes(text, "stays a member until its session ends (7 s)"); // as the brokers say
  assertEquals(store.control.group!.hash, ONE.hash);

  store.join(1, -3);
  assertEquals(await enter(store, { topology: TWO }), {
    groupId: "orders.2",
    protocol: "streams",
  });
  assertEquals(store.control.group!.hash, TWO.hash);
});

Deno.test("with --wait, a machine waits until the others are gone, and says so once", async () => {
  const store = new MemoryApp();
  await enter(store);
  await run(store, 2);
  const lines: string[] = [];
  const log = createLog((_, message) => void lines.push(message));
  let looks = 0;
  store.turn = () => {
    if (++looks === 9) store.join(1, -2);
    return Promise.resolve();
  };
  const { groupId } = await enter(store, { topology: TWO, waits: true, log });
  assertEquals(groupId, "orders.2");
  const waits = lines.filter((line) => line.startsWith("waiting until no machine runs the app"));
  assertEquals(waits.length, 1);
});

Deno.test("with --wait, a flow that would be refused is so at once", async () => {
  const store = new MemoryApp();
  await enter(store, { topology: TWO });
  store.join(1, 3);
  for (const waits of [true, false]) {
    const text = await refusal(store, { topology: ONE, waits });
    assertStringIncludes(text, 'group "orders" runs with 3 members in generation 1');
    assertStringIncludes(
      text,
      '.\nThis flow would be refused then too:\ngroup "orders" cannot run this flow:\n' +
        'step "count" is not in this flow: give it its id back, or start with --drop-step count',
    );
  }
  store.join(1, -3);
  await enter(store, { topology: ONE, drops: ["count"] });
  store.join(2, 1);
  assertStringIncludes(
    await refusal(store, { topology: TWO, waits: true }),
    'step "count" was dropped from group "orders"',
  );
});

Deno.test("a change is logged with what changes: the layout, the protocol or both", async () => {
  const store = new MemoryApp();
  await enter(store);
  const changes: unknown[] = [];
  const log = createLog((_, message, fields) => {
    if (fields?.changes !== undefined) changes.push([message, fields.changes]);
  });
  await enter(store, { protocol: "classic", log });
  await enter(store, { topology: TWO, log });
  await enter(store, { topology: ONE, protocol: "streams", drops: ["count"], log });
  assertEquals(changes, [
    ["the app has another protocol now", "its protocol is classic instead of streams"],
    ["the app has another layout now", 'step "count" is new; exchange "count" is new'],
    [
      "the app has another layout now",
      'step "count" is gone; exchange "count" is gone; its protocol is streams instead of classic',
    ],
  ]);
});

Deno.test("a wait ends with its signal", async () => {
  const store = new MemoryApp();
  await enter(store);
  store.join(1, 2);
  const ended = new AbortController();
  let looks = 0;
  store.turn = () => {
    if (++looks === 9) ended.abort(new Error("stopped"));
    return Promise.resolve();
  };
  await assertRejects(
    () => enter(store, { topology: TWO, waits: true, signal: ended.signal }),
    Error,
    "stopped",
  );
});

Deno.test("a protocol is switched by another group, once nobody runs the app", async () => {
  const store = new MemoryApp();
  await enter(store);
  store.join(1, 1);
  assertStringIncludes(
    await refusal(store, { protocol: "classic" }),
    "by the protocol streams, and this machine has --protocol classic: use --protocol streams, or " +
      "to switch, stop all machines",
  );
  store.join(1, -1);
  assertEquals(await enter(store, { protocol: "classic" }), {
    groupId: "orders.2",
    protocol: "classic",
  });
  assertEquals(await enter(store), { groupId: "orders.2", protocol: "classic" });
});

/** Has a machine enter, and become a member when another one looks for the `looks`th time. */
async function enterSlowly(store: MemoryApp, options: Partial<EnterOptions>): Promise<void> {
  const entered = await enter(store, options);
  let looks = 0;
  store.turn = async () => {
    if (++looks !== 12) return;
    await confirmEntered({ ...ONE, ...entered }, { app: store.app, store, isMember: false });
    await run(store, 1);
  };
}

for (const [first, second] of [["auto", "classic"], ["classic", "streams"]]) {
  const name = `an app that --protocol ${first} has just entered is not changed to ${second}`;
  Deno.test(`${name} before the member comes`, async () => {
    const store = new MemoryApp();
    await enterSlowly(store, { protocol: first });
    const { protocol } = store.control.group!;
    const lines: string[] = [];
    const log = createLog((_, message) => void lines.push(message));
    assertStringIncludes(
      await refusal(store, { protocol: second, log }),
      `group "orders" runs with 1 member in generation 1, by the protocol ${protocol}`,
    );
    assertEquals(
      lines,
      [
        "waiting until no machine runs the app: another machine has just entered group " +
        '"orders", and is not a member yet',
      ],
    );
    assertEquals([store.control.group!.generation, store.control.group!.enteredAt], [1, undefined]);
  });
}

Deno.test("an old app that a machine has just entered is not changed either", async () => {
  const store = new MemoryApp();
  await enter(store);
  const { enteredAt: _, ...old } = store.control.group!;
  store.control = { ...store.control, group: old };
  await enterSlowly(store, {});
  assertStringIncludes(
    await refusal(store, { topology: TWO }),
    "runs with 1 member in generation 1",
  );
  assertEquals(store.control.group!.hash, ONE.hash);
});

Deno.test("a machine that has entered and dies holds a change up for 20 s", async () => {
  const store = new MemoryApp();
  const clock = new JumpingClock();
  await enter(store, { clock });
  clock.at += 5_000;
  assertEquals((await enter(store, { protocol: "classic", clock })).groupId, "orders.2");
  assertEquals(clock.at, 20_000);
  await enter(store, { protocol: "classic", clock });
  assertEquals(store.control.group!.enteredAt, 20_000); // its own note is still fresh
});

Deno.test("positions of tasks without a changelog move with the layout", async () => {
  const store = new MemoryApp();
  await enter(store);
  store.control = { ...store.control, hasBegun: true };
  const rows = [{
    role: "input",
    step: "in",
    partition: "in-topic-1",
    state: new Uint8Array(1),
  }] as const;
  store.found = { positions: new Map([[taskId("in", 1), rows]]) };
  await enter(store, { topology: TWO });
  assertEquals(store.control.moved, new Map([[taskId("in", 1), rows]]) as never);
  assertEquals(store.control.hasBegun, false); // in this generation
});

Deno.test("a change that would lose something is refused, and taken back", async () => {
  const store = new MemoryApp();
  await enter(store, { topology: TWO });
  const text = await refusal(store, { topology: ONE });
  assertStringIncludes(
    text,
    'group "orders" cannot run this flow:\nstep "count" is not in this flow',
  );
  assertStringIncludes(text, "start with --drop-step count, which drops its state");
  const { group } = store.control;
  assertEquals([group!.generation, group!.hash, group!.moving], [1, TWO.hash, undefined]);

  await enter(store, { topology: ONE, drops: ["count"] });
  assertEquals(store.control.group!.dropped, ["count"]);
  assertStringIncludes(
    await refusal(store, { topology: TWO }),
    'step "count" was dropped from group "orders", whose topics may still have its old state',
  );
});

Deno.test("a step that is to be dropped and is not there is warned of", async () => {
  const store = new MemoryApp();
  await enter(store);
  const { log, warnings } = recordingLog();
  await enter(store, { drops: ["conut"], log });
  assertEquals(warnings, ['nothing is stored of step "conut": nothing is dropped']);
});

Deno.test("versions with other stateful steps in one layout run side by side", async () => {
  const store = new MemoryApp();
  await enter(store);
  store.join(1, 2);
  const stateful = ["sum", "more"];
  const more = {
    ...ONE,
    subtopologies: ONE.subtopologies.map((each) => each.hasState ? { ...each, stateful } : each),
  };
  assertEquals((await enter(store, { topology: more })).groupId, "orders.1");
  assertStringIncludes(
    await refusal(store, {}),
    'group "orders": step "more" is not in this flow: give it its id back, or start with ' +
      "--drop-step more",
  );
  assertEquals((await enter(store, { drops: ["more"] })).groupId, "orders.1");
  assertEquals(store.control.group!.dropped, ["more"]);
  assertStringIncludes(await refusal(store, { drops: ["sum"] }), 'step "sum" cannot be dropped');
});

Deno.test("a process does not begin a task of an app that has changed since", async () => {
  const store = new MemoryApp();
  await enter(store);
  const entered = { ...ONE, protocol: "streams", groupId: "orders.1" };
  await confirmEntered(entered, { app: store.app, store });
  await enter(store, { topology: TWO });
  await enter(store, { topology: ONE, drops: ["count"] });
  await assertRejects(
    () => confirmEntered(entered, { app: store.app, store }),
    UsageError,
    'other machines have changed app "orders" since this one has entered it: its group is "orders.3" ' +
      'now, and no more "orders.1". Start this machine again',
  );
});

Deno.test("a machine that joins while another changes the app keeps it as it is", async () => {
  const store = new MemoryApp();
  const entered = { ...ONE, ...await enter(store) };
  const { before } = store;
  store.before = async (group) => {
    store.before = before;
    store.join(1, 1); // after the other has looked for members
    const { group: confirmed } = await confirmEntered(entered, { app: store.app, store });
    assertEquals([confirmed!.generation, confirmed!.moving], [1, undefined]);
    return await store.before(group);
  };
  assertStringIncludes(
    await refusal(store, { topology: TWO }),
    "runs with 1 member in generation 1",
  );
  assertEquals(store.control.group!.generation, 1);
});

Deno.test("machines of two layouts that come, go and die never run side by side", async () => {
  let changes = 0;
  for (let seed = 1; seed <= 1000; seed++) changes += await runSchedule(seed) > 1 ? 1 : 0;
  assertEquals(changes > 200, true, `the app has changed in ${changes} schedules`);
});

/** The same steps as `ONE`, of another hash. */
const WITHOUT = layout("00000003");

/** Lets machines of two layouts take turns in an order of chance, and kills some at any point. */
async function runSchedule(seed: number): Promise<number> {
  const random = new Random(seed);
  const store = new MemoryApp();
  await enter(store);
  const waiting: (() => void)[] = [];
  const clock: Clock = { // who pauses takes turns, too
    now: () => now,
    wakeAt: (at, wake) => {
      waiting.push(() => {
        now = Math.max(now, at) + random.below(5_000);
        wake();
      });
      return () => {};
    },
  };
  let now = 1e6; // the app is not new
  store.turn = () => new Promise((resolve) => waiting.push(resolve));
  const running = new Map<object, string>(); // by machine: the group of its tasks
  const problems: string[] = [];
  store.begun = ({ generation }) => {
    if (running.size > 0) problems.push(`generation ${generation} began while tasks ran`);
  };
  let changes = 0;
  const machine = async (topology: typeof ONE): Promise<void> => {
    const self = {};
    const { groupId, protocol } = await enter(store, {
      ...{ topology, drops: [], clock },
      waits: random.below(2) === 0,
    });
    const generation = Number(groupId.split(".")[1]);
    await store.turn();
    store.join(generation, 1); // a member, before it looks again
    try {
      await confirmEntered({ ...topology, protocol, groupId }, { app: store.app, store });
      running.set(self, groupId);
      if (new Set(running.values()).size > 1) problems.push("two generations run");
      if (store.control.group!.hash !== topology.hash) problems.push("another layout runs");
      changes = Math.max(changes, generation);
      for (let i = 0; i < 3; i++) await store.turn();
    } finally {
      running.delete(self);
      store.join(generation, -1);
    }
  };
  const all = Array.from({ length: 8 }, () => machine(random.pick([ONE, WITHOUT])));
  const ends = Promise.allSettled(all);
  let isOver = false;
  void ends.then(() => isOver = true);
  for (let turns = 0; !isOver; turns++) {
    await setImmediate();
    const [next] = waiting.splice(random.below(Math.max(1, waiting.length)), 1);
    if (next !== undefined && random.below(100) === 0) continue; // its machine is killed
    next?.();
    if (waiting.length === 0 && next === undefined) break; // the rest have been killed
  }
  assertEquals(problems, [], `seed ${seed}`);
  return changes;
}
