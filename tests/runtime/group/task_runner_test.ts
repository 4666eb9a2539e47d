import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { type Keyed, StepError } from "../../../mod.ts";
import { taskId } from "../../../src/core/task_id.ts";
import { decodeValue } from "../../../src/core/value_codec.ts";
import { FencedError, SHUFFLE_STEP, UnrestorableError } from "../../../src/group/log.ts";
import { type BuildFlow, EPOCH_MS, GroupRun } from "../../support/group/group_run.ts";

const keyed: BuildFlow = ({ input, output }) =>
  input<Keyed<number>>("in", "numbers")
    .statefulMap("count", () => 0, (state) => [state + 1, state + 1])
    .capture("out", output("out"));

const plain: BuildFlow = ({ input, output }) =>
  input<number>("in", "numbers").capture("out", output("out"));

/** A group of one process with all tasks, which have committed where they begin. */
async function started(build: BuildFlow, partitions = 1): Promise<GroupRun> {
  const run = new GroupRun(build, { numbers: partitions }, 2);
  run.assign(run.start(), ...run.tasks);
  await run.settle(); // the first epoch of a new task ends at once
  return run;
}

Deno.test("TaskRunner commits where a new task begins at once, and one that was restored later", async () => {
  const run = await started(plain, 2);
  const task = taskId("in", 1);
  const [a] = run.processes;
  assertEquals(run.group.task(task).positions.length, 1);
  const { commits } = run.group;
  await run.revoke(a, task);
  run.assign(run.start(), task);
  await run.settle();
  assertEquals(run.group.commits, commits);
  await run.stop();
});

Deno.test("TaskRunner keeps copies of tasks that do not run here", async () => {
  const run = await started(keyed);
  const [a] = run.processes;
  const [one, two] = [taskId("count", 0), taskId("count", 1)];
  const b = run.start();
  const calls = () => b.log.calls.splice(0);
  b.runner.keepStandbys([one, two]);
  b.runner.keepStandbys([one, two]);
  assertEquals(calls(), ["standby count_0", "standby count_1"]);
  assertEquals(b.runner.standbys, [one, two].map((task) => ({ task, lag: 0, hasFailed: false })));
  b.runner.keepStandbys([one]);
  assertEquals(calls(), ["end standby count_1"]);
  // The task comes here: the group says so first, or not.
  await run.revoke(a, one);
  run.assign(b, one);
  await run.settle();
  assertEquals(calls(), ["end standby count_0", "restore count_0"]);
  b.runner.keepStandbys([]);
  // It goes, and its copy is to stay: not before its file is free.
  b.runner.keepStandbys([one]);
  assertEquals(calls(), []);
  await run.revoke(b, one);
  assertEquals(calls(), ["release count_0", "standby count_0"]);
  run.assign(a, one);
  await run.stop();
  assertEquals(calls(), ["end standby count_0"]);
});

Deno.test("TaskRunner ends its copies if it fails, and begins none afterwards", async () => {
  const run = await started(keyed);
  const b = run.start();
  b.runner.keepStandbys([taskId("count", 0)]);
  b.log.calls.length = 0;
  await b.runner.kill(new Error("killed"));
  b.runner.keepStandbys([taskId("count", 1)]);
  assertEquals(b.log.calls, ["end standby count_0"]);
  await assertRejects(() => b.runner.over, Error, "killed");
  await assertRejects(() => run.stop(), Error, "killed");
});

Deno.test("TaskRunner commits an epoch after its interval, and shows nothing before", async () => {
  const run = await started(plain);
  run.group.topics.append("numbers", 0, 1, 2, 3);
  await run.settle();
  await run.pass(EPOCH_MS - 1);
  assertEquals(run.group.outputs.get("out") ?? [], []);
  await run.pass(1);
  assertEquals(run.group.outputs.get("out"), [1, 2, 3]);
  await run.stop();
});

Deno.test("TaskRunner commits nothing if nothing has happened in an epoch", async () => {
  const run = await started(keyed, 2);
  run.group.topics.append("numbers", 0, ["a", 1]);
  await run.drain();
  const { commits } = run.group;
  for (let i = 0; i < 10; i++) await run.pass();
  assertEquals(run.group.commits, commits);
  run.group.topics.append("numbers", 1, ["a", 1]);
  await run.drain();
  assert(run.group.commits > commits);
  await run.stop();
});

