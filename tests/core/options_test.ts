import { assertEquals, assertThrows } from "@std/assert";
import {
  Dataflow,
  EventClockConfig,
  KafkaInputConfig,
  PartitionedInputConfig,
  run,
  TestingInputConfig,
  TumblingWindowConfig,
} from "millrace";
import { requireOptions } from "../../src/core/options.ts";

function refusal(make: () => unknown): string {
  const error = assertThrows(make, Error) as Error;
  return error.message;
}

Deno.test("requireOptions() refuses anything but an object, and an unknown option", () => {
  requireOptions("X", { a: 1 }, ["a", "b"]);
  assertEquals(
    refusal(() => requireOptions("X", "a", ["a", "b"])),
    `X accepts its options as an object (it has: a, b); got "a"`,
  );
  assertEquals(
    refusal(() => requireOptions("X", { a: 1, c: undefined }, ["a", "b"])),
    'X has no option "c"; it has: a, b',
  );
  assertEquals(
    refusal(() => requireOptions("X", { lenght: 1 }, ["length", "alignTo"])),
    'X has no option "lenght"; it has: length, alignTo. Did you mean length?',
  );
});

Deno.test("a mistyped or missing option is named with the cure, wherever options are accepted", () => {
  // deno-lint-ignore no-explicit-any -- as the compiler would not let it pass
  const any = (options: object): any => options;
  const getTime = () => 0;
  const cases: [make: () => unknown, message: string][] = [
    [() => new TumblingWindowConfig(any({ lenght: 1 })), "Did you mean length?"],
    [() => new TumblingWindowConfig(any({})), "TumblingWindowConfig's length must be milliseconds"],
    [() => new EventClockConfig(any({ getTime })), "EventClockConfig's wait must be milliseconds"],
    [() => new TestingInputConfig([], any({ batchsize: 1 })), "Did you mean batchSize?"],
    [() => new KafkaInputConfig(any({ broker: ["a:1"], topic: "t" })), "Did you mean brokers?"],
    [
      () => new PartitionedInputConfig(any({ partition: () => [], build: () => [] })),
      "Did you mean partitions?",
    ],
    [
      () =>
        new Dataflow().input("in", new TestingInputConfig([1])).mapAsync(
          (n) => Promise.resolve(n),
          any({ concurency: 2 }),
        ),
      'mapAsync has no option "concurency"; it has: id, concurrency, ordered. ' +
      "Did you mean concurrency?",
    ],
  ];
  for (const [make, message] of cases) {
    assertEquals(
      refusal(make).endsWith(message) || refusal(make).startsWith(message),
      true,
      message,
    );
  }
});

Deno.test("run() refuses a mistyped option of an option", async () => {
  const flow = new Dataflow().input("in", new TestingInputConfig([1]));
  const epoch = { intervall: 5 } as unknown as { interval: number };
  const error = await run(flow.capture({ open: () => Promise.reject(new Error("opened")) }), {
    epoch,
  })
    .catch((error) => error);
  assertEquals(
    error.message,
    'epoch has no option "intervall"; it has: interval. Did you mean interval?',
  );
});
