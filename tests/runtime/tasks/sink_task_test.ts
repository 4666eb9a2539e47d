import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { Dataflow, type OutputConfig, run, TestingInputConfig } from "../../../mod.ts";
import { Channel } from "../../../src/runtime/channel.ts";
import { Journal } from "../../../src/runtime/journal.ts";
import { SinkTask } from "../../../src/runtime/tasks/sink_task.ts";
import { paceOf, taskHost } from "../../support/runtime/task_host.ts";

const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0));

/**
 * A sink whose calls are held until `done`, or not waited for if `waits` is false. `pace`: the
 * items that a task may work on at once.
 */
function sink({ waits, pace }: { waits: boolean; pace: number }) {
  const input = new Channel({ first: 8192 });
  const calls: (readonly unknown[])[] = [];
  const held: (() => void)[] = [];
  const writer = {
    write: (batch: readonly unknown[]) => {
      calls.push(batch);
      return waits ? new Promise<void>((resolve) => held.push(resolve)) : undefined;
    },
    prepare: () => Promise.resolve(new Map()),
    close: () => Promise.resolve(),
  };
  const host = { ...taskHost(), pace: paceOf(pace) };
  const task = new SinkTask("out", writer, input, host, { epoch: 0, onWrite: () => {} });
  return {
    input,
    calls,
    task,
    async done(): Promise<void> {
      held.shift()!();
      await turn();
    },
  };
}

Deno.test("a sink that is not waited for writes as many items at once as the pace allows", () => {
  const { input, calls, task } = sink({ waits: false, pace: 3 });
  const batch = [1, 2, 3];
  input.push(batch);
  input.push([4, 5]);
  input.push([6, 7, 8]);
  while (task.run());
  assertStrictEquals(calls[0], batch);
  assertEquals(calls.slice(1), [[4, 5, 6], [7, 8]]);
});

Deno.test("a sink that is waited for writes what has come meanwhile as one batch", async () => {
  const { input, calls, task, done } = sink({ waits: true, pace: 1 });
  for (const item of [1, 2, 3, 4, 5, 6]) input.push([item]);
  input.push({ kind: "barrier", epoch: 0 });
  input.push([7]);
  for (let n = 0; n < 3; n++) {
    assertEquals([task.run(), task.run()], [true, false]);
    await done();
  }
  assertEquals(calls, [[1], [2, 3], [4, 5, 6]]);
});

/** A sink whose output has `commit`. What is waited for is held until `done`. */
function committing(
  { epoch = 4, commits = true, stores = false, ahead = false, waitsForCommit }: {
    epoch?: number;
    commits?: boolean;
    stores?: boolean;
    ahead?: boolean;
    waitsForCommit?: boolean;
  } = {},
) {
  const input = new Channel({ first: 8192 });
  const calls: string[] = [];
  const held: (() => void)[] = [];
  const rejects: ((error: Error) => void)[] = [];
  const told: string[] = [];
  const call = (name: string) => {
    calls.push(name);
    return new Promise<void>((resolve, reject) => {
      held.push(resolve);
      rejects.push(reject);
    });
  };
  const writer = {
    ...(ahead ? { writesAhead: true } : {}),
    write: (batch: readonly unknown[], epoch: number) => {
      if (batch.includes("held")) return call(`write ${epoch}: ${batch}`);
      return void calls.push(`write ${epoch}: ${batch}`);
    },
    prepare: async (epoch: number) => {
      await call(`prepare ${epoch}`);
      return new Map();
    },
    ...(commits ? { commit: (epoch: number) => call(`commit ${epoch}`) } : {}),
    settled: () => {
      calls.push("settled");
      return new Map([["settled", true]]);
    },
    close: () => Promise.resolve(),
  };
  const journal = stores
    ? new Journal({ index: 0, count: 1 }, { firstId: 0, byKey: false }, () => {})
    : null;
  const host = {
    ...taskHost(),
    journal,
    passed: () => void told.push("passed"),
    ended: () => void told.push("ended"),
    wake: () => void told.push("woken"),
    fail: () => void told.push("failed"),
  };
  const options = { epoch, onWrite: () => {}, waitsForCommit };
  const task = new SinkTask("out", writer, input, host, options);
  return {
    input,
    calls,
    told,
    task,
    journal,
    /** Runs the task until it waits. */
    run(): void {
      while (task.run());
    },
    /** Has the call in progress reject. */
    async failed(): Promise<void> {
      held.shift();
      rejects.shift()!(new Error("not committed"));
      await turn();
    },
    /** Lets the call in progress resolve, and goes on. */
    async done(): Promise<void> {
      held.shift()!();
      rejects.shift();
      await turn();
      while (task.run());
    },
  };
}