Deno.test("TaskRunner closes an epoch early if what was sent takes 16 MiB", async () => {
  const run = await started(keyed);
  const { commits } = run.group;
  const items = Array.from({ length: 48 }, (_, i) => [`k${i}`, new Uint8Array(1 << 20)]);
  run.group.topics.append("numbers", 0, ...items);
  for (let turn = 0; run.group.commits < commits + 3; turn++) {
    assert(turn < 200, "the epochs close");
    await run.settle(); // the clock stands still
  }
  await run.drain();
  assertEquals(run.group.outputs.get("out")!.length, 48);
  await run.stop();
});

Deno.test("TaskRunner closes an epoch early if what was written to outputs takes 16 MiB", async () => {
  const run = await started(plain, 2);
  const append = (partition: number, count: number) => {
    const items = Array.from({ length: count }, () => new Uint8Array(1 << 20));
    run.group.topics.append("numbers", partition, ...items);
  };
  for (let round = 1; round <= 3; round++) {
    append(0, 12);
    await run.settle(); // the clock stands still
    assertEquals(run.group.outputs.get("out")!.length, 17 * (round - 1));
    append(1, 5);
    await run.settle();
    // The 17th may come when the epoch is full.
    assert(run.group.outputs.get("out")!.length >= 17 * round - 1);
    await run.pass();
    assertEquals(run.group.outputs.get("out")!.length, 17 * round);
  }
  await run.stop();
});

/** States of 64 KiB, of keys that items name. */
const heavy: BuildFlow = ({ input, output }) =>
  input<Keyed<number>>("in", "numbers")
    .statefulMap("count", () => new Uint8Array(64 << 10), (state, n) => [state, n])
    .filter(([, n]) => n === 0) // so that the output holds nothing up
    .capture("out", output("out"));

/** A group whose states have yet to be computed, out of `rounds` records with ten keys each. */
async function unread(rounds: number): Promise<GroupRun> {
  const run = new GroupRun(heavy, { numbers: 1 }, 1);
  run.assign(run.start(), taskId("in", 0));
  for (let round = 0; round < rounds; round++) {
    run.group.topics.append(
      "numbers",
      0,
      ...Array.from({ length: 10 }, (_, i) => [`k${round}-${i}`, i]),
    );
    await run.pass();
  }
  return run;
}

Deno.test("TaskRunner closes an epoch early if many bytes of state have changed", async () => {
  const run = await unread(20);
  const b = run.start(0, 3); // 1 MiB of states is enough
  const { commits } = run.group;
  run.assign(b, taskId("count", 0));
  for (let turn = 0; turn < 50; turn++) await run.settle(); // the clock stands still
  const made = run.group.commits - commits;
  assert(made >= 3, `${made} commits`); // the limit doubles with each that is quick
  await run.drain();
  assertEquals(run.group.outputs.get("out")!.length, 20);
  await run.stop();
});

Deno.test("TaskRunner reads no more if the next epoch is full while one is committed", async () => {
  const run = await unread(40);
  const hold = Promise.withResolvers<void>();
  let held = 0;
  const b = run.start(0, 3);
  run.assign(b, taskId("count", 0));
  run.group.holdPrepare = async () => {
    if (held++ > 0) await hold.promise;
  };
  for (let turn = 0; turn < 20; turn++) await run.settle();
  const keys = b.runner.stateNow({ kind: "steps" }).steps[0].keys;
  assert(keys >= 10 && keys <= 100, `${keys} of 400 keys have been read`);
  hold.resolve();
  await run.drain();
  assertEquals(run.group.outputs.get("out")!.length, 40);
  await run.stop();
});

Deno.test("TaskRunner tells what has gone into each task, and out of it", async () => {
  const run = await started(({ input, output }) =>
    input<Keyed<number>>("in", "numbers")
      .flatMap((pair) => [pair, pair])
      .statefulMap("count", () => 0, (state) => [state + 1, state + 1])
      .filter(([, count]) => count % 2 === 1)
      .capture("out", output("out"))
  );
  run.group.topics.append("numbers", 0, ["a", 1], ["a", 2], ["b", 3]);
  await run.drain();
  const items = (name: string) =>
    run.processes[0].runner.tasks.filter(({ task }) => task.startsWith(name))
      .reduce((sum, each) => ({ in: sum.in + each.in, out: sum.out + each.out }), {
        in: 0,
        out: 0,
      });
  assertEquals([items("in"), items("count")], [{ in: 3, out: 6 }, { in: 6, out: 3 }]);
  assertEquals(run.processes[0].runner.tasks.map(({ lag, inputLag }) => lag + inputLag), [0, 0, 0]);
  await run.stop();
});

