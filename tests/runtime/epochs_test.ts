import { assertEquals, assertThrows } from "@std/assert";
import {
  createLog,
  Dataflow,
  type Keyed,
  ManualEpochOutputConfig,
  ManualOutputConfig,
  run,
  TestingInputConfig,
  TestingOutputConfig,
} from "../../mod.ts";
import { EpochCycle } from "../../src/runtime/epochs.ts";
import { eventually, idle } from "../support/eventually.ts";
import { GatedInput } from "../support/runtime/gated_input.ts";
import { HandInput } from "../support/runtime/hand_input.ts";
import { RecordingOutput } from "../support/runtime/recording_output.ts";
import { SetClock } from "../support/clock/set_clock.ts";
import { TestClock } from "../support/clock/test_clock.ts";
import { runWorkers } from "../support/runtime/workers.ts";

/** A coordinator of workers that are played by the test, and what it did. */
function coordinate(workers: number, epoch = 0, intervalMs = 100) {
  const clock = new TestClock(5_000);
  const did: string[] = [];
  const slow: unknown[] = [];
  const epochs = new EpochCycle({
    trigger: (epoch) => did.push(`close ${epoch}`),
    commit: (epoch) => void did.push(`commit ${epoch}`),
    stillClosing: (epoch, workers, ms) => slow.push({ epoch, workers, ms }),
  }, { workers, intervalMs, clock, epoch });
  return { clock, did, slow, epochs };
}

Deno.test("EpochCycle tells of an epoch that has been closing for ten intervals, then of twice as many", () => {
  const { clock, slow, epochs } = coordinate(3, 7, 1_000);
  epochs.start();
  clock.advance(1_000);
  epochs.acknowledge(1, 7);
  clock.advance(9_999);
  assertEquals(slow, []);
  clock.advance(1);
  assertEquals(slow.splice(0), [{ epoch: 7, workers: [0, 2], ms: 10_000 }]);
  epochs.acknowledge(0, 7);
  clock.advance(9_999);
  assertEquals(slow, []);
  clock.advance(1);
  assertEquals(slow.splice(0), [{ epoch: 7, workers: [2], ms: 20_000 }]);
  epochs.acknowledge(2, 7);
  clock.advance(500); // the next epoch is open
  epochs.stop();
  clock.advance(100_000);
  assertEquals(slow, []);
});

Deno.test("EpochCycle does not tell of short epochs that take less than five seconds to close", () => {
  const { clock, slow, epochs } = coordinate(1);
  epochs.start();
  clock.advance(100 + 4_999);
  assertEquals(slow, []);
  clock.advance(1);
  assertEquals(slow, [{ epoch: 0, workers: [0], ms: 5_000 }]);
  epochs.stop();
});

Deno.test("an epoch that does not close is warned of with the step that holds it up", async () => {
  const clock = new TestClock();
  const input = new HandInput<string>();
  const lines: unknown[] = [];
  const log = createLog((level, message, fields) => {
    if (level === "warn") lines.push([message, fields]);
  });
  const gate = Promise.withResolvers<void>();
  const flow = new Dataflow("slow").input("in", input)
    .mapAsync(async function lookUp(item) {
      await gate.promise;
      return item;
    })
    .capture("out", new RecordingOutput());
  const running = run(flow, { clock, epoch, log });
  input.push("a");
  await eventually(() => input.waiting && clock.sleeps.length > 0, "the item is being looked up");
  clock.advance(1_000);
  await idle();
  clock.advance(10_000);
  await idle();
  const fields = { epoch: 0, step: "lookUp", stepsWaiting: "out", seconds: 10 };
  assertEquals(lines, [["an epoch is still closing", fields]]);
  gate.resolve();
  input.end();
  await running;
});

