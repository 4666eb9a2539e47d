import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import {
  createLog,
  Dataflow,
  FlowDefinitionError,
  type InputConfig,
  type Keyed,
  ManualInputConfig,
  ManualOutputConfig,
  MemoryRecoveryConfig,
  type Place,
  run,
  type RunOptions,
  type StatefulLogic,
  StepError,
  TestingInputConfig,
  TestingOutputConfig,
} from "../../mod.ts";
import { eventually, idle } from "../support/eventually.ts";
import { HandInput } from "../support/runtime/hand_input.ts";
import { RecordingOutput } from "../support/runtime/recording_output.ts";
import { TestClock } from "../support/clock/test_clock.ts";

/** Whether a promise is settled by now. */
async function isPending(promise: Promise<unknown>): Promise<boolean> {
  const pending = Symbol();
  await idle();
  return await Promise.race([promise.catch(() => {}), Promise.resolve(pending)]) === pending;
}

/** The error that a run ends with. */
async function failureOf(running: Promise<unknown>): Promise<StepError> {
  return await assertRejects(() => running, StepError) as StepError;
}

Deno.test("run() gives each step's counts in the order in which the steps were written", async () => {
  const flow = new Dataflow("counts");
  const numbers = flow.input("numbers", new TestingInputConfig([1, 2, 3, 4, 5, 6]));
  const [small, large] = numbers.map((n) => n * 2).branch((n) => n < 5);
  small.flatMap((n) => [n, n, n]).capture("small", new RecordingOutput());
  large.keyOn(() => "all").countFinal("count").capture(new RecordingOutput());
  large.merge(small).mapAsync((n) => Promise.resolve(n)).inspect(() => {});
  const { steps, stopped } = await run(flow);
  assertEquals(stopped, false);
  assertEquals(steps.map(({ stepId, kind, in: into, out }) => [stepId, kind, into, out]), [
    ["numbers", "input", 0, 6],
    ["map-1", "map", 6, 6],
    ["branch-1", "branch", 6, 6],
    ["yes", "branch", 6, 2],
    ["no", "branch", 6, 4],
    ["flatMap-1", "flatMap", 2, 6],
    ["small", "capture", 6, 0],
    ["keyOn-1", "keyOn", 4, 4],
    ["count", "stateful", 4, 1],
    ["capture-1", "capture", 1, 0],
    ["merge-1", "merge", 6, 6],
    ["mapAsync-1", "async", 6, 6],
    ["inspect-1", "inspect", 6, 6],
  ]);
});

Deno.test("run() runs one flow again from the start when called twice", async () => {
  const out: number[] = [];
  const flow = new Dataflow("again")
    .input("in", new TestingInputConfig([1, 2]))
    .capture(new TestingOutputConfig(out));
  await run(flow);
  await run(flow);
  assertEquals(out, [1, 2, 1, 2]);
});

Deno.test("run() keeps two flows apart when they run at once", async () => {
  const [ones, twos]: number[][] = [[], []];
  const flow = (factor: number, out: number[]) =>
    new Dataflow("same")
      .input("in", new TestingInputConfig([1, 2, 3], { batchSize: 1 }))
      .map((n) => n * factor)
      .capture(new TestingOutputConfig(out));
  await Promise.all([run(flow(1, ones)), run(flow(2, twos))]);
  assertEquals([ones, twos], [[1, 2, 3], [2, 4, 6]]);
});

Deno.test("run() rejects before it opens anything when the flow has no output", async () => {
  const input = new HandInput<number>();
  const flow = new Dataflow("blind").input("in", input);
  await assertRejects(async () => await run(flow), FlowDefinitionError, "has no output");
  assertEquals(input.calls, []);
});

Deno.test("run() refuses what is not a flow, and invalid durations", async () => {
  await assertRejects(async () => await run({} as Dataflow), TypeError, "expected a Dataflow");
  const flow = new Dataflow("f").input("in", new TestingInputConfig([1]))
    .capture(new TestingOutputConfig<number>([]));
  await assertRejects(
    async () => await run(flow, { epoch: { interval: -1 } }),
    RangeError,
    "the epoch interval must be zero or more",
  );
  await assertRejects(
    async () => await run(flow, { stopTimeout: 0 }),
    RangeError,
    "the stop timeout must be more than zero; got 0 ms",
  );
  await assertRejects(
    async () => await run(flow, { recover: null } as RunOptions),
    TypeError,
    'run has no option "recover"; it has: epoch, recovery,',
  );
});