const BARRIER = { kind: "barrier", epoch: 0 } as const;
const END = { kind: "end", stopped: false } as const;

for (const [what, second] of [["a barrier", BARRIER], ["the end", END]] as const) {
  Deno.test(`a sink holds ${what} that comes before the notice of the last epoch's commit`, async () => {
    const { input, calls, told, task, run, done } = committing();
    input.push([1]);
    input.push(BARRIER);
    input.push([2]);
    input.push(second);
    run();
    await done(); // epoch 4 is prepared
    const before = ["write 4: 1", "prepare 4", "write 5: 2"];
    assertEquals([calls, task.run(), task.isBusy], [before, false, false]);
    told.length = 0;
    const committed = task.commit(4);
    assertEquals([calls, told], [[...before, "commit 4"], ["woken"]]);
    assertEquals(task.run(), false);
    await done(); // epoch 4 is visible
    await committed;
    assertEquals(calls, [...before, "commit 4", "prepare 5"]);
    await done();
    assertEquals(told.filter((each) => each !== "woken"), [second === END ? "ended" : "passed"]);
  });

  Deno.test(`a sink prepares at once for ${what} that comes after the notice of the last epoch's commit`, async () => {
    const { input, calls, task, run, done } = committing();
    input.push(BARRIER);
    run();
    await done();
    const committed = task.commit(4);
    await done();
    await committed;
    input.push([2]);
    input.push(second);
    run();
    assertEquals(calls, ["prepare 4", "commit 4", "write 5: 2", "prepare 5"]);
  });

  Deno.test(`a sink holds ${what} while the last epoch's commit is in progress`, async () => {
    const { input, calls, task, run, done } = committing();
    input.push(BARRIER);
    run();
    await done();
    const committed = task.commit(4);
    input.push(second);
    run();
    assertEquals(calls, ["prepare 4", "commit 4"]);
    await done();
    await committed;
    assertEquals(calls, ["prepare 4", "commit 4", "prepare 5"]);
  });
}

Deno.test("a sink holds the end of a run's first epoch until the output has followed the run's beginning", async () => {
  const { input, calls, task, run, done } = committing({ epoch: 0 });
  const begun = task.begin(-1);
  await done();
  await begun;
  input.push(BARRIER);
  run();
  assertEquals(calls, ["prepare -1"]);
  const committed = task.commit(-1);
  await done();
  await committed;
  assertEquals(calls, ["prepare -1", "commit -1", "prepare 0"]);
});

Deno.test("a sink whose output has no commit prepares one epoch after the other", async () => {
  const { input, calls, run, done } = committing({ commits: false });
  input.push(BARRIER);
  input.push([2]);
  input.push(END);
  run();
  await done();
  assertEquals(calls, ["prepare 4", "write 5: 2", "prepare 5"]);
});

Deno.test("a sink of a group holds the end of an epoch until the one before is committed", async () => {
  const { input, calls, task, run, done } = committing({ commits: false, waitsForCommit: true });
  input.push(BARRIER);
  input.push([2]);
  input.push(END);
  run();
  await done();
  assertEquals(calls, ["prepare 4", "write 5: 2"]);
  await task.commit(3);
  run();
  assertEquals(calls, ["prepare 4", "write 5: 2"]);
  await task.commit(4);
  run();
  assertEquals(calls, ["prepare 4", "write 5: 2", "prepare 5"]);
});

Deno.test("a notice of an epoch before the prepared one does not commit that", async () => {
  const { input, calls, task, run, done } = committing();
  input.push(BARRIER);
  run();
  await done();
  await task.commit(3);
  assertEquals(calls, ["prepare 4"]);
});