Deno.test("of an epoch that does not close, the step that works is named, not those that wait", async () => {
  const clock = new TestClock();
  const lines: unknown[] = [];
  const log = createLog((level, message, fields) => {
    if (level === "warn") lines.push([message, fields]);
  });
  const gate = Promise.withResolvers<void>();
  let isOpen = false;
  let read = 0;
  const endless = {
    open: () =>
      Promise.resolve({
        next: () => isOpen ? null : Array.from({ length: 1_000 }, () => read++),
        ready: () => Promise.resolve(),
        positions: () => new Map(),
        close: () => Promise.resolve(),
      }),
  };
  const flow = new Dataflow("slow")
    .input("in", endless)
    .keyOn(() => "k")
    .statefulFlatMap("twice", () => 0, (n: number, value) => [n, [value, value]])
    .capture("out", new ManualOutputConfig<Keyed<number>>(() => () => gate.promise));
  const running = run(flow, { clock, epoch, log });
  let before = 0;
  let turns = 0;
  await eventually(() => {
    turns = read > 0 && read === before ? turns + 1 : 0;
    before = read;
    return turns === 20;
  }, "all channels are full");
  await idle();
  clock.advance(1_000);
  await idle();
  clock.advance(10_000);
  await idle();
  const fields = { epoch: 0, step: "out", stepsWaiting: "in,twice", seconds: 10 };
  assertEquals(lines, [["an epoch is still closing", fields]]);
  isOpen = true;
  gate.resolve();
  await running;
});

Deno.test("of an epoch that does not close, a worker that waits for another one says so", async () => {
  const clock = new TestClock();
  const lines: unknown[] = [];
  const log = createLog((level, message, { epoch, step }) => {
    if (level === "warn") lines.push([message, epoch, step]);
  });
  const gate = Promise.withResolvers<void>();
  const looked = Promise.withResolvers<void>();
  const input = new GatedInput(2);
  input.allow(0, 1);
  const flow = new Dataflow("slow").input("in", input)
    .mapAsync(async function lookUp(item) {
      looked.resolve();
      await gate.promise;
      return item;
    })
    .keyOn((n) => `${n}`)
    .statefulMap("count", () => 0, (count: number) => [count + 1, count + 1])
    .capture("out", new RecordingOutput());
  const running = runWorkers(flow, 2, { clock, epochMs: 1_000, log });
  await looked.promise;
  await idle();
  clock.advance(1_000);
  await idle();
  clock.advance(10_000);
  await idle();
  assertEquals(lines, [
    ["an epoch is still closing", 0, "lookUp"],
    ["an epoch is still closing: this worker waits for others", 0, "count"],
  ]);
  gate.resolve();
  input.end(0);
  input.end(1);
  await running;
});

Deno.test("EpochCycle closes the epoch when its interval is over, and not before", () => {
  const { clock, did, epochs } = coordinate(1);
  epochs.start();
  clock.advance(99);
  assertEquals(did, []);
  clock.advance(1);
  assertEquals(did, ["close 0"]);
});

Deno.test("EpochCycle commits when all workers have closed the epoch, in any order", () => {
  for (const order of [[0, 1, 2], [2, 0, 1], [1, 2, 0]]) {
    const { clock, did, epochs } = coordinate(3, 7);
    epochs.start();
    clock.advance(100);
    epochs.acknowledge(order[0], 7);
    epochs.acknowledge(order[1], 7);
    assertEquals([epochs.epoch, did], [7, ["close 7"]]);
    epochs.acknowledge(order[2], 7);
    assertEquals([epochs.epoch, did], [8, ["close 7", "commit 7"]]);
  }
});

Deno.test("EpochCycle closes no epoch while the one before is closing", () => {
  const { clock, did, epochs } = coordinate(2);
  epochs.start();
  clock.advance(100);
  epochs.acknowledge(0, 0);
  clock.advance(10_000);
  assertEquals(did, ["close 0"]);
  epochs.acknowledge(1, 0);
  // Half of the interval is left for other work, however late it is.
  clock.advance(49);
  assertEquals(did, ["close 0", "commit 0"]);
  clock.advance(1);
  assertEquals(did, ["close 0", "commit 0", "close 1"]);
});

