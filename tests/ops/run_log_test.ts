import { assertEquals } from "@std/assert";
import { StepError } from "../../src/core/errors.ts";
import { RunLog } from "../../src/ops/run_log.ts";
import { createLog } from "../../src/core/log.ts";

Deno.test("lines are kept from info up, and all are passed on", () => {
  const lines: string[] = [];
  const log = createLog((level) => lines.push(level));
  const kept = new RunLog(() => 17);
  const over = kept.over(log);
  over.debug("a detail");
  over.info("a milestone", { worker: 1 });
  over.error("a fault");
  assertEquals(lines, ["debug", "info", "error"]);
  assertEquals(kept.lines, [
    { number: 1, at: 17, level: "info", message: "a milestone", fields: { worker: 1 } },
    { number: 2, at: 17, level: "error", message: "a fault", fields: {} },
  ]);
  assertEquals(["debug", "info", "warn", "error"].map((level) => kept.lesser(level as "info")), [
    "debug",
    "info",
    "info",
    "info",
  ]);
});

Deno.test("the last 200 lines and 20 errors are kept, each shortened", () => {
  const kept = new RunLog(() => 0);
  for (let i = 1; i <= 250; i++) kept.keep("info", `line ${i}`, {});
  for (let i = 1; i <= 25; i++) kept.failed(new Error(`error ${i}`));
  assertEquals([kept.lines.length, kept.lines[0].number], [200, 51]);
  assertEquals([kept.errors.length, kept.errors[0].message], [20, "Error: error 6"]);
  kept.keep("warn", "x".repeat(10_000), { text: "y".repeat(10_000) });
  const { message, fields } = kept.lines.at(-1)!;
  assertEquals([message.length, String(fields.text).length], [2_001, 2_001]);
});

Deno.test("an error is kept with its lines, step, worker and item, and can do nothing", () => {
  const kept = new RunLog(() => 5);
  const failure = { stepId: "parse", worker: 2, item: '{"a":1}', origin: "orders/3 at 17" };
  kept.failed(new StepError(failure, new TypeError("no\nprice\u001b[2J")));
  kept.failed("a text");
  assertEquals(kept.errors, [
    {
      at: 5,
      message: "TypeError: no\nprice\\u001b[2J",
      step: "parse",
      worker: 2,
      item: '{"a":1}',
      origin: "orders/3 at 17",
    },
    { at: 5, message: 'thrown: "a text"', step: null, worker: null, item: null, origin: null },
  ]);
});
