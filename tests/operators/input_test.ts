import { assertEquals, assertThrows } from "@std/assert";
import { mistaken } from "../support/runtime/collect.ts";
import {
  Dataflow,
  type InputConfig,
  run,
  TestingInputConfig,
  TestingOutputConfig,
} from "../../mod.ts";

Deno.test("input refuses what is not a config, and shows it", () => {
  for (const config of [undefined, null, [1, 2], {}, { open: 1 }]) {
    assertThrows(
      () => new Dataflow("f").input("numbers", mistaken<InputConfig<number>>(config)),
      TypeError,
      `input "numbers" needs a config such as new KafkaInputConfig(…); got `,
    );
  }
});

Deno.test("input starts a stream of its own whichever handle it is called on", async () => {
  const [left, right]: number[][] = [[], []];
  await run(
    new Dataflow("inputs")
      .input("left", new TestingInputConfig([1]))
      .map((n) => n * 10)
      .capture(new TestingOutputConfig(left))
      .input("right", new TestingInputConfig([2]))
      .capture(new TestingOutputConfig(right)),
  );
  assertEquals([left, right], [[10], [2]]);
});