for (
  const { closing, committing, left } of [
    { closing: 0, committing: 0, left: 100 },
    { closing: 10, committing: 20, left: 70 },
    { closing: 20, committing: 30, left: 50 },
    { closing: 20, committing: 31, left: 50 },
    { closing: 90, committing: 0, left: 50 },
    { closing: 0, committing: 500, left: 50 },
  ]
) {
  Deno.test(`after ${closing} ms of closing and ${committing} ms of committing, the next epoch of 100 ms ends in ${left} ms`, async () => {
    const clock = new TestClock(5_000);
    const closed: number[] = [];
    const committed = Promise.withResolvers<void>();
    const epochs = new EpochCycle({
      trigger: (epoch) => void closed.push(epoch),
      commit: () => committed.promise,
      stillClosing: () => {},
    }, { workers: 1, intervalMs: 100, clock, epoch: 0 });
    epochs.start();
    clock.advance(100 + closing);
    epochs.acknowledge(0, 0);
    clock.advance(committing);
    committed.resolve();
    await committed.promise;
    clock.advance(left - 1);
    assertEquals(closed, [0]);
    clock.advance(1);
    assertEquals(closed, [0, 1]);
    epochs.stop();
  });
}

Deno.test("EpochCycle does not wait for a worker that has ended", () => {
  const { clock, did, epochs } = coordinate(2);
  epochs.start();
  epochs.ended(1);
  clock.advance(100);
  epochs.acknowledge(0, 0);
  clock.advance(100);
  epochs.acknowledge(0, 1);
  assertEquals(did, ["close 0", "commit 0", "close 1", "commit 1"]);
});

Deno.test("EpochCycle goes on when the worker it waits for ends", () => {
  const { clock, did, epochs } = coordinate(2);
  epochs.start();
  clock.advance(100);
  epochs.acknowledge(0, 0);
  epochs.ended(1);
  assertEquals([epochs.epoch, did], [1, ["close 0", "commit 0"]]);
});

Deno.test("EpochCycle closes no more epochs when all workers have ended", () => {
  const { clock, did, epochs } = coordinate(2);
  epochs.start();
  epochs.ended(0);
  epochs.ended(1);
  clock.advance(1_000);
  assertEquals([did, clock.sleeps], [[], []]);
});

Deno.test("EpochCycle commits nothing when the last worker ends while the epoch closes", () => {
  const { clock, did, epochs } = coordinate(2);
  epochs.start();
  clock.advance(100);
  epochs.ended(0);
  epochs.ended(1);
  clock.advance(1_000);
  assertEquals([epochs.epoch, did], [0, ["close 0"]]);
});

Deno.test("EpochCycle refuses the end of an epoch that it is not closing", () => {
  const { clock, epochs } = coordinate(1);
  epochs.start();
  assertThrows(() => epochs.acknowledge(0, 0), Error, "worker 0 acknowledged epoch 0 in epoch 0");
  clock.advance(100);
  assertThrows(() => epochs.acknowledge(0, 1), Error, "worker 0 acknowledged epoch 1 in epoch 0");
});

Deno.test("EpochCycle closes nothing when it was stopped", () => {
  const { clock, did, epochs } = coordinate(1);
  epochs.start();
  epochs.stop();
  clock.advance(1_000);
  assertEquals([did, clock.sleeps], [[], []]);
});

Deno.test("EpochCycle sleeps on when a sleep ends early", () => {
  const clock = new TestClock();
  const did: string[] = [];
  const wakeEarly = {
    now: () => clock.now(),
    wakeAt: (at: number, wake: () => void) => clock.wakeAt(Math.min(at, clock.at + 10), wake),
  };
  const epochs = new EpochCycle({
    trigger: (epoch) => did.push(`close ${epoch}`),
    commit: () => {},
    stillClosing: () => {},
  }, { workers: 1, intervalMs: 25, clock: wakeEarly, epoch: 0 });
  epochs.start();
  clock.advance(24);
  assertEquals(did, []);
  clock.advance(1);
  assertEquals(did, ["close 0"]);
});