Deno.test("run() reads several inputs when they become ready in any order", async () => {
  const [left, right] = [new HandInput<string>(), new HandInput<string>()];
  const out: string[] = [];
  const flow = new Dataflow("two");
  const merged = flow.input("left", left).merge(flow.input("right", right));
  merged.capture(new TestingOutputConfig(out));
  const running = run(flow);
  await eventually(() => left.waiting && right.waiting, "both inputs wait");
  right.push("r1", "r2");
  await eventually(() => out.length === 2, "the right input's items are out");
  left.push("l1");
  await eventually(() => out.length === 3, "the left input's item is out");
  left.end();
  await eventually(() => right.waiting, "the right input goes on alone");
  right.push("r3");
  right.end();
  await running;
  assertEquals(out, ["r1", "r2", "l1", "r3"]);
});

Deno.test("run() keeps each stream's order when it merges inputs", async () => {
  const numbers = (from: number) => Array.from({ length: 5_000 }, (_, i) => 2 * i + from);
  for (const batchSize of [1, 2, 1024]) {
    const out: number[] = [];
    const flow = new Dataflow("order");
    const evens = flow.input("evens", new TestingInputConfig(numbers(0), { batchSize }));
    const odds = flow.input("odds", new TestingInputConfig(numbers(1), { batchSize }));
    evens.merge(odds).capture(new TestingOutputConfig(out));
    await run(flow);
    assertEquals(out.filter((n) => n % 2 === 0), numbers(0));
    assertEquals(out.filter((n) => n % 2 === 1), numbers(1));
  }
});

// The ends of a run.

/** Emits what it was told to do, with its key. */
class Telltale implements StatefulLogic<number, string, null> {
  constructor(readonly key: string) {}
  onItem(value: number, emit: (told: string) => void): void {
    emit(`item ${value}`);
  }
  onEnd(emit: (told: string) => void): void {
    emit("end");
  }
  snapshot(): null {
    return null;
  }
}

Deno.test("onEnd is called once a key when the input ends", async () => {
  const out: Keyed<string>[] = [];
  await run(
    new Dataflow("ends")
      .input("in", new TestingInputConfig<Keyed<number>>([["a", 1], ["b", 2], ["a", 3]]))
      .stateful("tell", (_: null | undefined, key) => new Telltale(key))
      .capture(new TestingOutputConfig(out)),
  );
  assertEquals(out, [
    ["a", "item 1"],
    ["b", "item 2"],
    ["a", "item 3"],
    ["a", "end"],
    ["b", "end"],
  ]);
});

Deno.test("onEnd is called when a chain of stateful steps ends, upstream first", async () => {
  const out: Keyed<string>[] = [];
  await run(
    new Dataflow("ends")
      .input("in", new TestingInputConfig<Keyed<number>>([["a", 1], ["a", 3]]))
      .reduceFinal("sum", (a, b) => a + b)
      .stateful("tell", (_: null | undefined, key) => new Telltale(key))
      .capture(new TestingOutputConfig(out)),
  );
  assertEquals(out, [["a", "item 4"], ["a", "end"]]);
});

Deno.test("onEnd is not called when the run is stopped", async () => {
  const input = new HandInput<Keyed<number>>();
  const out: Keyed<string>[] = [];
  const stop = new AbortController();
  const running = run(
    new Dataflow("stopped")
      .input("in", input)
      .stateful("tell", (_: null | undefined, key) => new Telltale(key))
      .capture(new TestingOutputConfig(out)),
    { signal: stop.signal },
  );
  input.push(["a", 1]);
  await eventually(() => out.length === 1, "the item is out");
  stop.abort();
  assertEquals((await running).stopped, true);
  assertEquals(out, [["a", "item 1"]]);
});