Deno.test("TaskRunner answers for the keys of all tasks together", async () => {
  const run = await started(keyed);
  const keys = ["a", "b", "c", "d", "e"];
  run.group.topics.append("numbers", 0, ...keys.map((key, i) => [key, i]), ["c", 9]);
  await run.drain();
  const [{ runner }] = run.processes;
  const step = "count";
  assertEquals(runner.stateNow({ kind: "steps" }).steps, [{ step, keys: 5 }]);
  const page = (from: number, count: number) =>
    runner.stateNow({ kind: "keys", step, from, count }).states.map(({ key }) => key);
  assertEquals([...page(0, 3), ...page(3, 3)].sort(), keys);
  const [state] = runner.stateNow({ kind: "key", step, key: "c" }).states;
  if (!("state" in state)) throw new Error(state.error);
  assertEquals(decodeValue(state.state), 2);
  assertEquals(runner.stateNow({ kind: "key", step, key: "z" }).states, []);
  await run.stop();
});

Deno.test("TaskRunner commits what a task did before it gives the task up", async () => {
  const run = await started(keyed);
  const [a] = run.processes;
  const task = taskId("in", 0);
  run.group.topics.append("numbers", 0, ["a", 1], ["a", 2], ["b", 3]);
  await run.settle();
  await a.runner.revoke([task]); // no time passes
  assertEquals(run.group.task(task).positions.length, 1);
  assertEquals(a.log.calls.at(-1), "release in_0");
  assertEquals(a.runner.tasks.map((each) => each.task), run.tasks.filter((each) => each !== task));
  await run.drain();
  assertEquals(run.group.outputs.get("out")!.length, 3);
  await run.stop();
});

Deno.test("TaskRunner restores keys, and goes on where the last owner was", async () => {
  const run = await started(keyed);
  const [a] = run.processes;
  run.group.topics.append("numbers", 0, ["a", 1], ["a", 1]);
  await run.drain();
  const b = run.start();
  for (const task of run.tasks) {
    assert(await run.revoke(a, task));
    run.assign(b, task);
  }
  run.group.topics.append("numbers", 0, ["a", 1]);
  await run.drain();
  assertEquals(run.group.outputs.get("out"), [["a", 1], ["a", 2], ["a", 3]]);
  assertEquals(b.log.openShuffles, [taskId("count", 0), taskId("count", 1)]);
  await run.stop();
  assertEquals(b.log.openShuffles, []);
});

Deno.test("TaskRunner starts a task while others go on", async () => {
  const run = await started(plain, 2);
  const [a] = run.processes;
  const task = taskId("in", 1);
  assert(await run.revoke(a, task));
  run.group.topics.append("numbers", 0, 1);
  run.assign(a, task);
  await run.drain();
  run.group.topics.append("numbers", 1, 2);
  await run.drain();
  assertEquals(run.group.outputs.get("out"), [1, 2]);
  await run.stop();
});

Deno.test("TaskRunner gives up a task that is still being restored at once", async () => {
  const run = await started(keyed);
  const [a] = run.processes;
  run.group.topics.append("numbers", 0, ["a", 1], ["b", 1], ["c", 1]);
  await run.drain();
  const tasks = run.tasks.filter((task) => task.startsWith("count"));
  await a.runner.revoke(tasks);
  const { commits } = run.group;
  a.runner.assign(tasks);
  assertEquals(a.runner.tasks.map(({ phase }) => phase), ["running", "restoring", "restoring"]);
  await a.runner.revoke(tasks);
  assertEquals(run.group.commits, commits);
  a.runner.assign(tasks); // and again, so that all is read
  await run.drain();
  await run.stop();
});

