import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { StepError, UsageError } from "../../../src/core/errors.ts";
import { LONGEST_FRAME } from "../../../src/runtime/exchange/frames.ts";
import { fromFailure, toFailure } from "../../../src/runtime/process/failure.ts";
import { encodeMessage } from "../../../src/runtime/process/protocol.ts";

/** An error after its way from a worker to the coordinator. */
function sent(thrown: unknown): Error {
  return fromFailure(JSON.parse(JSON.stringify(toFailure(thrown))), 3);
}

/** The names and messages of an error and what caused it. */
function chainOf(error: unknown): string[] {
  return error instanceof Error ? [`${error.name}: ${error.message}`, ...chainOf(error.cause)] : [];
}

Deno.test("a StepError comes back with its step, worker, item, and its cause's stack", () => {
  const cause = new TypeError("no amount", { cause: new RangeError("below 0") });
  const error = sent(new StepError({ stepId: "sum", worker: 3, item: "{ id: 7 }" }, cause));
  assertInstanceOf(error, StepError);
  const { stepId, worker, item, message } = error as StepError;
  assertEquals({ stepId, worker, item }, { stepId: "sum", worker: 3, item: "{ id: 7 }" });
  assertEquals(message, `step "sum" failed on worker 3: TypeError: no amount; item: { id: 7 }`);
  assertEquals(chainOf(error.cause), ["TypeError: no amount", "RangeError: below 0"]);
  assertEquals((error.cause as Error).stack, cause.stack);
});

Deno.test("a StepError of a task of a group comes back with the task", () => {
  for (const task of ["keyed_7", null]) {
    const error = sent(new StepError({ stepId: "sum", worker: 7, task }, new Error("gone")));
    assertEquals((error as StepError).task, task);
  }
});

Deno.test("a StepError without an item comes back without one", () => {
  const error = sent(new StepError({ stepId: "in", worker: 3 }, new Error("gone"))) as StepError;
  assertEquals(error.item, undefined);
  assertEquals(error.message, `step "in" failed on worker 3: Error: gone`);
});

Deno.test("an error of no step comes back with its class's name and its stack", () => {
  class Broken extends Error {
    override name = "Broken";
  }
  const thrown = new Broken("in two");
  const error = sent(thrown);
  assertEquals(error instanceof StepError, false);
  assertEquals([error.name, error.message, error.stack], ["Broken", "in two", thrown.stack]);
});

Deno.test("a UsageError comes back as one", () => {
  const error = sent(new UsageError("no export"));
  assertInstanceOf(error, UsageError);
  assertEquals(error.message, "no export");
});

Deno.test("what was thrown and is not an error comes back once, as text", () => {
  assertEquals(chainOf(sent("text")), [`Error: thrown: "text"`]);
  assertEquals(chainOf(sent(undefined)), ["Error: thrown: undefined"]);
  assertEquals(chainOf(sent(null)), ["Error: thrown: null"]);
  assertEquals(chainOf(sent({ code: 7 })), ["Error: thrown: { code: 7 }"]);
  assertEquals(chainOf(sent(new Error("outer", { cause: "inner" }))), [
    "Error: outer",
    `Error: thrown: "inner"`,
  ]);
});

Deno.test("a cause that is null or undefined is none", () => {
  assertEquals(chainOf(sent(new Error("alone", { cause: null }))), ["Error: alone"]);
  assertEquals(chainOf(sent(new Error("alone", { cause: undefined }))), ["Error: alone"]);
});

Deno.test("causes that go in a circle come back once each, and a long chain cut off", () => {
  const first = new Error("first");
  const second = new Error("second", { cause: first });
  first.cause = second;
  assertEquals(chainOf(sent(first)), ["Error: first", "Error: second"]);
  const long = Array.from({ length: 20 }).reduce<Error>(
    (cause, _, i) => new Error(String(i), { cause }),
    new Error("innermost"),
  );
  assertEquals(chainOf(sent(long)).length, 8);
});

