/** The oracle of event time: windows and late values in a group are those of one machine. */
import { assert, assertEquals } from "@std/assert";
import { keyGroupOf, ownersOf } from "../../../src/core/key_groups.ts";
import { taskId } from "../../../src/core/task_id.ts";
import { type GroupProcess, GroupRun } from "../../support/group/group_run.ts";
import type { LogPoint } from "../../support/group/memory_log.ts";
import {
  LENGTH_MS,
  SHORT_SESSIONS,
  type Timed,
  TIMED_FLOWS,
  type TimedFlow,
  WAIT_MS,
} from "../../support/group/timed_flows.ts";
import { addBacklogs } from "../../support/group/backlog.ts";
import { Random } from "../../support/values/random.ts";

/** `FAULT_SEEDS` and `FAULT_SEED`: how many random runs of each flow there are, and the first. */
const SEEDS = Number(Deno.env.get("FAULT_SEEDS") ?? 1);
const FIRST_SEED = Number(Deno.env.get("FAULT_SEED") ?? 1);

const KEYS = ["a1", "a2", "b1", "b2", "c1"];

const POINTS: readonly LogPoint[] = ["before commit", "in commit", "after commit", "restoring"];

/** After this many epochs without an item, all tasks know how far all sources are. */
const SETTLED = 18;

/** More epochs than it takes to close all windows by quiet time. */
const MOST_EPOCHS = 400;

/** What is added to the topics of a flow, round by round. */
class Feed {
  #from = 0;
  #fedAt: number;
  #n = 0;
  readonly #run: GroupRun;
  readonly #topics: readonly string[];
  readonly #random: Random;

  constructor(run: GroupRun, { topics }: TimedFlow, random: Random) {
    this.#run = run;
    this.#topics = Object.keys(topics);
    this.#random = random;
    this.#fedAt = run.clock.at;
  }

  /** The next second: each partition gets items, and each key. */
  round(): void {
    // Quiet time that has passed since must not make these late, nor decide whether sessions end.
    const { at } = this.#run.clock;
    const passed = at - this.#fedAt;
    this.#fedAt = at;
    this.#from += LENGTH_MS * (passed <= 100 ? 1 : Math.ceil(passed / LENGTH_MS) + 2);
    const from = this.#from;
    for (const topic of this.#topics) {
      const partitions = this.#run.group.topics.partitions(topic).length;
      for (let partition = 0; partition < partitions; partition++) {
        for (let i = 0; i < 3; i++) {
          const key = this.#random.pick(KEYS);
          this.#add(topic, partition, key, from + i * 250 + this.#random.below(WAIT_MS));
        }
      }
      for (const key of KEYS) {
        this.#add(topic, this.#random.below(partitions), key, from + LENGTH_MS - 1);
      }
    }
  }

  /** Values that are late by any clock, once all tasks know how far the sources are. */
  late(): void {
    for (const topic of this.#topics) {
      const partitions = this.#run.group.topics.partitions(topic).length;
      const at = this.#from - 4 * LENGTH_MS + this.#random.below(LENGTH_MS);
      this.#add(topic, this.#random.below(partitions), this.#random.pick(KEYS), at);
    }
  }

  #add(topic: string, partition: number, key: string, at: number): void {
    const value: Timed = { at, n: this.#n++ };
    this.#run.group.topics.append(topic, partition, [key, value]);
  }
}

/** Waits until no window is open any more, by quiet time, and compares. */
async function assertAsOnOneMachine(
  run: GroupRun,
  replace?: () => Promise<void>,
): Promise<Map<string, unknown[]>> {
  await run.drain(replace);
  const expected = await run.expected();
  const size = (outputs: ReadonlyMap<string, readonly unknown[]>) =>
    outputs.values().reduce((sum, items) => sum + items.length, 0);
  for (let epoch = 0; size(run.group.outputs) < size(expected) && epoch < MOST_EPOCHS; epoch++) {
    await run.pass();
    run.throwFailure();
    await replace?.();
  }
  for (let epoch = 0; epoch < 10; epoch++) await run.pass(); // nothing more comes
  await run.stop();
  assertEquals(multisets(run.group.outputs), multisets(expected));
  return expected;
}