Deno.test("onEnd is not called when only one of the inputs had ended before the stop", async () => {
  const [ended, endless] = [new HandInput<Keyed<number>>(), new HandInput<Keyed<number>>()];
  const out: Keyed<string>[] = [];
  const stop = new AbortController();
  const flow = new Dataflow("half");
  flow.input("ended", ended).merge(flow.input("endless", endless))
    .stateful("tell", (_: null | undefined, key) => new Telltale(key))
    .capture(new TestingOutputConfig(out));
  const running = run(flow, { signal: stop.signal });
  ended.push(["a", 1]);
  ended.end();
  await eventually(() => out.length === 1 && endless.waiting, "one input has ended");
  await idle();
  stop.abort();
  assertEquals((await running).stopped, true);
  assertEquals(out, [["a", "item 1"]]);
});

Deno.test("onEnd is not called when the end of an input arrives after the stop of another", async () => {
  const [ended, endless] = [new HandInput<Keyed<number>>(), new HandInput<Keyed<number>>()];
  const release = Promise.withResolvers<void>();
  const out: Keyed<string>[] = [];
  const stop = new AbortController();
  const flow = new Dataflow("late end");
  const held = flow.input("ended", ended).mapAsync(async (pair): Promise<Keyed<number>> => {
    await release.promise;
    return pair;
  });
  held.merge(flow.input("endless", endless))
    .stateful("tell", (_: null | undefined, key) => new Telltale(key))
    .capture(new TestingOutputConfig(out));
  const running = run(flow, { signal: stop.signal });
  ended.push(["a", 1]);
  ended.end();
  await eventually(() => endless.waiting, "both inputs are read");
  await idle();
  stop.abort();
  await idle();
  release.resolve();
  assertEquals((await running).stopped, true);
  assertEquals(out, [["a", "item 1"]]);
});

Deno.test("run() writes all it has read when it is stopped, and closes the generator", async () => {
  const stop = new AbortController();
  const read: number[] = [];
  const out: number[] = [];
  let closed = 0;
  const result = await run(
    new Dataflow("stop")
      .input(
        "in",
        new ManualInputConfig<number>(function* () {
          try {
            for (let n = 0;; n++) {
              read.push(n);
              if (n === 5_000) stop.abort();
              yield [null, n];
            }
          } finally {
            closed++;
          }
        }),
      )
      .mapAsync(async (n) => await Promise.resolve(n))
      .capture(new TestingOutputConfig(out)),
    { signal: stop.signal },
  );
  assertEquals(result.stopped, true);
  assertEquals(closed, 1);
  assert(read.length > 5_000);
  assertEquals(out, read);
});

Deno.test("run() stops a waiting async generator, whose finally block runs", async () => {
  const stop = new AbortController();
  const out: number[] = [];
  const released = Promise.withResolvers<void>();
  let closed = 0;
  const running = run(
    new Dataflow("stop")
      .input(
        "in",
        new ManualInputConfig<number>(async function* () {
          try {
            yield [null, 1];
            await released.promise;
          } finally {
            closed++;
          }
        }),
      )
      .capture(new TestingOutputConfig(out)),
    { signal: stop.signal },
  );
  await eventually(() => out.length === 1, "the first item is out");
  stop.abort();
  await idle();
  released.resolve();
  assertEquals((await running).stopped, true);
  assertEquals([out, closed], [[1], 1]);
});

Deno.test("run() reads nothing when the signal is aborted already", async () => {
  const input = new HandInput<number>();
  const output = new RecordingOutput<number>();
  input.push(1);
  const result = await run(new Dataflow("never").input("in", input).capture(output), {
    signal: AbortSignal.abort(),
  });
  assertEquals(result.stopped, true);
  assertEquals(input.calls, []);
  assertEquals(output.calls, []);
});

Deno.test("run() is not stopped when the signal is aborted after the input's end", async () => {
  const stop = new AbortController();
  const output = new RecordingOutput<number>({ close: () => stop.abort() });
  const flow = new Dataflow("late").input("in", new TestingInputConfig([1])).capture(output);
  assertEquals((await run(flow, { signal: stop.signal })).stopped, false);
});

