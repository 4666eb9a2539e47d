import { assert, assertEquals, assertRejects } from "@std/assert";
import { Dataflow, type Keyed, run, StepError, TestingInputConfig } from "../../../mod.ts";
import type { BuildLogic, Emit, InputConfig } from "../../../src/graph/contracts.ts";
import type { Chain } from "../../../src/runtime/chain.ts";
import { Channel, type Message } from "../../../src/runtime/channel.ts";
import { Outlet } from "../../../src/runtime/outlet.ts";
import { Pace } from "../../../src/runtime/pace.ts";
import { StatefulTask } from "../../../src/runtime/tasks/stateful_task.ts";
import { eventually, idle } from "../../support/eventually.ts";
import { HandInput } from "../../support/runtime/hand_input.ts";
import { RecordingOutput } from "../../support/runtime/recording_output.ts";
import {
  drain,
  paceOf,
  plainOutlet,
  roomyChannel,
  taskHost,
} from "../../support/runtime/task_host.ts";
import { TestClock } from "../../support/clock/test_clock.ts";

const snapshot = () => null;

/** A step whose values give nothing. */
const SILENT = {
  kind: "stateful" as const,
  name: { given: "step" },
  single: false,
  quiet: false,
  combiner: null,
  windowCombiner: null,
  upstreams: [],
  begin: () => () => ({ onItem: () => {}, snapshot }),
};

/** Emits what it got, some time after it came. */
function delayed(clock: TestClock, ms: number): BuildLogic<string, string, null> {
  return () => {
    const waiting: { at: number; value: string }[] = [];
    return {
      onItem: (value) => {
        waiting.push({ at: clock.at + ms, value });
      },
      onNotify: (emit) => {
        while (waiting.length > 0 && waiting[0].at <= clock.at) emit(waiting.shift()!.value);
      },
      notifyAt: () => waiting.length === 0 ? null : new Date(waiting[0].at),
      isDone: () => waiting.length === 0,
      snapshot,
    };
  };
}

/** A run in which a stateful step delays what a test feeds. */
function runDelayed(ms: number) {
  const clock = new TestClock(1_700_000_000_000);
  const input = new HandInput<Keyed<string>>();
  const output = new RecordingOutput<Keyed<string>>();
  const flow = new Dataflow("timers").input("in", input)
    .stateful("delay", delayed(clock, ms))
    .capture(output);
  const stop = new AbortController();
  const running = run(flow, {
    clock,
    epoch: { interval: { hours: 24 } },
    signal: stop.signal,
  });
  const out = () => output.items.map(([, [key, value]]) => `${key}:${value}`);
  return { clock, input, out, running, stop };
}

Deno.test("notifyAt fires by the clock alone when no new items come", async () => {
  const { clock, input, out, running } = runDelayed(1_000);
  input.push(["a", "x"]);
  await eventually(() => input.waiting && clock.sleeps.length === 2, "the timer is set");
  clock.advance(999);
  await idle();
  assertEquals(out(), []);
  clock.advance(1);
  await eventually(() => out().length === 1, "the timer has fired");
  input.end();
  await running;
  assertEquals(out(), ["a:x"]);
});

Deno.test("notifyAt fires for each key at its own time", async () => {
  const { clock, input, out, running } = runDelayed(1_000);
  for (const key of ["a", "b", "c"]) {
    input.push([key, "x"]);
    await eventually(() => input.waiting, "the item is read");
    await idle();
    clock.advance(100);
  }
  await idle();
  clock.advance(700); // 1000 after the first
  await eventually(() => out().length === 1, "the first has fired");
  clock.advance(100);
  await eventually(() => out().length === 2, "the second has fired");
  assertEquals(out(), ["a:x", "b:x"]);
  clock.advance(100);
  await eventually(() => out().length === 3, "the third has fired");
  input.end();
  await running;
  assertEquals(out(), ["a:x", "b:x", "c:x"]);
});

Deno.test("notifyAt fires again at the time of an item that came after it fired", async () => {
  const { clock, input, out, running } = runDelayed(1_000);
  for (const value of ["1", "2"]) {
    input.push(["a", value]);
    await eventually(() => input.waiting, "the item is read");
    await idle();
    clock.advance(999);
    await idle();
    assertEquals(out().includes(`a:${value}`), false);
    clock.advance(1);
    await eventually(() => out().includes(`a:${value}`), "the timer has fired");
  }
  input.end();
  await running;
  assertEquals(out(), ["a:1", "a:2"]);
});

