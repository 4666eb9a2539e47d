import { assertEquals, assertStrictEquals } from "@std/assert";
import { ItemError, StepError } from "../../src/core/errors.ts";
import { stepError } from "../../src/runtime/step_error.ts";

const step = { stepId: "out" };
const host = { workerIndex: 3 };

Deno.test("stepError() says the step and the worker, and keeps what was thrown as the cause", () => {
  const cause = new Error("gone");
  const error = stepError(step, host, cause);
  assertEquals([error.stepId, error.worker, error.item], ["out", 3, undefined]);
  assertStrictEquals(error.cause, cause);
});

Deno.test("stepError() shows an ItemError's item, and has its cause as the cause", () => {
  const cause = new Error("gone");
  const error = stepError(step, host, new ItemError({ id: 7 }, { cause }));
  assertEquals([error.stepId, error.item], ["out", "{ id: 7 }"]);
  assertStrictEquals(error.cause, cause);
});

Deno.test("stepError() leaves an error alone that names its step already", () => {
  const inner = new StepError({ stepId: "inner", worker: 0 }, new Error("gone"));
  assertStrictEquals(stepError(step, host, inner), inner);
});

Deno.test("stepError() takes anything that can be thrown", () => {
  assertEquals(stepError(step, host, undefined).cause, undefined);
  assertEquals(
    stepError(step, host, "text").message,
    `step "out" failed on worker 3: thrown: "text"`,
  );
});