function multisets(outputs: ReadonlyMap<string, readonly unknown[]>): Record<string, string[]> {
  const all = [...outputs].filter(([, items]) => items.length > 0)
    .map(([name, items]) => [name, items.map((item) => JSON.stringify(item)).sort()]);
  return Object.fromEntries(all.sort());
}

async function settle(run: GroupRun, replace?: () => Promise<void>): Promise<void> {
  await run.drain(replace);
  for (let epoch = 0; epoch < SETTLED; epoch++) {
    await run.pass();
    run.throwFailure();
  }
}

/** Puts others in the place of processes that have died, which get their tasks. */
async function replaceDead(run: GroupRun, random: Random): Promise<number> {
  let deaths = 0;
  for (const dead of run.processes.filter(({ log }) => log.isDead)) {
    const tasks = await run.kill(dead);
    deaths++;
    if (run.processes.length === 0 || random.below(2) === 0) run.start();
    for (const task of tasks) run.assign(random.pick(run.processes), task);
  }
  return deaths;
}

/** Moves a task of one process to another, unless the one dies before. */
async function move(run: GroupRun, random: Random): Promise<void> {
  const from = random.pick(run.processes);
  if (from.tasks.size === 0) return;
  const task = random.pick([...from.tasks]);
  const revoked = run.revoke(from, task);
  await run.pass();
  if (await revoked) run.assign(random.pick(run.processes), task);
}

for (const [index, [name, flow]] of Object.entries(TIMED_FLOWS).entries()) {
  for (const processes of index === 0 ? [1, 3] : [3]) {
    Deno.test(`${name}: as on one machine, with ${processes} processes`, async () => {
      const run = new GroupRun(flow.build, flow.topics);
      const feed = new Feed(run, flow, new Random(processes));
      const all = Array.from({ length: processes }, () => run.start());
      run.tasks.forEach((task, i) => run.assign(all[i % processes], task));
      for (let round = 0; round < 5; round++) {
        feed.round();
        await run.pass();
      }
      await settle(run);
      feed.late();
      feed.late();
      for (let round = 0; round < 3; round++) {
        feed.round();
        await run.pass(30);
      }
      await assertAsOnOneMachine(run);
      assert((await run.expected()).values().some((items) => items.length > 0));
    });
  }

  for (const point of index === 0 ? POINTS : [POINTS[index % POINTS.length]]) {
    Deno.test(`${name}: as on one machine, though a process dies: ${point}`, async () => {
      const random = new Random(5);
      const run = new GroupRun(flow.build, flow.topics);
      const feed = new Feed(run, flow, random);
      const [a, b] = [run.start(), run.start()];
      run.tasks.forEach((task, i) => run.assign(i % 2 === 0 ? a : b, task));
      let seen = 0;
      run.group.stopAt = (at, log) =>
        at === point && log === a.log && ++seen === (point === "restoring" ? 1 : 3);
      let deaths = 0;
      const replace = async () => void (deaths += await replaceDead(run, random));
      for (let round = 0; round < 5; round++) {
        feed.round();
        await run.pass();
        await replace();
        if (round !== 2 || point !== "restoring") continue;
        for (const task of [...b.tasks]) if (await run.revoke(b, task)) run.assign(a, task);
      }
      await settle(run, replace);
      assertEquals(deaths, 1);
      feed.late();
      feed.round();
      await assertAsOnOneMachine(run, replace);
    });
  }

  Deno.test(`${name}: as on one machine, though a process is dead for long`, async () => {
    const random = new Random(9);
    const run = new GroupRun(flow.build, flow.topics);
    const feed = new Feed(run, flow, random);
    const [a, b] = [run.start(), run.start()];
    run.tasks.forEach((task, i) => run.assign(i % 2 === 0 ? a : b, task));
    feed.round();
    await settle(run);
    const tasks = await run.kill(a);
    for (let round = 0; round < 4; round++) {
      feed.round();
      for (let epoch = 0; epoch < SETTLED; epoch++) await run.pass(); // the others go on
    }
    run.assign(run.start(), ...tasks);
    feed.round();
    await settle(run);
    feed.late();
    feed.round();
    await assertAsOnOneMachine(run);
  });

  for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed++) {
    Deno.test(`${name}: as on one machine, whatever happens by chance (seed ${seed})`, async () => {
      const random = new Random(seed);
      const run = new GroupRun(flow.build, flow.topics);
      await live(run, new Feed(run, flow, random), random);
      await assertAsOnOneMachine(run, async () => void await replaceDead(run, random));
    });
  }
}