Deno.test("a key that wants to be notified for ever holds up neither items nor the end", async () => {
  const clock = new TestClock(1_000);
  const output = new RecordingOutput<Keyed<string>>();
  let notified = 0;
  const items: Keyed<string>[] = [["greedy", "x"], ["a", "1"], ["a", "2"]];
  await run(
    new Dataflow("greedy")
      .input("in", new TestingInputConfig(items, { batchSize: 1 }))
      .stateful<string, string, null>("step", (_, key) => ({
        onItem: (value, emit) => emit(value),
        onNotify: () => notified++,
        onEnd: (emit) => emit("end"),
        notifyAt: () => key === "greedy" ? new Date(0) : null,
        snapshot,
      }))
      .capture(output),
    { clock },
  );
  assertEquals(notified > 0, true);
  assertEquals(output.items.map(([, pair]) => pair), [...items, ["greedy", "end"], ["a", "end"]]);
});

Deno.test("notifyAt fires while items never stop coming", async () => {
  const clock = new TestClock();
  const output = new RecordingOutput<Keyed<string>>();
  let batches = 0;
  const endless: InputConfig<Keyed<string>> = {
    open: () =>
      Promise.resolve({
        next: () => {
          if (output.items.length > 0) return null;
          return batches++ === 0 ? [["timed", "x"]] : [["busy", "x"]];
        },
        ready: () => Promise.resolve(),
        positions: () => new Map(),
        close: () => Promise.resolve(),
      }),
  };
  const flow = new Dataflow("busy").input("in", endless)
    .stateful("delay", delayed(clock, 1_000))
    .filter(([key]) => key === "timed")
    .capture(output);
  const running = run(flow, { clock });
  await eventually(() => batches > 100, "it reads on and on");
  assertEquals(output.items, []);
  clock.advance(1_000);
  await running;
  assertEquals(output.items, [[0, ["timed", "x"]]]);
});

Deno.test("notifyAt does not fire at the end of the input or at a stop", async () => {
  for (const end of ["end", "stop"]) {
    const { clock, input, out, running, stop } = runDelayed(1_000);
    input.push(["a", "x"]);
    await eventually(() => input.waiting, "the item is read");
    await idle();
    clock.advance(999);
    if (end === "end") input.end();
    else stop.abort();
    assertEquals((await running).stopped, end === "stop");
    assertEquals([out(), clock.sleeps], [[], []]);
  }
});

Deno.test("a timer of years is borne, and ends with the run", async () => {
  const year = 365 * 24 * 3_600_000;
  const { clock, input, out, running } = runDelayed(10 * year);
  input.push(["a", "x"]);
  await eventually(() => input.waiting, "the item is read");
  clock.advance(10 * year - 1);
  await idle();
  assertEquals(out(), []);
  input.end();
  await running;
});

Deno.test("isDone forgets a key after an item, also within a batch of any size", async () => {
  for (const batchSize of [1, 2, 1024]) {
    const output = new RecordingOutput<Keyed<string>>();
    let built = 0;
    const items: Keyed<number>[] = [["a", 1], ["a", 2], ["b", 1], ["a", 1], ["b", 2], ["a", 2]];
    await run(
      new Dataflow("done")
        .input("in", new TestingInputConfig(items, { batchSize }))
        .stateful<number, string, null>("pairs", () => {
          const nth = ++built;
          let count = 0;
          return {
            onItem: (value, emit) => {
              count++;
              emit(`${nth}:${value}`);
            },
            onEnd: (emit) => emit("never"),
            isDone: () => count === 2,
            snapshot,
          };
        })
        .capture(output),
    );
    assertEquals(
      output.items.map(([, pair]) => pair),
      [["a", "1:1"], ["a", "1:2"], ["b", "2:1"], ["a", "3:1"], ["b", "2:2"], ["a", "3:2"]],
    );
  }
});

Deno.test("isDone forgets a key after a notification", async () => {
  const { clock, input, out, running } = runDelayed(10);
  for (const value of ["1", "2"]) {
    input.push(["a", value]);
    await eventually(() => input.waiting, "the item is read");
    await idle();
    clock.advance(10);
    await eventually(() => out().at(-1) === `a:${value}`, "the timer has fired");
  }
  input.end();
  await running;
  assertEquals(out(), ["a:1", "a:2"]);
});

Deno.test("a stateful step's error names the step and the item, or the key where no item is to blame", async () => {
  const broken = new Error("broken");
  const fail = (): never => {
    throw broken;
  };
  const onItem = () => {};
  const cases: [BuildLogic<number, string, null>, string][] = [
    [fail, `[ "a", 1 ]`],
    [() => ({ onItem: fail, snapshot }), `[ "a", 1 ]`],
    [() => ({ onItem, isDone: fail, snapshot }), `[ "a", 1 ]`],
    [() => ({ onItem, onEnd: fail, snapshot }), `{ key: "a" }`],
    [() => ({ onItem, notifyAt: () => new Date(0), onNotify: fail, snapshot }), `{ key: "a" }`],
  ];
  for (const [build, item] of cases) {
    const flow = new Dataflow("broken")
      .input("in", new TestingInputConfig<Keyed<number>>([["a", 1]], { batchSize: 1 }))
      .stateful("step", build)
      .capture(new RecordingOutput());
    const error = await assertRejects(() => run(flow), StepError) as StepError;
    assertEquals([error.stepId, error.cause, error.item], ["step", broken, item]);
  }
});

