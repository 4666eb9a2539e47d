/** A worker's side of the conversation: the test plays the conductor. */
import { assertEquals } from "@std/assert";
import { Dataflow, type StepError } from "../../../mod.ts";
import { silentLog } from "../../../src/core/log.ts";
import { graphOf } from "../../../src/graph/graph.ts";
import type { Instruction, InstructionOf } from "../../../src/runtime/run/messages.ts";
import { type LaterReport, WorkerSession } from "../../../src/runtime/run/worker_session.ts";
import { eventually, idle } from "../../support/eventually.ts";
import { HandInput } from "../../support/runtime/hand_input.ts";
import { RecordingOutput } from "../../support/runtime/recording_output.ts";
import { TransactionalOutput } from "../../support/recovery/transactional_output.ts";
import { TestClock } from "../../support/clock/test_clock.ts";

const PLAN: Instruction = { kind: "plan", positions: [], recovery: null };
const OPEN: InstructionOf<"open"> = {
  kind: "open",
  epoch: 0,
  plans: {},
  positions: [],
  snapshots: null,
  recovery: null,
};

/** A session of one worker, and what it said. */
function played(output = new RecordingOutput<number>()) {
  const input = new HandInput<number>();
  const flow = new Dataflow("played").input("in", input)
    .map(function half(n) {
      if (n < 0) throw new Error("below zero");
      return n / 2;
    })
    .capture("out", output);
  const said: LaterReport[] = [];
  const options = { index: 0, count: 1, clock: new TestClock(), log: silentLog };
  const session = new WorkerSession(graphOf(flow), options, {
    send: (report) => said.push(report),
    join: () => Promise.resolve(null),
  });
  const kinds = () => said.map(({ kind }) => kind);
  const heard = (kind: LaterReport["kind"]) =>
    eventually(() => kinds().includes(kind), `it says ${kind}`);
  return { input, output, session, said, kinds, heard };
}

/** The same, once items move. */
async function running(output?: RecordingOutput<number>) {
  const run = played(output);
  run.session.take(PLAN);
  await run.heard("planned");
  run.session.take(OPEN);
  await run.heard("opened");
  run.session.take({ kind: "run" });
  await eventually(() => run.input.waiting, "the input waits");
  run.said.splice(0);
  return run;
}

Deno.test("WorkerSession says what its flow is made of, for the conductor to compare", () => {
  const { flow, written, steps, stored } = played().session.loaded;
  assertEquals([flow, written, steps.length], ["played", 3, 3]);
  assertEquals([stored.keyed, stored.inputs, stored.outputs], [[], ["in"], ["out"]]);
});

Deno.test("WorkerSession answers each instruction of a run that goes well", async () => {
  const { session, input, output, said, kinds, heard } = played();
  session.take(PLAN);
  await heard("planned");
  session.take(OPEN);
  await heard("opened");
  session.take({ kind: "run" });
  input.push(2);
  await eventually(() => output.items.length === 1, "the item is out");
  session.take({ kind: "closeEpoch", epoch: 0 });
  await heard("epochClosed");
  session.take({ kind: "commitEpoch", epoch: 0 });
  input.end();
  await heard("ended");
  assertEquals(said.at(-1), { kind: "ended", stopped: false, epoch: 1, positions: [] });
  assertEquals(session.isClosing, false);
  session.take({ kind: "finish", epoch: 1 });
  await heard("finished");
  assertEquals(kinds(), ["planned", "opened", "epochClosed", "ended", "finished"]);
  assertEquals(output.calls, [
    "write 0: 1",
    "prepare 0",
    "commit 0",
    "prepare 1",
    "commit 1",
    "close",
  ]);
  assertEquals(session.status.steps.map(({ out }) => out), [1, 1, 0]);
});

/** Two inputs, each with an output whose positions change with its last commit. */
async function settling() {
  const inputs = [new HandInput<number>(), new HandInput<number>()];
  const flow = new Dataflow("settling");
  inputs.forEach((input, at) => {
    flow.input(`in-${at}`, input).capture(`out-${at}`, new TransactionalOutput(1));
  });
  const said: LaterReport[] = [];
  const options = { index: 0, count: 1, clock: new TestClock(), log: silentLog };
  const session = new WorkerSession(graphOf(flow), options, {
    send: (report) => said.push(report),
    join: () => Promise.resolve(null),
  });
  const recovery = { intervalMs: 1_000 };
  session.take({ ...OPEN, snapshots: { firstId: 0, byKey: false }, recovery });
  await eventually(() => said.length === 1, "all is open");
  session.take({ kind: "commitEpoch", epoch: -1 });
  session.take({ kind: "run" });
  for (const input of inputs) input.push(1);
  await eventually(() => inputs.every(({ waiting }) => waiting), "the items are read");
  /** What it says next: the kind, and the outputs that have something unfinished. */
  const next = async () => {
    await eventually(() => said.length > 1, "it says something");
    const report = said.splice(1, 1)[0];
    const positions = "positions" in report ? report.positions : [];
    return [report.kind, ...positions.filter(({ role }) => role === "output").map((at) => at.step)];
  };
  return { session, inputs, next, said };
}