Deno.test("run() lets go of the signal when it is done", async () => {
  const stop = new AbortController();
  let listeners = 0;
  const { signal } = stop;
  const [add, remove] = [signal.addEventListener, signal.removeEventListener];
  signal.addEventListener = (...args: Parameters<typeof add>) => {
    listeners++;
    add.apply(signal, args);
  };
  signal.removeEventListener = (...args: Parameters<typeof remove>) => {
    listeners--;
    remove.apply(signal, args);
  };
  await run(
    new Dataflow("f").input("in", new TestingInputConfig([1]))
      .capture(new TestingOutputConfig<number>([])),
    { signal },
  );
  assertEquals(listeners, 0);
});

Deno.test("place.stop() stops the run gracefully", async () => {
  const input = new HandInput<number>();
  const output = new RecordingOutput<number>();
  const running = run(new Dataflow("stop").input("in", input).capture(output));
  input.push(1, 2);
  await eventually(() => output.items.length === 2, "the items are out");
  output.place!.stop();
  output.place!.stop();
  assertEquals((await running).stopped, true);
  assertEquals(output.only("prepare", "commit", "close"), ["prepare 0", "commit 0", "close"]);
});

for (const recovery of [undefined, new MemoryRecoveryConfig()]) {
  const how = recovery === undefined ? "without" : "with";
  Deno.test(`place.recovery tells how the run keeps its state, ${how} a store`, async () => {
    const expected = recovery === undefined ? null : { intervalMs: 2_500 };
    const seen: [string, Place["recovery"]][] = [];
    const output = new RecordingOutput<number>();
    const input: InputConfig<number> = {
      plan: (at) => {
        seen.push(["plan", at.recovery]);
        return Promise.resolve(null);
      },
      open: (at, resume) => {
        seen.push(["open", at.recovery]);
        return new TestingInputConfig([1]).open(at, resume);
      },
    };
    const flow = new Dataflow("placed").input("in", input).capture("out", output);
    await run(flow, { recovery, epoch: { interval: 2_500 } });
    assertEquals(seen, [["plan", expected], ["open", expected]]);
    assertEquals(output.place!.recovery, expected);
  });
}

Deno.test("place.signal is aborted by a failure and not by a graceful stop", async () => {
  const aborted = async (end: (input: HandInput<number>) => void): Promise<boolean> => {
    const input = new HandInput<number>();
    const output: RecordingOutput<number> = new RecordingOutput({
      close: () => {
        atClose = output.place!.signal.aborted;
      },
    });
    let atClose = false;
    const running = run(new Dataflow("signal").input("in", input).capture(output));
    await eventually(() => input.waiting, "the input waits");
    end(input);
    await running.catch(() => {});
    return atClose;
  };
  assertEquals(await aborted((input) => input.throwNext(new Error("broken"))), true);
  assertEquals(await aborted((input) => input.place!.stop()), false);
});

// Errors.

Deno.test("run() closes inputs and outputs once when a step fails, and gives the user's error", async () => {
  const broken = new Error("no twos");
  const output = new RecordingOutput<number>();
  let closed = 0;
  const flow = new Dataflow("fails")
    .input(
      "in",
      new ManualInputConfig<number>(function* () {
        try {
          for (let n = 0;; n++) yield [null, n];
        } finally {
          closed++;
        }
      }),
    )
    .map(function half(n) {
      if (n === 2) throw broken;
      return n / 2;
    })
    .capture(output);
  const error = await failureOf(run(flow));
  assertStrictEquals(error.cause, broken);
  assertEquals([error.stepId, error.worker, error.item], ["half", 0, "2"]);
  assertEquals(error.message, `step "half" failed on worker 0: Error: no twos; item: 2`);
  assertEquals(closed, 1);
  assertEquals(output.only("prepare", "commit", "close"), ["close"]);
});

Deno.test("run() names the input when it cannot be opened, and closes the outputs", async () => {
  const output = new RecordingOutput<number>();
  const broken = new Error("no such file");
  const flow = new Dataflow("fails")
    .input<number>("in", { open: () => Promise.reject(broken) })
    .capture(output);
  const error = await failureOf(run(flow));
  assertEquals([error.stepId, error.cause, error.item], ["in", broken, undefined]);
  assertEquals(output.calls, ["close"]);
});