/** The flows in which what is late does not depend on when commits come. */
const ORDERED = Object.entries({
  ...TIMED_FLOWS,
  "short session windows": SHORT_SESSIONS,
}).filter(([name]) =>
  ![
    "session windows",
    "windows after redistribute, which lets items overtake one another",
    "windows after another step of the same keys",
    "windows of windows",
  ].includes(name)
);

for (const [name, flow] of ORDERED) {
  for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed++) {
    Deno.test(`${name}: late as on one machine in a backlog of several sources (seed ${seed})`, async () => {
      const random = new Random(seed);
      const mostHeld = random.pick([0, 500, 5_000, undefined]);
      const run = new GroupRun(flow.build, flow.topics, undefined, mostHeld);
      addBacklogs(run, flow, random);
      await readBacklog(run, random);
      const expected = await assertAsOnOneMachine(
        run,
        async () => void await replaceDead(run, random),
      );
      assert(expected.get("late")!.length > 10);
    });
  }
}

/** Reads what is there, while processes come, stop and die, and tasks move, by chance. */
async function readBacklog(run: GroupRun, random: Random): Promise<void> {
  run.group.mostAtOnce = random.pick([1, 3, 7]);
  const clock = () => random.pick([0, 0, 90, WAIT_MS - 10]);
  const processes = Array.from({ length: 1 + random.below(3) }, () => run.start(clock()));
  // Some begin later, so that others have read all that they can by then.
  const tasks = run.tasks.sort(() => random.below(3) - 1);
  const late = tasks.splice(0, random.below(tasks.length));
  for (const task of tasks) run.assign(random.pick(processes), task);
  for (let epoch = random.below(8); epoch > 0; epoch--) await run.pass();
  for (const task of late) run.assign(random.pick(processes), task);
  run.group.stopAt = () => random.below(100) === 0;
  for (let step = 0; step < 10; step++) {
    const what = random.below(6);
    if (what === 0 && run.processes.length < 4) run.start(clock());
    else if (what === 1) random.pick(run.processes).log.die();
    else if (what < 4) await move(run, random);
    else await run.pass();
    if (random.below(3) > 0) await replaceDead(run, random);
    run.throwFailure();
  }
  run.group.stopAt = null;
  await replaceDead(run, random);
}

Deno.test("a sparse source holds time back no longer than its next values", async () => {
  const { build } = TIMED_FLOWS["tumbling windows with one watermark"];
  const run = new GroupRun(build, { numbers: 3 });
  run.group.mostAtOnce = 1_000;
  let n = 0;
  let late = 0;
  for (const [partition, from, gap] of [[0, 0, 10], [1, 0, 500], [2, 30_000, 20]]) {
    for (let i = 0, time = from; time <= 150_000; time += gap, i++) {
      // Some hundred values are read at once: of the sparse source, none is surely late.
      const isOld = gap < 100 && time > 60_000 && i % 97 === 0;
      if (isOld) late++;
      const at = isOld ? time - 25_000 : time;
      run.group.topics.append("numbers", partition, [KEYS[n % KEYS.length], { at, n: n++ }]);
    }
  }
  const [a, b] = [run.start(), run.start()];
  run.tasks.forEach((task, i) => run.assign(i % 2 === 0 ? a : b, task));
  await run.drain();
  assertEquals(run.group.outputs.get("late")?.length, late);
  await run.stop();
});