Deno.test("EpochCycle closes epochs at its interval whatever the clock is set to", () => {
  for (const set of [-3_600_000, 3_600_000]) {
    const passing = new TestClock(5_000);
    const clock = new SetClock(passing);
    const did: string[] = [];
    const epochs = new EpochCycle({
      trigger: (epoch) => did.push(`close ${epoch}`),
      commit: () => {},
      stillClosing: () => {},
    }, { workers: 1, intervalMs: 100, clock, epoch: 0 });
    epochs.start();
    passing.advance(50);
    clock.set = set;
    passing.advance(49);
    assertEquals(did, []);
    passing.advance(1);
    assertEquals(did, ["close 0"]);
    epochs.acknowledge(0, 0);
    passing.advance(100);
    assertEquals(did, ["close 0", "close 1"]);
  }
});

// Epochs of a run.

/** Moves on by one epoch, and waits until the output has made it visible. */
async function nextEpoch<T>(clock: TestClock, output: RecordingOutput<T>): Promise<void> {
  const commits = () => output.only("commit").length;
  const before = commits();
  await eventually(() => clock.sleeps.length > 0, "the epoch's time runs");
  clock.advance(1_000);
  await eventually(() => commits() > before, "the epoch is committed");
}

const epoch = { interval: { seconds: 1 } };

Deno.test("an output gets write, prepare and commit of each epoch in turn", async () => {
  const clock = new TestClock();
  const input = new HandInput<string>();
  const output = new RecordingOutput<string>();
  const running = run(new Dataflow("epochs").input("in", input).capture(output), { clock, epoch });
  input.push("a");
  await eventually(() => output.items.length === 1, "the item is out");
  await nextEpoch(clock, output);
  await nextEpoch(clock, output); // an epoch without items
  input.push("c");
  await eventually(() => output.items.length === 2, "the next item is out");
  await nextEpoch(clock, output);
  input.push("d");
  input.end();
  await running;
  assertEquals(output.calls, [
    "write 0: a",
    "prepare 0",
    "commit 0",
    "prepare 1",
    "commit 1",
    "write 2: c",
    "prepare 2",
    "commit 2",
    "write 3: d",
    "prepare 3",
    "commit 3",
    "close",
  ]);
  assertEquals(output.concurrent, []);
});

Deno.test("an output gets the next epoch's items only when its slow commit is over", async () => {
  const clock = new TestClock();
  const input = new HandInput<string>();
  const committed = Promise.withResolvers<void>();
  const output = new RecordingOutput<string>({
    commit: (epoch) => epoch === 0 ? committed.promise : undefined,
  });
  const running = run(new Dataflow("epochs").input("in", input).capture(output), { clock, epoch });
  await eventually(() => input.waiting, "the input waits");
  clock.advance(1_000);
  await eventually(() => output.only("commit").length === 1, "epoch 0 is being committed");
  input.push("a");
  await idle();
  clock.advance(1_000);
  await idle();
  assertEquals(output.calls, ["prepare 0", "commit 0"]);
  committed.resolve();
  input.end();
  await running;
  assertEquals(output.concurrent, []);
  assertEquals(output.calls.slice(2), [
    "write 1: a",
    "prepare 1",
    "commit 1",
    "prepare 2",
    "commit 2",
    "close",
  ]);
});