Deno.test("run() names the output when it cannot be opened, and opens no input", async () => {
  const input = new HandInput<number>();
  const first = new RecordingOutput<number>();
  const flow = new Dataflow("fails");
  flow.input("in", input).capture(first).capture("out", {
    open: () => {
      throw new Error("no broker");
    },
  });
  const error = await failureOf(run(flow));
  assertEquals([error.stepId, (error.cause as Error).message], ["out", "no broker"]);
  assertEquals(input.calls, []);
  assertEquals(first.calls, ["close"]);
});

Deno.test("run() names the input when next() throws", async () => {
  const input = new HandInput<number>();
  const running = run(new Dataflow("f").input("in", input).capture(new RecordingOutput()));
  await eventually(() => input.waiting, "the input waits");
  const broken = new Error("gone");
  input.throwNext(broken);
  const error = await failureOf(running);
  assertEquals([error.stepId, error.cause], ["in", broken]);
  assertEquals(input.calls.filter((call) => call === "close"), ["close"]);
});

Deno.test("run() names the input when ready() rejects", async () => {
  const input = new HandInput<number>();
  const running = run(new Dataflow("f").input("in", input).capture(new RecordingOutput()));
  await eventually(() => input.waiting, "the input waits");
  const broken = new Error("connection lost");
  input.rejectReady(broken);
  const error = await failureOf(running);
  assertEquals([error.stepId, error.cause], ["in", broken]);
});

Deno.test("run() names the output when write() throws or rejects", async () => {
  const broken = new Error("disk full");
  const writes = [
    (): void => {
      throw broken;
    },
    () => Promise.reject(broken),
  ];
  for (const write of writes) {
    let closed = 0;
    const flow = new Dataflow("f").input("in", new TestingInputConfig([1])).capture("out", {
      open: () =>
        Promise.resolve({
          write,
          prepare: () => Promise.resolve(new Map()),
          close: () => {
            closed++;
            return Promise.resolve();
          },
        }),
    });
    const error = await failureOf(run(flow));
    assertEquals([error.stepId, error.cause, closed], ["out", broken, 1]);
  }
});

Deno.test("run() fails when prepare() rejects, also for the last epoch", async () => {
  const broken = new Error("not acknowledged");
  const output = new RecordingOutput<number>({ prepare: () => Promise.reject(broken) });
  const flow = new Dataflow("f").input("in", new TestingInputConfig([1])).capture("out", output);
  const error = await failureOf(run(flow));
  assertEquals([error.stepId, error.cause], ["out", broken]);
  assertEquals(output.only("prepare", "commit", "close"), ["prepare 0", "close"]);
});

Deno.test("run() fails when commit() rejects, also for the last epoch", async () => {
  const broken = new Error("not renamed");
  const output = new RecordingOutput<number>({ commit: () => Promise.reject(broken) });
  const flow = new Dataflow("f").input("in", new TestingInputConfig([1])).capture("out", output);
  const error = await failureOf(run(flow));
  assertEquals([error.stepId, error.cause], ["out", broken]);
});

Deno.test("run() fails when commit() of an epoch in between rejects", async () => {
  const clock = new TestClock();
  const input = new HandInput<number>();
  const broken = new Error("not renamed");
  const output = new RecordingOutput<number>({ commit: () => Promise.reject(broken) });
  const running = run(new Dataflow("f").input("in", input).capture("out", output), { clock });
  await eventually(() => input.waiting, "the input waits");
  clock.advance(10_000);
  const error = await failureOf(running);
  assertEquals([error.stepId, error.cause], ["out", broken]);
});

Deno.test("place.fail() ends the run at once, though nothing else happens", async () => {
  const input = new HandInput<number>();
  const output = new RecordingOutput<number>();
  const running = run(new Dataflow("f").input("in", input).capture("out", output));
  await eventually(() => input.waiting, "the input waits");
  const broken = new Error("the producer died");
  output.place!.fail(broken);
  output.place!.fail(new Error("a second fault that follows from the first"));
  const error = await failureOf(running);
  assertEquals([error.stepId, error.cause], ["out", broken]);
  assertEquals(input.calls.at(-1), "close");
});