Deno.test("an output that writes ahead gets items of the next epoch while one ends", async () => {
  const { input, calls, told, task, run, done } = committing({ ahead: true });
  input.push([1]);
  input.push(BARRIER);
  input.push([2]);
  run();
  assertEquals(calls, ["write 4: 1", "prepare 4", "write 5: 2"]);
  assertEquals([task.isBusy, told.includes("passed")], [true, false]);
  await done();
  const committed = task.commit(4);
  input.push([3]);
  input.push(BARRIER);
  input.push([4]);
  run();
  const before = ["write 4: 1", "prepare 4", "write 5: 2", "commit 4", "write 5: 3"];
  assertEquals(calls, before); // the end of the next epoch waits for the commit
  await done();
  await committed;
  run();
  assertEquals(calls, [...before, "prepare 5", "write 6: 4"]);
});

Deno.test("an output without that gets no items while an epoch ends", async () => {
  const { input, calls, run, done } = committing();
  input.push(BARRIER);
  input.push([2]);
  run();
  assertEquals(calls, ["prepare 4"]);
  await done();
  assertEquals(calls, ["prepare 4", "write 5: 2"]);
});

Deno.test("an output that writes ahead commits while it writes, and settles after both", async () => {
  const { input, calls, task, run, done } = committing({ ahead: true });
  input.push(BARRIER);
  run();
  await done();
  input.push(["held"]);
  run();
  input.push([6]);
  const committed = task.commit(4);
  assertEquals(calls, ["prepare 4", "write 5: held", "commit 4"]);
  let hasSettled = false;
  const settled = task.settled().then(() => hasSettled = true);
  await done(); // the write
  assertEquals([hasSettled, calls.at(-1)], [false, "write 5: 6"]);
  await done();
  await Promise.all([committed, settled]);
});

/** The partitions that the snapshot of an epoch has of the output. */
function partitionsAt(journal: Journal | null, epoch: number): string[] {
  return journal!.positionsAt(epoch).map(({ partition }) => partition);
}

Deno.test("a sink asks for positions again after the commit of its last epoch, and of no other", async () => {
  const { input, calls, task, journal, run, done } = committing({ stores: true });
  input.push(BARRIER);
  input.push(END);
  run();
  await done();
  const first = task.commit(4);
  await done();
  await first;
  assertEquals([calls, task.takeSettled()], [["prepare 4", "commit 4", "prepare 5"], false]);
  await done();
  assertEquals([partitionsAt(journal, 5), task.takeSettled()], [[], false]);
  const last = task.commit(5);
  await done();
  await last;
  assertEquals(calls.slice(3), ["commit 5", "settled"]);
  assertEquals([task.takeSettled(), task.takeSettled()], [true, false]);
  assertEquals(partitionsAt(journal, 5), ["settled"]);
});

Deno.test("a sink does not ask for positions after a commit that has failed", async () => {
  const { input, calls, told, task, run, done, failed } = committing({ stores: true });
  input.push(END);
  run();
  await done();
  const committed = task.commit(4);
  await failed();
  await committed;
  assertEquals([calls, task.takeSettled()], [["prepare 4", "commit 4"], false]);
  assertEquals(told.includes("failed"), true);
});

Deno.test("a sink does not ask for positions that no store keeps", async () => {
  const { input, calls, task, run, done } = committing();
  input.push(END);
  run();
  await done();
  const committed = task.commit(4);
  await done();
  await committed;
  assertEquals([calls, task.takeSettled()], [["prepare 4", "commit 4"], false]);
});

/** How many calls an output has got for 20,000 items, each of which takes 150 ms on the clock. */
async function callsOf(flow: (output: OutputConfig<number>) => Dataflow<number>): Promise<number> {
  const original = performance.now;
  let [ms, calls, items] = [0, 0, 0];
  performance.now = () => ms;
  try {
    await run(flow({
      open: () =>
        Promise.resolve({
          write: async (batch) => {
            calls++;
            items += batch.length;
            await turn();
            ms += 150;
          },
          prepare: () => Promise.resolve(new Map()),
          close: () => Promise.resolve(),
        }),
    }));
  } finally {
    performance.now = original;
  }
  assertEquals(items, 20_000);
  return calls;
}

Deno.test("an output whose calls take their time whatever they get is given many items at once", async () => {
  const numbers = () =>
    new Dataflow("slow").input("in", new TestingInputConfig([...Array(20_000).keys()]));
  assert(await callsOf((output) => numbers().capture(output)) <= 20);
  const filtered = (output: OutputConfig<number>) =>
    numbers().flatMap((n) => [n, -1]).filter((n) => n >= 0).capture(output);
  assert(await callsOf(filtered) <= 20);
});