Deno.test("a stateful step sends on all that it emits when one item becomes a hundred thousand", async () => {
  const output = new RecordingOutput<Keyed<number>>();
  const expand = (emit: (n: number) => void) => {
    for (let i = 0; i < 100_000; i++) emit(i);
  };
  await run(
    new Dataflow("wide")
      .input("in", new TestingInputConfig<Keyed<number>>([["a", 1], ["b", 2]]))
      .stateful<number, number, null>(
        "expand",
        () => ({ onItem: (_, emit) => expand(emit), onEnd: expand, snapshot }),
      )
      .map((pair) => pair)
      .capture(output),
  );
  const keys = output.items.map(([, [key]]) => key);
  assertEquals(keys.length, 400_000);
  const times = (key: string) => new Array(100_000).fill(key);
  assertEquals(keys.join(""), ["a", "b", "a", "b"].flatMap(times).join(""));
});

Deno.test("a stateful step sends its last items before the end when they take several pieces", () => {
  const node = {
    ...SILENT,
    begin: () => () => ({
      onItem: () => {},
      onEnd: (emit: Emit<string>) => ["x", "y", "z"].forEach(emit),
      snapshot,
    }),
  };
  const [input, output] = [roomyChannel(), roomyChannel()];
  const pace = paceOf(2);
  const chain: Chain = (batch, from, to, _epoch, outs) => {
    outs[0] = batch.slice(from, to);
    return to;
  };
  const ends: boolean[] = [];
  const host = {
    ...taskHost(),
    pace,
    ended: (_: unknown, stopped: boolean) => ends.push(stopped),
  };
  const outlet = new Outlet(chain, [output], pace, { emit: () => {}, snapshot: () => {} });
  const task = new StatefulTask("step", node, input, outlet, host, 0);
  input.push([["a", 1], ["b", 2]]);
  input.push({ kind: "end", stopped: false });
  while (task.run());
  const messages: unknown[] = [];
  while (!output.empty) messages.push(output.take());
  assertEquals(messages.slice(0, -1).flat().length, 6);
  assertEquals(messages.at(-1), { kind: "end", stopped: false });
  assertEquals(ends, [false]);
});

Deno.test("a stateful step that works long on values that give nothing says that there is something", () => {
  const [input, output] = [roomyChannel(), roomyChannel()];
  const host = taskHost();
  const task = new StatefulTask("step", SILENT, input, plainOutlet(output), host, 0);
  const put = (...messages: Message[]) => {
    for (const message of messages) input.push(message);
    while (task.run());
    return drain(output);
  };
  const values = (count: number) => Array.from({ length: count }, (_, n) => ["key", n]);
  assertEquals(put({ kind: "idle" }), ["idle"]);
  assertEquals(put(values(host.pace.items)), []); // done at once
  assertEquals(put({ kind: "idle" }), []);
  assertEquals(put(values(host.pace.items + 1)), ["active"]);
  assertEquals(put({ kind: "idle" }), ["idle"]);
});

Deno.test("a stateful step is given more values at once while it works them off fast", () => {
  const [input, output] = [new Channel(), new Channel()];
  const host = { ...taskHost(), pace: new Pace() };
  const outlet = new Outlet(null, [output], host.pace, { emit: () => {}, snapshot: () => {} });
  const task = new StatefulTask("step", SILENT, input, outlet, host, 0);
  let given = 0;
  for (let round = 0; round < 60; round++) {
    host.pace.begin(0);
    task.run();
    const { room } = input;
    if (room > 0) {
      input.offered(room);
      input.push(new Array(room).fill(["key", round]));
      given += room;
    }
    host.pace.took(0);
  }
  assert(given > 10_000, `${given} values in 60 rounds`);
});

Deno.test("StatefulTask takes no more values than fill its room with what it emits for them", () => {
  const [input, output] = [roomyChannel(), new Channel({ items: 150, first: 150 })];
  const node = {
    ...SILENT,
    begin: (): BuildLogic<number, number, null> => () => ({
      onItem: (n, emit) => {
        for (let out = 0; out < 100; out++) emit(n);
      },
      snapshot,
    }),
  };
  const task = new StatefulTask("many", node as never, input, plainOutlet(output), taskHost(), 0);
  input.push([["key", 0]]);
  assertEquals([task.run(), drain(output).flat().length], [true, 100]);
  input.push(Array.from({ length: 50 }, (_, n) => ["key", n]));
  for (let n = 0; n < 3; n++) task.run();
  assertEquals(drain(output).flat().length, 100);
  assertEquals((drain(input)[0] as unknown[]).length, 49);
});