Deno.test("place.fail() ends the run when a write would hang for ever without the signal", async () => {
  const output: RecordingOutput<number> = new RecordingOutput({
    write: () =>
      new Promise((_, reject) => {
        const { signal } = output.place!;
        signal.addEventListener("abort", () => reject(signal.reason), { once: true });
      }),
  });
  const flow = new Dataflow("f").input("in", new TestingInputConfig([1])).capture("out", output);
  const running = run(flow);
  await eventually(() => output.only("write").length === 1, "a write hangs");
  const broken = new Error("lost");
  output.place!.fail(broken);
  const error = await failureOf(running);
  assertEquals([error.stepId, error.cause], ["out", broken]);
});

Deno.test("run() succeeds with a warning when an output fails to close", async () => {
  const lines: string[] = [];
  const log = createLog((level, message) => lines.push(`${level}: ${message}`));
  const output = new RecordingOutput<number>({ close: () => Promise.reject(new Error("stuck")) });
  await run(
    new Dataflow("f").input("in", new TestingInputConfig([1])).capture("out", output),
    { log },
  );
  assertEquals(lines, [`warn: step "out" failed to close: Error: stuck`]);
});

Deno.test("an output is closed only when its last call is over, also after another step failed", async () => {
  const written = Promise.withResolvers<void>();
  const slow = new RecordingOutput<number>({ write: () => written.promise });
  const input = new HandInput<number>();
  const flow = new Dataflow("f");
  flow.input("in", input).capture("slow", slow).inspect((n) => {
    if (n === 2) throw new Error("two");
  });
  const running = run(flow);
  const failed = failureOf(running);
  input.push(1);
  await eventually(() => slow.only("write").length === 1, "the slow output writes");
  input.push(2);
  await idle();
  written.resolve();
  await failed;
  assertEquals(slow.concurrent, []);
  assertEquals(slow.only("close"), ["close"]);
});

// Backpressure.

Deno.test("a slow output slows the input down when it is behind by some thousand items", async () => {
  const count = 50_000;
  let taken = 0;
  const gate = Promise.withResolvers<void>();
  const written: number[] = [];
  const flow = new Dataflow("slow")
    .input(
      "in",
      new ManualInputConfig<number>(function* () {
        for (; taken < count; taken++) yield [null, taken];
      }),
    )
    .map((n) => n)
    .capture(
      new ManualOutputConfig<number>(() => async (n) => {
        if (n === 0) await gate.promise;
        written.push(n);
      }),
    );
  const running = run(flow);
  await eventually(() => taken > 0, "the input is read");
  assert(await isPending(running));
  // A full channel, the batch that filled it, the one being written and one held back at most.
  assert(taken <= 8192 + 3 * 1024, `${taken} items taken ahead of the output`);
  gate.resolve();
  await running;
  assertEquals(written, Array.from({ length: count }, (_, i) => i));
});

Deno.test("a flatMap that makes much of little fills no memory when the output is slow", async () => {
  let made = 0;
  const gate = Promise.withResolvers<void>();
  let written = 0;
  const flow = new Dataflow("wide")
    .input("in", new TestingInputConfig(Array.from({ length: 1_000 }, (_, i) => i)))
    .flatMap(function* (n) {
      for (let i = 0; i < 1_000; i++, made++) yield n;
    })
    .capture(
      new ManualOutputConfig<number>(() => async () => {
        if (written++ === 0) await gate.promise;
      }),
    );
  const running = run(flow);
  await eventually(() => made > 0, "items are made");
  assert(await isPending(running));
  // The loop pauses after 4096 items and the last item's thousand; so does what is being written.
  assert(made <= 8192 + 3 * (4096 + 1_000), `${made} items made ahead of the output`);
  gate.resolve();
  await running;
  assertEquals(written, 1_000_000);
});

Deno.test("a slow output slows down both inputs of a merge", async () => {
  const taken = [0, 0];
  const gate = Promise.withResolvers<void>();
  let written = 0;
  const flow = new Dataflow("slow");
  const input = (index: number) =>
    flow.input(
      `in-${index}`,
      new ManualInputConfig<number>(function* () {
        for (; taken[index] < 50_000; taken[index]++) yield [null, index];
      }),
    );
  input(0).merge(input(1)).capture(
    new ManualOutputConfig<number>(() => async () => {
      if (written++ === 0) await gate.promise;
    }),
  );
  const running = run(flow);
  await eventually(() => taken[0] > 0 && taken[1] > 0, "both inputs are read");
  assert(await isPending(running));
  for (const count of taken) assert(count <= 2 * (8192 + 2 * 1024), `${count} items taken`);
  gate.resolve();
  await running;
  assertEquals(written, 100_000);
});