/** Adds values of one source that were all there before the start. Some are far too old. */
function addBacklog(run: GroupRun, from: number, count: number): void {
  for (let i = from; i < from + count; i++) {
    const at = 20_000 + 50 * i - (i % 7 === 6 ? 10 * LENGTH_MS : 0);
    run.group.topics.append("numbers", 0, [KEYS[i % KEYS.length], { at, n: i }]);
  }
}

for (
  const name of [
    "tumbling windows",
    "tumbling windows with one watermark",
    "sliding windows",
    "session windows",
  ]
) {
  const { build } = TIMED_FLOWS[name];

  Deno.test(`${name}: late as on one machine in a backlog that is one epoch`, async () => {
    const run = new GroupRun(build, { numbers: 1 });
    addBacklog(run, 0, 500);
    const [a, b] = [run.start(), run.start()];
    run.tasks.forEach((task, i) => run.assign(i % 2 === 0 ? a : b, task));
    await assertAsOnOneMachine(run);
    assertEquals((await run.expected()).get("late")!.length, 71);
  });

  Deno.test(`${name}: late as on one machine in a backlog, though shards move`, async () => {
    const run = new GroupRun(build, { numbers: 1 });
    const [a, b] = [run.start(), run.start()];
    run.tasks.forEach((task) => run.assign(a, task));
    addBacklog(run, 0, 140);
    await run.drain();
    for (const task of run.tasks.filter((task) => !task.startsWith("in"))) {
      assert(await run.revoke(a, task));
    }
    addBacklog(run, 140, 350);
    for (let epoch = 0; epoch < 3; epoch++) await run.pass(); // a backlog for the shards
    run.assign(b, ...run.tasks.filter((task) => !task.startsWith("in")));
    await assertAsOnOneMachine(run);
    assertEquals((await run.expected()).get("late")!.length, 70);
  });
}

/** Two keys, of different shards, each with a partition of its own. */
const APART = ["a1", "c1"] as const;

Deno.test("a shard that gets only old values of a partition knows that they are late", async () => {
  const { build } = TIMED_FLOWS["tumbling windows with one watermark"];
  const run = new GroupRun(build, { numbers: 1 });
  run.assign(run.start(), ...run.tasks);
  for (let i = 0; i < 100; i++) {
    const isOld = i % 10 === 9;
    const at = 20_000 + 50 * i - (isOld ? 10 * LENGTH_MS : 0);
    run.group.topics.append("numbers", 0, [APART[isOld ? 1 : 0], { at, n: i }]);
  }
  await assertAsOnOneMachine(run);
  assertEquals((await run.expected()).get("late")!.length, 10);
});

/** A run of windows with one watermark, with one process for each partition. */
function apart(): { run: GroupRun; processes: GroupProcess[] } {
  const { build } = TIMED_FLOWS["tumbling windows with one watermark"];
  const run = new GroupRun(build, { numbers: 2 });
  const owners = ownersOf(3);
  assert(owners[keyGroupOf(APART[0])] !== owners[keyGroupOf(APART[1])]);
  const processes = [run.start(), run.start()];
  const { tasks } = run;
  assert(tasks.includes(taskId("in", 1)));
  for (const task of tasks) run.assign(processes[task === taskId("in", 1) ? 1 : 0], task);
  return { run, processes };
}

/** The keys and times of the windows that have closed. */
function closed(run: GroupRun): string[] {
  const windows = (run.group.outputs.get("windows") ?? []) as [string, number][];
  return windows.map(([key, at]) => `${key} ${at}`).sort();
}

Deno.test("a shard knows how far a partition is whose keys are all in other shards", async () => {
  const { run } = apart();
  // Time goes on through the values alone: a source never is silent, nor idle.
  for (let at = 0, n = 0; at < 5 * LENGTH_MS; at += 100, n++) {
    APART.forEach((key, partition) =>
      run.group.topics.append("numbers", partition, [key, { at, n }])
    );
    await run.pass();
  }
  run.throwFailure();
  const both = (at: number) => APART.map((key) => `${key} ${at}`);
  assertEquals(closed(run), [0, 1_000, 2_000, 3_000].flatMap(both).sort());
  await run.stop();
});