Deno.test("the errors in an AggregateError come back with it, each with its own cause", () => {
  const refused = new Error("refused", { cause: new Error("no route") });
  const cause = new Error("why all");
  const error = sent(new AggregateError([refused, "text"], "both failed", { cause }));
  assertInstanceOf(error, AggregateError);
  assertEquals((error as AggregateError).errors.map(chainOf), [
    ["Error: refused", "Error: no route"],
    [`Error: thrown: "text"`],
  ]);
  assertEquals(chainOf(error), ["AggregateError: both failed", "Error: why all"]);
  const { errors } = sent(
    new SuppressedError(new Error("second"), new Error("first"), "closing"),
  ) as AggregateError;
  assertEquals((errors as Error[]).map(chainOf), [["Error: second"], ["Error: first"]]);
});

Deno.test("an AggregateError with itself in it, or with many errors, comes back with some", () => {
  const own = new AggregateError([], "own");
  own.errors.push(own, new Error("other"));
  assertEquals((sent(own) as AggregateError).errors.map(chainOf), [["Error: other"]]);
  const many = Array.from({ length: 1_000 }, (_, i) => new Error(String(i)));
  assertEquals((sent(new AggregateError(many)) as AggregateError).errors.length, 31);
});

/** An error of Deno's loader for a module with this text, and what we make of it. */
async function loadError(text: string): Promise<{ raw: Error; error: Error; url: string }> {
  const path = await Deno.makeTempFile({ suffix: ".ts" });
  try {
    await Deno.writeTextFile(path, text);
    const url = new URL(`file://${path}`).href;
    const raw = await assertRejects(() => import(url)) as Error;
    return { raw, error: sent(raw), url };
  } finally {
    await Deno.remove(path);
  }
}

Deno.test("a file that does not compile gives a SyntaxError, with the place in its stack only", async () => {
  const { raw, error, url } = await loadError("const a = 1;\nconst b = ;\n");
  assertEquals(raw.name, "TypeError"); // or there is nothing to put right
  assertEquals(error.name, "SyntaxError");
  assertEquals(error.message, "Expression expected\n  |\n2 | const b = ;\n  |           ~");
  const frames = error.stack!.slice(`SyntaxError: ${error.message}\n`.length).split("\n");
  assertEquals(frames[0], `    at ${url}:2:11`);
  assertEquals(frames.filter((frame) => frame === frames[0]).length, 1);
});

Deno.test("an import that is not found gives an Error, without colours, with the place in its stack", async () => {
  const { error, url } = await loadError(`import "./nowhere-to-be-found.ts";\n`);
  const missing = new URL("./nowhere-to-be-found.ts", url).href;
  assertEquals([error.name, error.message], ["Error", `Module not found "${missing}".`]);
  assert(error.stack!.startsWith(`Error: ${error.message}\n    at ${url}:1:8\n`), error.stack);
});

Deno.test("colours of the loader's, which it uses or not as the environment says, are taken out", () => {
  const place = "    at \x1b[36mfile:///flow.ts\x1b[0m:\x1b[33m1\x1b[0m";
  const raw = Object.assign(new TypeError(`No such \x1b[1mthing\x1b[0m\n${place}`), {
    code: "ERR_MODULE_NOT_FOUND",
  });
  raw.stack = `TypeError: ${raw.message}\n    at file:///flow.ts:1\n    at file:///main.ts:2:3`;
  const { message, stack } = sent(raw);
  assertEquals(message, "No such thing");
  assertEquals(
    stack,
    "Error: No such thing\n    at file:///flow.ts:1\n    at file:///main.ts:2:3",
  );
});

Deno.test("an import in a step that is not found keeps the step's own frames", async () => {
  const thrown = await assertRejects(() => import("./nowhere" + ".ts")) as Error;
  assertEquals(sent(thrown).stack!.includes(import.meta.url), true);
});

Deno.test("an error with an endless text still reaches the user, cut", () => {
  const error = sent(new RangeError("x".repeat(5 << 20)));
  assertEquals([error.name, error.message.length], ["RangeError", (1 << 18) + 1]);
  const many = new AggregateError(Array.from({ length: 40 }, () => new Error("€".repeat(1 << 20))));
  const { length } = encodeMessage({ kind: "failed", failure: toFailure(many) });
  assertEquals(length < LONGEST_FRAME, true);
});