Deno.test("WorkerSession says where outputs are after their last commit, once it has ended", async () => {
  const { session, inputs, next } = await settling();
  for (const input of inputs) input.end();
  assertEquals(await next(), ["ended", "out-0", "out-1"]);
  session.take({ kind: "finish", epoch: 0 });
  assertEquals([await next(), await next()], [["settled"], ["finished"]]);
});

Deno.test("WorkerSession says so of a worker that has ended while others go on", async () => {
  const { session, inputs, next, said } = await settling();
  for (const input of inputs) input.end();
  assertEquals(await next(), ["ended", "out-0", "out-1"]);
  session.take({ kind: "commitEpoch", epoch: 0 });
  assertEquals(await next(), ["settled"]);
  session.take({ kind: "commitEpoch", epoch: 1 });
  await idle();
  assertEquals(said.length, 1);
  session.take({ kind: "finish", epoch: 2 });
  assertEquals(await next(), ["finished"]);
});

Deno.test("WorkerSession says so with the next epoch where another step goes on", async () => {
  const { session, inputs, next, said } = await settling();
  inputs[0].end();
  session.take({ kind: "closeEpoch", epoch: 0 });
  assertEquals(await next(), ["epochClosed", "out-0", "out-1"]);
  session.take({ kind: "commitEpoch", epoch: 0 });
  await idle();
  assertEquals(said.length, 1);
  inputs[1].push(2);
  await eventually(() => inputs[1].waiting, "the item is read");
  session.take({ kind: "closeEpoch", epoch: 1 });
  assertEquals(await next(), ["epochClosed", "out-1"]);
  inputs[1].end();
  await idle(); // the notice comes after the end
  session.take({ kind: "commitEpoch", epoch: 1 });
  assertEquals([await next(), said.length], [["ended"], 1]);
  session.take({ kind: "finish", epoch: 2 });
  assertEquals([await next(), await next()], [["settled"], ["finished"]]);
});

Deno.test("WorkerSession says that it failed, once, and takes no instruction after it", async () => {
  const { session, input, said } = await running();
  input.push(-1);
  await eventually(() => said.length > 0, "it fails");
  session.take({ kind: "closeEpoch", epoch: 0 });
  session.take({ kind: "cutShort" });
  session.fail(new Error("later"));
  await idle();
  assertEquals(said.length, 1);
  const [report] = said;
  assertEquals(report.kind === "failed" && (report.error as StepError).stepId, "half");
  await session.close();
});

Deno.test("WorkerSession says what is left when it is cut short, and nothing more", async () => {
  const gate = Promise.withResolvers<void>();
  const output = new RecordingOutput<number>({ write: () => gate.promise });
  const { session, input, said } = await running(output);
  input.push(2);
  await eventually(() => output.calls.length === 1, "the output is at work");
  session.take({ kind: "stop" });
  await idle(); // the input has ended
  session.take({ kind: "cutShort" });
  assertEquals(said, [{ kind: "left", steps: [{ step: "out", inFlight: 0 }] }]);
  gate.resolve();
  session.end();
  await session.settled;
  await session.close();
  assertEquals(said.length, 1);
});

Deno.test("WorkerSession closes what is opened after its end, and says nothing of it", async () => {
  const opening = Promise.withResolvers<void>();
  const output = new RecordingOutput<number>({ open: () => opening.promise });
  const { session, input, kinds } = played(output);
  session.take(OPEN);
  await idle();
  session.end();
  opening.resolve();
  await session.settled;
  await session.close();
  assertEquals([kinds(), output.calls.at(-1), input.calls.at(-1)], [[], "close", "close"]);
});

Deno.test("WorkerSession fails when others cannot be joined", async () => {
  const broken = new Error("nobody there");
  const flow = new Dataflow("alone").input("in", new HandInput<number>())
    .capture("out", new RecordingOutput());
  const said: LaterReport[] = [];
  const options = { index: 1, count: 2, clock: new TestClock(), log: silentLog };
  const session = new WorkerSession(graphOf(flow), options, {
    send: (report) => said.push(report),
    join: () => Promise.reject(broken),
  });
  session.take(OPEN);
  await session.settled;
  assertEquals(said, [{ kind: "failed", error: broken }]);
});