Deno.test("no epoch begins while an output has not prepared the one before", async () => {
  const clock = new TestClock();
  const input = new HandInput<string>();
  const prepared = Promise.withResolvers<void>();
  const [slow, quick] = [
    new RecordingOutput<string>({ prepare: (epoch) => epoch === 0 ? prepared.promise : undefined }),
    new RecordingOutput<string>(),
  ];
  const flow = new Dataflow("epochs").input("in", input).capture(slow).capture(quick);
  const running = run(flow, { clock, epoch });
  await eventually(() => input.waiting, "the input waits");
  clock.advance(1_000);
  await eventually(() => quick.only("prepare").length === 1, "the barrier has come through");
  clock.advance(1_000_000);
  await idle();
  assertEquals(quick.only("prepare", "commit"), ["prepare 0"]);
  prepared.resolve();
  await eventually(() => quick.only("commit").length === 1, "epoch 0 is committed");
  input.end();
  await running;
  assertEquals(quick.only("prepare", "commit"), ["prepare 0", "commit 0", "prepare 1", "commit 1"]);
});

Deno.test("ManualEpochOutputConfig and inspectEpoch see each item's epoch at every stage", async () => {
  const clock = new TestClock();
  const input = new HandInput<string>();
  const seen: string[] = [];
  const output = new RecordingOutput<unknown>();
  const flow = new Dataflow("epochs");
  flow.input("in", input)
    .inspectEpoch((epoch, item) => seen.push(`input ${epoch} ${item}`))
    .mapAsync((item) => Promise.resolve(item))
    .inspectEpoch((epoch, item) => seen.push(`async ${epoch} ${item}`))
    .keyOn(() => "all")
    .statefulMap("same", () => 0, (state, item) => [state, item])
    .inspectEpoch((epoch, [, item]) => seen.push(`stateful ${epoch} ${item}`))
    .capture(
      new ManualEpochOutputConfig<Keyed<string>>(() => (epoch, [, item]) => {
        seen.push(`output ${epoch} ${item}`);
      }),
    )
    .capture(output);
  const running = run(flow, { clock, epoch });
  for (const item of ["a", "b", "c"]) {
    input.push(item);
    await eventually(
      () => seen.at(-1) === `output ${item.charCodeAt(0) - 97} ${item}`,
      "it is out",
    );
    await nextEpoch(clock, output);
  }
  input.end();
  await running;
  assertEquals(
    seen,
    ["a", "b", "c"].flatMap((item, epoch) =>
      ["input", "async", "stateful", "output"].map((stage) => `${stage} ${epoch} ${item}`)
    ),
  );
});

Deno.test("epochs go on when one of two independent inputs has ended early", async () => {
  const clock = new TestClock();
  const [early, late] = [new HandInput<string>(), new HandInput<string>()];
  const [first, second] = [new RecordingOutput<string>(), new RecordingOutput<string>()];
  const flow = new Dataflow("two");
  flow.input("early", early).capture(first);
  flow.input("late", late).capture(second);
  const running = run(flow, { clock, epoch });
  early.push("a");
  early.end();
  await eventually(() => first.only("prepare").length === 1, "the early pipeline has ended");
  await nextEpoch(clock, second);
  late.push("b");
  await eventually(() => second.items.length === 1, "the late item is out");
  await nextEpoch(clock, second);
  late.end();
  await running;
  assertEquals(first.calls, ["write 0: a", "prepare 0", "commit 0", "close"]);
  assertEquals(second.calls, [
    "prepare 0",
    "commit 0",
    "write 1: b",
    "prepare 1",
    "commit 1",
    "prepare 2",
    "commit 2",
    "close",
  ]);
});

Deno.test("epochs go on through a merge when one of its inputs has ended", async () => {
  const clock = new TestClock();
  const [early, late] = [new HandInput<string>(), new HandInput<string>()];
  const output = new RecordingOutput<string>();
  const flow = new Dataflow("merge");
  flow.input("early", early).merge(flow.input("late", late)).capture(output);
  const running = run(flow, { clock, epoch });
  early.push("a");
  early.end();
  await eventually(() => output.items.length === 1, "the early item is out");
  await nextEpoch(clock, output);
  late.push("b");
  await eventually(() => output.items.length === 2, "the late item is out");
  await nextEpoch(clock, output);
  late.end();
  await running;
  assertEquals(output.items, [[0, "a"], [1, "b"]]);
});

