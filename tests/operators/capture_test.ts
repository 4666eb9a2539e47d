import { assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { mistaken } from "../support/runtime/collect.ts";
import { Dataflow, run, TestingInputConfig, TestingOutputConfig } from "../../mod.ts";

Deno.test("capture returns the handle that it was called on, with and without an id", () => {
  const numbers = new Dataflow("f").input("in", new TestingInputConfig([1]));
  assertStrictEquals(numbers.capture(new TestingOutputConfig<number>([])), numbers);
  assertStrictEquals(numbers.capture("out", new TestingOutputConfig<number>([])), numbers);
});

Deno.test("capture may hang anywhere, several times", async () => {
  const [first, second, doubled]: number[][] = [[], [], []];
  await run(
    new Dataflow("captures")
      .input("in", new TestingInputConfig([1, 2]))
      .capture(new TestingOutputConfig(first))
      .capture(new TestingOutputConfig(second))
      .map((n) => n * 2)
      .capture(new TestingOutputConfig(doubled))
      .filter(() => false),
  );
  assertEquals([first, second, doubled], [[1, 2], [1, 2], [2, 4]]);
});

Deno.test("capture refuses what is not a config, and shows it", () => {
  const numbers = new Dataflow("f").input("in", new TestingInputConfig([1]));
  for (const config of [undefined, null, [], {}, { open: 1 }]) {
    const message = "capture needs a config such as new StdOutputConfig(); got ";
    assertThrows(() => numbers.capture(mistaken(config)), TypeError, message);
    assertThrows(() => numbers.capture("out", mistaken(config)), TypeError, message);
  }
});