Deno.test("TaskRunner gives up a task whose last owner does not come to an end", async () => {
  const run = new GroupRun(keyed, { numbers: 1 }, 2);
  const held = Promise.withResolvers<void>();
  run.group.holdRestore = held.promise;
  const [a, b] = [run.start(), run.start()];
  run.assign(a, ...run.tasks);
  assert(await run.revoke(a, taskId("in", 0)));
  assertEquals(a.runner.tasks.map(({ task }) => task), [taskId("count", 0), taskId("count", 1)]);
  await a.runner.stop(); // and the others
  held.resolve();
  run.group.topics.append("numbers", 0, ["a", 1]);
  run.assign(b, ...run.tasks);
  await run.drain();
  assertEquals(a.log.openShuffles, []); // what was restored too late is not opened
  assertEquals(run.group.outputs.get("out"), [["a", 1]]);
  await b.runner.stop();
});

Deno.test("TaskRunner fails with the error of a step, and commits nothing of the epoch", async () => {
  const run = await started(({ input, output }) =>
    input<number>("in", "numbers").map(function broken(n) {
      if (n === 3) throw new Error("three");
      return n;
    }).capture("out", output("out"))
  );
  const [{ runner, log }] = run.processes;
  run.group.topics.append("numbers", 0, 1, 2, 3);
  const error = await assertRejects(() => runner.over, StepError, "three");
  assertEquals([error.stepId, error.task], ["broken", "in_0"]);
  assertEquals(error.message, 'step "broken" failed in task in_0: Error: three; item: 3');
  await run.pass();
  assertEquals(run.group.outputs.get("out") ?? [], []);
  assertEquals(log.calls.at(-1), "release in_0");
  await assertRejects(() => runner.revoke([taskId("in", 0)]), StepError, "three");
});

Deno.test("TaskRunner ends if others have its tasks by the time of a commit", async () => {
  const run = await started(plain);
  const [a] = run.processes;
  run.assign(run.start(), ...run.tasks); // nobody has told the first one
  run.group.topics.append("numbers", 0, 1);
  await run.settle();
  run.clock.advance(EPOCH_MS);
  await assertRejects(() => a.runner.over, FencedError, "task in_0 belongs to another process");
  run.processes.shift();
  await run.pass();
  assertEquals(run.group.outputs.get("out"), [1]);
  await run.stop();
});

Deno.test("TaskRunner refuses tasks that the flow does not have, and those that it runs", async () => {
  const run = await started(plain);
  const [{ runner }] = run.processes;
  assertThrows(
    () => runner.assign([taskId("other", 0)]),
    TypeError,
    'task other_0 is not one of flow "grouped", whose tasks are parts of in: all machines',
  );
  assertThrows(() => runner.assign([taskId("in", 0)]), TypeError, "has been assigned already");
  await assertRejects(() => runner.revoke([taskId("in", 1)]), TypeError, "has not been assigned");
  await run.stop();
});

Deno.test("TaskRunner names the steps of a task whose state is of no use", async () => {
  for (const isLasting of [true, false]) {
    const run = new GroupRun(keyed, { numbers: 1 }, 2);
    const error = isLasting ? new UnrestorableError("damaged") : new Error("no broker");
    run.group.holdRestore = Promise.reject(error);
    const process = run.start();
    run.assign(process, run.tasks.find((task) => !task.startsWith("in_"))!);
    const text = isLasting ? 'step "count": damaged' : "no broker";
    const thrown = await assertRejects(() => process.runner.over, Error, text);
    assertEquals(thrown instanceof UnrestorableError, isLasting);
  }
});

Deno.test("TaskRunner refuses state of a step that the flow does not have any more", async () => {
  const run = await started(keyed);
  run.group.topics.append("numbers", 0, ["a", 1]);
  await run.drain();
  await run.stop();
  const task = run.tasks.find((each) => run.group.task(each).keys.size > 0)!;
  const kept = run.group.task(task);
  kept.keys.set("former", kept.keys.get("count")!);
  const next = run.start();
  run.assign(next, task);
  await assertRejects(
    () => next.runner.over,
    UnrestorableError,
    `task ${task} has state of a step "former", which is not in its part of the flow any more`,
  );
});