Deno.test("an epoch ends for all inputs at a merge before items of the next one pass", async () => {
  const clock = new TestClock();
  const [left, right] = [new HandInput<string>(), new HandInput<string>()];
  const release = Promise.withResolvers<void>();
  const output = new RecordingOutput<string>();
  const flow = new Dataflow("aligned");
  const held = flow.input("left", left).mapAsync(async (item) => {
    await release.promise;
    return item;
  });
  held.merge(flow.input("right", right)).capture(output);
  const running = run(flow, { clock, epoch });
  left.push("left of 0");
  right.push("right of 0");
  await eventually(() => output.items.length === 1, "the right item is out");
  clock.advance(1_000);
  right.push("right of 1"); // overtakes the left side's barrier, and must wait for it
  await idle();
  assertEquals(output.items, [[0, "right of 0"]]);
  release.resolve();
  await eventually(() => output.items.length === 3, "all items are out");
  left.end();
  right.end();
  await running;
  assertEquals(output.items, [[0, "right of 0"], [0, "left of 0"], [1, "right of 1"]]);
});

Deno.test("mapAsync has finished all items of an epoch when the epoch closes", async () => {
  for (const ordered of [true, false]) {
    const clock = new TestClock();
    const input = new HandInput<number>();
    const pending = [1, 2, 3].map(() => Promise.withResolvers<void>());
    const output = new RecordingOutput<number>();
    const flow = new Dataflow("async")
      .input("in", input)
      .mapAsync(async (n) => {
        await pending[n].promise;
        return n;
      }, { ordered })
      .capture(output);
    const running = run(flow, { clock, epoch });
    input.push(0, 1, 2);
    await eventually(() => input.waiting, "the items are in flight");
    clock.advance(1_000);
    pending[1].resolve();
    pending[2].resolve();
    await idle();
    assertEquals(output.only("prepare"), []);
    pending[0].resolve();
    await eventually(() => output.only("commit").length === 1, "the epoch is committed");
    assertEquals(output.items.map(([epoch]) => epoch), [0, 0, 0]);
    assertEquals(output.calls.at(-2), "prepare 0");
    input.end();
    await running;
  }
});

Deno.test("an epoch closes while the input has nothing to read and while it never pauses", async () => {
  const clock = new TestClock();
  const busy = new RecordingOutput<number>();
  let read = 0;
  const endless = {
    open: () =>
      Promise.resolve({
        next: () => {
          if (busy.only("commit").length >= 3) return null;
          return Array.from({ length: 1_000 }, () => read++);
        },
        ready: () => Promise.resolve(),
        positions: () => new Map(),
        close: () => Promise.resolve(),
      }),
  };
  const running = run(new Dataflow("busy").input("in", endless).capture(busy), { clock, epoch });
  for (let n = 0; n < 3; n++) await nextEpoch(clock, busy);
  await running;
  assertEquals(busy.only("commit"), ["commit 0", "commit 1", "commit 2", "commit 3"]);
  assertEquals(busy.items.length, read);
  assertEquals(busy.items.every(([, item], index) => item === index), true);
});

Deno.test("an epoch of any length gives the same result", async () => {
  const items = Array.from({ length: 3_000 }, (_, i): Keyed<number> => [`${i % 7}`, i]);
  const results = await Promise.all([0, 1, 10_000].map(async (interval) => {
    const out: Keyed<number>[] = [];
    await run(
      new Dataflow("sums")
        .input("in", new TestingInputConfig(items, { batchSize: 10 }))
        .mapAsync((item) => Promise.resolve(item), { concurrency: 3 })
        .statefulMap("sum", () => 0, (sum, n) => [sum + n, sum + n])
        .capture(new TestingOutputConfig(out)),
      { epoch: { interval } },
    );
    return out;
  }));
  assertEquals(results[0].length, 3_000);
  assertEquals(results[1], results[0]);
  assertEquals(results[2], results[0]);
});
