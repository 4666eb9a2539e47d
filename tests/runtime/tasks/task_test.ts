/** What tasks say they wait for, after a turn without work. */
import { assertEquals } from "@std/assert";
import type { AsyncNode, StatefulNode } from "../../../src/graph/nodes.ts";
import { Channel } from "../../../src/runtime/channel.ts";
import { AsyncTask } from "../../../src/runtime/tasks/async_task.ts";
import { MergeTask } from "../../../src/runtime/tasks/merge_task.ts";
import { SinkTask } from "../../../src/runtime/tasks/sink_task.ts";
import { SourceTask } from "../../../src/runtime/tasks/source_task.ts";
import { StatefulTask } from "../../../src/runtime/tasks/stateful_task.ts";
import type { Task } from "../../../src/runtime/tasks/task.ts";
import { plainOutlet, roomyChannel, taskHost } from "../../support/runtime/task_host.ts";

const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0));

/** A channel that one item fills. */
const narrow = (): Channel => new Channel({ items: 1 });

/** Runs a task until it has nothing to do. Returns what it waits for, and what waits for it. */
function rest(task: Task): [Task["waits"], number] {
  while (task.run());
  return [task.waits, task.queued];
}

Deno.test("an input is kept back by a full channel, unless it has nothing to read", async () => {
  const output = narrow();
  let ready = () => {};
  const batches = [[1], [2], []];
  const reader = {
    next: () => batches.shift() ?? null,
    ready: () => new Promise<void>((resolve) => ready = resolve),
    positions: () => new Map(),
    close: () => Promise.resolve(),
  };
  const options = { epoch: 0, tellsActivity: false };
  const task = new SourceTask("in", reader, plainOutlet(output), taskHost(), options);
  assertEquals(rest(task), ["room", 0]);
  output.take();
  assertEquals(rest(task), ["room", 0]);
  output.take();
  assertEquals(rest(task), [null, 0]); // it waits for items
  output.push([3]);
  assertEquals(rest(task), [null, 0]);
  ready();
  await turn();
  assertEquals(rest(task), ["room", 0]);
  output.take();
  rest(task);
  output.push([4]);
  assertEquals(rest(task), [null, 0]); // it has ended
});

Deno.test("a merge is kept back by a full channel while items wait in front of it", () => {
  const [inputs, output] = [[roomyChannel(), roomyChannel()], narrow()];
  const task = new MergeTask("merge", inputs, plainOutlet(output), taskHost(), 0);
  output.push([0]);
  assertEquals(rest(task), [null, 0]);
  inputs[0].push([1, 2]);
  inputs[1].push([3]);
  assertEquals(rest(task), ["room", 3]);
  output.take();
  assertEquals(rest(task), ["room", 2]);
  // What waits for the end of the epoch in the other channel is not kept back by a full one.
  for (let taken = 0; taken < 3; taken++) output.take(), rest(task);
  inputs[0].push({ kind: "barrier", epoch: 0 });
  inputs[0].push([4]);
  assertEquals(rest(task), [null, 1]);
});

const STEP: StatefulNode = {
  kind: "stateful",
  name: { given: "step" },
  single: false,
  quiet: false,
  combiner: null,
  windowCombiner: null,
  upstreams: [],
  begin: () => () => ({ onItem: (value, emit) => emit(value), snapshot: () => null }),
};

Deno.test("a stateful step is kept back by a full channel while it has values", () => {
  const [input, output] = [roomyChannel(), narrow()];
  const task = new StatefulTask("step", STEP, input, plainOutlet(output), taskHost(), 0);
  output.push([0]);
  assertEquals(rest(task), [null, 0]);
  input.push([["a", 1], ["a", 2]]);
  assertEquals(rest(task), ["room", 2]);
  output.take();
  assertEquals(rest(task), ["room", 1]);
  output.take();
  assertEquals(rest(task), [null, 0]);
});

Deno.test("mapAsync waits for its calls once it may make no more, and for room with results", async () => {
  const held: PromiseWithResolvers<number>[] = [];
  const node: AsyncNode = {
    kind: "async",
    name: { given: "look" },
    fn: () => {
      held.push(Promise.withResolvers());
      return held.at(-1)!.promise;
    },
    concurrency: 2,
    ordered: true,
    upstreams: [],
  };
  const [input, output] = [roomyChannel(), narrow()];
  const task = new AsyncTask("look", node, input, plainOutlet(output), taskHost(), 0);
  assertEquals(rest(task), [null, 0]);
  input.push([1]);
  assertEquals(rest(task), [null, 0]); // it could make another call
  input.push([2, 3]);
  assertEquals(rest(task), ["calls", 1]);
  output.push([0]);
  assertEquals(rest(task), ["calls", 1]);
  held[1].resolve(2);
  await turn();
  assertEquals(rest(task), ["calls", 1]); // the first one comes first
  held[0].resolve(1);
  await turn();
  assertEquals(rest(task), ["room", 1]);
  for (let taken = 0; taken < 3; taken++) output.take(), rest(task);
  assertEquals(rest(task), [null, 0]);
  input.push({ kind: "barrier", epoch: 0 });
  assertEquals(rest(task), ["calls", 0]); // no other call before the end of the epoch
});

Deno.test("an output waits for its calls", async () => {
  let written = () => {};
  let now = 100;
  const writer = {
    write: () => new Promise<void>((resolve) => written = resolve),
    prepare: () =>
      new Promise<Map<string, unknown>>((resolve) => written = () => resolve(new Map())),
    close: () => Promise.resolve(),
  };
  const input = roomyChannel();
  const options = { epoch: 0, onWrite: () => {} };
  const task = new SinkTask("out", writer, input, taskHost(() => now), options);
  assertEquals(rest(task), [null, 0]);
  input.push([1]);
  assertEquals(rest(task), ["calls", 0]);
  input.push([2, 3]);
  input.push({ kind: "barrier", epoch: 0 });
  assertEquals(rest(task), ["calls", 2]);
  for (let call = 0; call < 2; call++) {
    written();
    await turn();
    assertEquals(rest(task), ["calls", 0]);
  }
  assertEquals(task.reading, { step: "out", prepareMs: null, transactions: null });
  now = 130;
  written();
  await turn();
  assertEquals(rest(task), [null, 0]);
  assertEquals(task.reading, { step: "out", prepareMs: 30, transactions: null });
});
