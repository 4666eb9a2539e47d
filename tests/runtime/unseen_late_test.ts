import { assertEquals } from "@std/assert";
import {
  createLog,
  Dataflow,
  EventClockConfig,
  type Keyed,
  run,
  TestingInputConfig,
  TestingOutputConfig,
  TumblingWindowConfig,
} from "millrace";

async function logOf(isLateSeen: boolean): Promise<string[]> {
  const warnings: string[] = [];
  const log = createLog((level, message, fields) => {
    if (level === "warn") warnings.push(`${message} ${JSON.stringify(fields)}`);
  });
  const late: Keyed<number>[] = [];
  const windows = new Dataflow("late")
    .input("in", new TestingInputConfig<Keyed<number>>([["a", 5], ["a", 15], ["a", 1], ["a", 2]]))
    .countWindow(
      "count",
      new EventClockConfig({ getTime: (time: number) => time, wait: 0 }),
      new TumblingWindowConfig({ length: 10 }),
    );
  windows.capture(new TestingOutputConfig<Keyed<number>>([]));
  if (isLateSeen) windows.late.capture(new TestingOutputConfig(late));
  await run(windows, { log });
  if (isLateSeen) assertEquals(late, [["a", 1], ["a", 2]]);
  return warnings;
}

Deno.test("late values that nothing takes are said to be there, with their number", async () => {
  assertEquals(await logOf(false), [
    "values came when their windows had closed, and nothing takes them: capture the .late " +
    "stream of the step, or have its clock wait as long as values of one source are out of " +
    'order {"step":"count","late":2}',
  ]);
});

Deno.test("late values that an output takes are nothing to warn of", async () => {
  assertEquals(await logOf(true), []);
});