Deno.test("windows close by quiet time, but not while an input's process is dead", async () => {
  const { run, processes: [, dying] } = apart();
  const add = (partition: number, at: number) =>
    run.group.topics.append("numbers", partition, [APART[partition], { at, n: at }]);
  add(0, 100);
  add(1, 900);
  await run.drain();
  await run.pass();
  const tasks = await run.kill(dying);
  for (let epoch = 0; epoch < 100; epoch++) await run.pass(); // 10 s
  add(1, 150); // would be late: quiet time has passed for nobody who could read it
  assertEquals(closed(run), []);
  run.assign(run.start(), ...tasks);
  await run.drain();
  for (let epoch = 0; epoch < 40; epoch++) await run.pass();
  assertEquals(closed(run), ["a1 0", "c1 0"]);
  assertEquals(run.group.outputs.get("late") ?? [], []);
  await run.stop();
});

for (
  const name of [
    "tumbling windows",
    "windows after redistribute, which lets items overtake one another",
  ]
) {
  Deno.test(`${name}: as on one machine, while a partition is added`, async () => {
    const flow = TIMED_FLOWS[name];
    const run = new GroupRun(flow.build, flow.topics);
    const before = run.tasks;
    const [a, b] = [run.start(), run.start()];
    before.forEach((task, i) => run.assign(i % 2 === 0 ? a : b, task));
    const feed = new Feed(run, flow, new Random(4));
    for (let round = 0; round < 3; round++) feed.round();
    await settle(run);
    run.grow("numbers");
    const added = run.tasks.filter((task) => !before.includes(task));
    assert(added.length > 0);
    run.assign(b, ...added);
    for (let epoch = 0; epoch < 5; epoch++) await run.pass(); // all know of it
    for (let round = 0; round < 4; round++) {
      feed.round();
      await run.pass();
      if (round === 1) await move(run, new Random(2));
    }
    await settle(run);
    feed.late();
    feed.round();
    await assertAsOnOneMachine(run);
  });
}

Deno.test("clocks that differ less than values wait make nothing late", async () => {
  const flow = TIMED_FLOWS["windows of windows"];
  const run = new GroupRun(flow.build, flow.topics);
  const feed = new Feed(run, flow, new Random(3));
  const all = [0, WAIT_MS - 10, 90].map((aheadMs) => run.start(aheadMs));
  run.tasks.forEach((task, i) => run.assign(all[i % 3], task));
  for (let round = 0; round < 20; round++) {
    feed.round();
    await run.pass(100 * (round % 7));
  }
  await assertAsOnOneMachine(run);
});

Deno.test("in an epoch without items, a task sends one record to each shard", async () => {
  const { run } = apart();
  await settle(run);
  const { records, commits } = run.group;
  for (let epoch = 0; epoch < 10; epoch++) await run.pass();
  assertEquals(run.group.commits - commits, 20); // two processes
  assertEquals(run.group.records - records, 10 * 2 * 3);
  await run.stop();
});

/** Lets items come, processes come, stop and die, and tasks move, by chance. */
async function live(run: GroupRun, feed: Feed, random: Random): Promise<void> {
  run.assign(run.start(), ...run.tasks);
  const replace = async () => void await replaceDead(run, random);
  for (let phase = 0; phase < 3; phase++) {
    run.group.stopAt = () => random.below(200) === 0;
    for (let step = 0; step < 14; step++) {
      if (random.below(3) === 0) feed.round();
      const what = random.below(10);
      if (what === 0 && run.processes.length < 4) run.start();
      else if (what === 1) random.pick(run.processes).log.die();
      else if (what < 6) await move(run, random);
      else await run.pass(random.below(300));
      if (random.below(4) > 0) await replace(); // else it is dead for longer
      run.throwFailure();
    }
    run.group.stopAt = null;
    for (let round = 0; round < 4; round++) feed.round();
    await replace();
    await settle(run, replace);
    feed.late();
    feed.late();
  }
  feed.round();
}
