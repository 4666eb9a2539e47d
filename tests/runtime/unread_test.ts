import { assertEquals } from "@std/assert";
import { createLog, Dataflow, run, TestingInputConfig, TestingOutputConfig } from "millrace";

Deno.test("a run warns of streams that were not captured, and names the step", async () => {
  const lines: string[] = [];
  const log = createLog((level, message, fields) => {
    lines.push(`${level} ${message} ${JSON.stringify(fields)}`);
  });
  const numbers = new Dataflow("f").input("in", new TestingInputConfig([1]));
  numbers.map(function twice(n) {
    return n * 2;
  });
  numbers.branch((n) => n > 0)[0].capture(new TestingOutputConfig<number>([]));
  await run(numbers, { log });
  assertEquals(lines, [
    "warn the items of a step go nowhere: end it with .capture(config), or leave it out " +
    '{"step":"twice"}',
    'warn the items of a branch go nowhere: end its "no" stream with .capture(config), or use ' +
    'filter instead of branch {"step":"branch-1"}',
  ]);
});
