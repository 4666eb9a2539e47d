import { assertEquals, assertInstanceOf, assertMatch, assertStrictEquals } from "@std/assert";
import { Dataflow, run, TestingInputConfig, TestingOutputConfig } from "../../mod.ts";
import {
  FlowDefinitionError,
  ItemError,
  messageOf,
  StepError,
  toError,
  userFrames,
} from "../../src/core/errors.ts";

Deno.test("StepError names the step, the worker, what was thrown and the item", () => {
  const cause = new TypeError("no amount");
  const error = new StepError({ stepId: "sum", worker: 1, item: `[ "a", {} ]` }, cause);
  assertEquals(
    error.message,
    `step "sum" failed on worker 1: TypeError: no amount; item: [ "a", {} ]`,
  );
  assertStrictEquals(error.cause, cause);
  assertEquals(
    [error.name, error.stepId, error.worker, error.item],
    ["StepError", "sum", 1, `[ "a", {} ]`],
  );
});

Deno.test("StepError mentions no item when none is to blame", () => {
  const error = new StepError({ stepId: "in", worker: 0 }, new Error("gone"));
  assertEquals(error.message, `step "in" failed on worker 0: Error: gone`);
  assertEquals(error.item, undefined);
});

Deno.test("StepError shows what was thrown when that is not an error", () => {
  const messageFor = (thrown: unknown) => new StepError({ stepId: "s", worker: 0 }, thrown).message;
  assertEquals(messageFor("text"), `step "s" failed on worker 0: thrown: "text"`);
  assertEquals(messageFor(undefined), `step "s" failed on worker 0: thrown: undefined`);
  assertEquals(messageFor({ code: 7 }), `step "s" failed on worker 0: thrown: { code: 7 }`);
});

Deno.test("ItemError keeps the item as it was, and has its cause's message", () => {
  const item = { id: 1 };
  const cause = new RangeError("too large");
  const error = new ItemError(item, { cause });
  assertStrictEquals(error.item, item);
  assertStrictEquals(error.cause, cause);
  assertEquals([error.name, error.message], ["ItemError", "RangeError: too large"]);
});

Deno.test("FlowDefinitionError can be recognised by its name, too", () => {
  assertEquals(new FlowDefinitionError("no input").name, "FlowDefinitionError");
});

Deno.test("messageOf() uses a subclass's own name", () => {
  class Broken extends Error {
    override name = "Broken";
  }
  assertEquals(messageOf(new Broken("in two")), "Broken: in two");
});

Deno.test("messageOf() quotes inner errors when an error has no message itself", () => {
  const errors = ["a", "b", "c", "d"].map((words) => new RangeError(words));
  assertEquals(messageOf(new AggregateError(errors.slice(0, 2), "both")), "AggregateError: both");
  assertEquals(
    messageOf(new AggregateError(errors)),
    "AggregateError: RangeError: a; RangeError: b; RangeError: c; and 1 more",
  );
  const own = new AggregateError([]);
  own.errors.push(own);
  assertEquals(messageOf(own), "AggregateError: AggregateError: ");
});

Deno.test("toError() leaves errors as they are, and wraps anything else", () => {
  const error = new TypeError("x");
  assertStrictEquals(toError(error), error);
  const wrapped = toError({ code: 7 });
  assertInstanceOf(wrapped, Error);
  assertEquals([wrapped.message, wrapped.cause], ["thrown: { code: 7 }", { code: 7 }]);
});

const own = (file: string) => new URL(`../../src/${file}`, import.meta.url).href;

Deno.test("userFrames() keeps the user's frames, and drops the engine's and generated ones", () => {
  const error = new Error("broken");
  error.stack = [
    "Error: broken",
    "    at half (file:///home/ada/flow.ts:3:11)",
    "    at file:///home/ada/flow.ts:9:2",
    "    at chain (millrace-chain-4-in:9:20)",
    "    at eval (eval at compileChain (file:///x/chain.ts:70:16), <anonymous>:9:20)",
    `    at Outlet.emit (${own("runtime/outlet.ts")}:66:10)`,
    "    at Array.map (<anonymous>)",
    "    at ext:core/01_core.js:1:2",
    "    at processImmediate (node:internal/timers:1:2)",
  ].join("\n");
  assertEquals(userFrames(error), [
    "at half (file:///home/ada/flow.ts:3:11)",
    "at file:///home/ada/flow.ts:9:2",
  ]);
});

Deno.test("userFrames() keeps the user's frames when the word eval stands in a path or name", () => {
  const error = new Error("broken");
  const frames = ["at file:///home/ada/model-eval.ts:3:11", "at eval (file:///home/ada/a.ts:1:1)"];
  error.stack = ["Error: broken", ...frames.map((frame) => `    ${frame}`)].join("\n");
  assertEquals(userFrames(error), frames);
});

Deno.test("userFrames() finds the user's line when a generated chain called it", async () => {
  const flow = new Dataflow("f").input("in", new TestingInputConfig([1])).map(
    function half(): number {
      throw new Error("here");
    },
  ).capture(new TestingOutputConfig<number>([]));
  const error = await run(flow).catch((error) => error) as StepError;
  const frames = userFrames(error.cause as Error);
  assertMatch(frames[0], /^at half \(.*errors_test\.ts:\d+:\d+\)$/);
  for (const frame of frames) assertMatch(frame, /errors_test\.ts/);
});

Deno.test("userFrames() is empty when there is no stack", () => {
  const error = new Error("broken");
  error.stack = undefined;
  assertEquals(userFrames(error), []);
});

Deno.test("messageOf() tells where workers get a missing permission", () => {
  assertEquals(
    messageOf(new Deno.errors.NotCapable('Requires env access to "NODE_ENV"')),
    'NotCapable: Requires env access to "NODE_ENV" (with --worker-flags, give it there)',
  );
});