Deno.test("an async generator is not read far ahead when the output is slow", async () => {
  let taken = 0;
  const gate = Promise.withResolvers<void>();
  let written = 0;
  const running = run(
    new Dataflow("slow")
      .input(
        "in",
        new ManualInputConfig<number>(async function* () {
          for (; taken < 30_000; taken++) yield [null, taken];
        }),
      )
      .capture(
        new ManualOutputConfig<number>(() => async () => {
          if (written++ === 0) await gate.promise;
        }),
      ),
  );
  await eventually(() => written > 0, "an item is being written");
  for (let before = -1; before !== taken; await idle()) before = taken;
  assert(taken <= 1024, `${taken} items taken ahead of the output`);
  gate.resolve();
  await running;
  assertEquals(written, 30_000);
});

/** Runs until nothing more is taken while calls of mapAsync are pending. Returns how many were. */
async function takenAhead<T>(concurrency: number, source: (take: () => void) => AsyncGenerator<T>) {
  let taken = 0;
  const gate = Promise.withResolvers<void>();
  let called = 0;
  const stop = new AbortController();
  const flow = new Dataflow("calls")
    .input(
      "in",
      new ManualInputConfig<T, null>(async function* () {
        for await (const item of source(() => taken++)) yield [null, item];
      }),
    )
    .mapAsync(async () => {
      called++;
      await gate.promise;
    }, { concurrency })
    .capture(new RecordingOutput());
  const running = run(flow, { signal: stop.signal });
  await eventually(() => called === concurrency, "all calls are pending");
  for (let before = -1; before !== taken; await idle()) before = taken;
  stop.abort();
  gate.resolve();
  await running;
  assertEquals(called, taken); // what was taken is worked off
  return taken;
}

Deno.test("a few items wait for the calls of mapAsync, so that a stop and an epoch do not", async () => {
  const taken = await takenAhead(16, async function* (take) {
    for (let n = 0;; n++) {
      take();
      yield n;
    }
  });
  assert(taken <= 4 * 16, `${taken} items were taken for 16 calls`);
});

Deno.test("large items that wait for mapAsync take a bounded number of bytes", async () => {
  const taken = await takenAhead(1, async function* (take) {
    for (;;) {
      take();
      yield new Uint8Array(4 << 20);
    }
  });
  assert(taken * 4 <= 64, `${taken * 4} MiB were taken for one call`);
});

Deno.test("large items that wait in many channels take a bounded number of bytes together", async () => {
  const MERGES = 24;
  const MIB = 1 << 20;
  let taken = 0;
  const gate = Promise.withResolvers<void>();
  const stop = new AbortController();
  const root = new Dataflow("long");
  let flow: Dataflow<number | Uint8Array> = root.input(
    "in",
    new ManualInputConfig<number | Uint8Array>(function* () {
      for (let n = 0; n < 100_000; n++) yield [null, n]; // channels grow
      for (;;) {
        taken++;
        yield [null, new Uint8Array(MIB)];
      }
    }),
  );
  for (let n = 0; n < MERGES; n++) {
    flow = flow.merge(root.input(`empty-${n}`, new TestingInputConfig<number>([])));
  }
  const output = new RecordingOutput<number>();
  const running = run(
    flow.mapAsync(async (item) => {
      if (typeof item !== "number") await gate.promise;
      return 1;
    }, { concurrency: 1_000 }).capture(output),
    { signal: stop.signal },
  );
  await eventually(() => taken > 0, "the large items come");
  for (let before = -1; before !== taken; await idle()) before = taken;
  stop.abort();
  gate.resolve();
  await running;
  // Beside those in flight, 64 in all channels, and in each a part of one more.
  assert(taken <= 1_000 + 64 + 2 * MERGES, `${taken - 1_000} MiB wait`);
});
