import { assertEquals, assertThrows } from "@std/assert";
import { Dataflow, run, TestingInputConfig, TestingOutputConfig } from "../../../mod.ts";

Deno.test("TestingOutputConfig adds items to the end of the array", async () => {
  const out: (string | number)[] = ["before"];
  await run(
    new Dataflow("f").input("in", new TestingInputConfig([1, 2], { batchSize: 1 }))
      .capture(new TestingOutputConfig(out)),
  );
  assertEquals(out, ["before", 1, 2]);
});

Deno.test("TestingOutputConfig accepts batches that are longer than a call can have arguments", async () => {
  const out: number[] = [];
  const items = Array.from({ length: 300_000 }, (_, i) => i);
  await run(
    new Dataflow("f").input("in", new TestingInputConfig(items, { batchSize: 300_000 }))
      .capture(new TestingOutputConfig(out)),
  );
  assertEquals([out.length, out.at(-1)], [300_000, 299_999]);
});

Deno.test("TestingOutputConfig refuses anything but an array", () => {
  for (const array of [undefined, null, new Set(), {}]) {
    assertThrows(
      () => new TestingOutputConfig(array as unknown as number[]),
      TypeError,
      "TestingOutputConfig needs an array; got ",
    );
  }
});