Deno.test("TaskRunner leaves out of a commit what a task does after the epoch, though it stops", async () => {
  const run = new GroupRun(
    ({ input, output }) => {
      const counts = input<Keyed<number>>("in", "numbers")
        .statefulMap("count", () => 0, (state) => [state + 1, state + 1]);
      counts.capture("fast", output("fast"));
      counts.capture("slow", output("slow"));
    },
    { numbers: 1 },
    1,
  );
  const [a, b] = [run.start(), run.start()];
  const task = taskId("count", 0);
  run.assign(a, taskId("in", 0));
  run.assign(b, task);
  await run.settle();
  await run.pass(EPOCH_MS / 2);
  const held = Promise.withResolvers<void>();
  run.group.topics.append("numbers", 0, ["a", 1]);
  await run.settle();
  await run.pass(); // it has been sent
  run.group.holdPrepare = (output) => output === "slow" ? held.promise : Promise.resolve();
  await run.pass(); // its result is in an epoch that does not close
  run.group.topics.append("numbers", 0, ["a", 1]);
  await run.settle();
  await run.pass(); // has been sent too, and is read in the next epoch
  const revoked = run.revoke(b, task);
  await run.settle();
  run.group.stopAt = (point, log) => point === "after commit" && log === b.log;
  held.resolve();
  assertEquals(await revoked, false);
  assertEquals(run.group.outputs.get("fast"), [["a", 1]]);
  run.group.stopAt = null;
  run.assign(run.start(), ...await run.kill(b));
  await run.drain();
  for (const output of ["fast", "slow"]) {
    assertEquals(run.group.outputs.get(output), [["a", 1], ["a", 2]]);
  }
  await run.stop();
});

Deno.test("TaskRunner leaves out of a commit what a task did that came and went meanwhile", async () => {
  const run = new GroupRun(plain, { numbers: 2 }, 1);
  const a = run.start();
  const task = taskId("in", 1);
  run.assign(a, taskId("in", 0));
  await run.settle();
  await run.pass();
  const held = Promise.withResolvers<void>();
  let prepares = 0;
  run.group.holdPrepare = () => prepares++ === 0 ? held.promise : Promise.resolve();
  run.group.topics.append("numbers", 0, 1);
  await run.settle();
  await run.pass(); // the epoch does not close
  run.assign(a, task); // it takes part in the next one
  run.group.topics.append("numbers", 1, 2);
  await run.settle();
  const revoked = run.revoke(a, task);
  await run.settle();
  run.group.stopAt = (point, log) => point === "after commit" && log === a.log;
  held.resolve();
  assertEquals(await revoked, false);
  assertEquals(run.group.outputs.get("out"), [1]);
  run.group.stopAt = null;
  run.assign(run.start(), ...await run.kill(a));
  await run.drain();
  assertEquals(run.group.outputs.get("out"), [1, 2]);
  await run.stop();
});

Deno.test("TaskRunner counts the items of all its tasks, also of those it has given up", async () => {
  const run = await started(keyed, 2);
  const [{ runner }] = run.processes;
  run.group.topics.append("numbers", 0, ["a", 1], ["b", 1]);
  run.group.topics.append("numbers", 1, ["a", 1]);
  await run.drain();
  await runner.revoke([taskId("in", 0)]);
  assertEquals(
    runner.counts().map(({ stepId, in: into, out }) => [stepId, into, out]),
    [["in", 0, 3], ["count", 3, 3], ["out", 3, 0]],
  );
  await run.stop();
});

Deno.test("TaskRunner commits all positions of a task that has changed, moved or not", async () => {
  const run = new GroupRun(
    ({ input, output }) => {
      const sums = input<Keyed<number>>("in", "numbers")
        .statefulMap("sum", () => 0, (state, n) => [state + n, state + n]);
      input<Keyed<number>>("plain", "others").merge(sums).capture("out", output("out"));
    },
    { numbers: 1, others: 1 },
    1,
  );
  run.assign(run.start(), ...run.tasks);
  run.group.topics.append("numbers", 0, ["a", 1]);
  await run.drain();
  run.group.topics.append("others", 0, ["b", 2]);
  await run.drain();
  const { positions } = run.group.task(taskId("sum", 0));
  assertEquals(positions.map(({ step, partition }) => [step, partition]).sort(), [
    [SHUFFLE_STEP, SHUFFLE_STEP],
    ["plain", "others/0"],
  ]);
  await run.stop();
});
