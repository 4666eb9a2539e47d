import { assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import {
  Dataflow,
  ManualEpochOutputConfig,
  ManualOutputConfig,
  type OutputConfig,
  run,
  StepError,
  TestingInputConfig,
} from "../../../mod.ts";
import { testPlace } from "../../support/runtime/test_place.ts";

/** Runs `items` into an output, with batches of each size. */
async function write<T>(items: readonly T[], output: () => OutputConfig<T>): Promise<void> {
  for (const batchSize of [1, 2, 1024]) {
    const input = new TestingInputConfig(items, { batchSize });
    await run(new Dataflow("manual").input("in", input).capture("out", output()));
  }
}

Deno.test("ManualOutputConfig calls the handler once for each item, in order", async () => {
  let written: number[] = [];
  await write([1, 2, 3], () => {
    written = [];
    return new ManualOutputConfig<number>(() => (n) => void written.push(n));
  });
  assertEquals(written, [1, 2, 3]);
});

Deno.test("ManualOutputConfig and ManualEpochOutputConfig call their builder with worker and count", async () => {
  const calls: number[][] = [];
  await run(
    new Dataflow("manual").input("in", new TestingInputConfig([1]))
      .capture(
        new ManualOutputConfig((...args) => {
          calls.push(args);
          return () => {};
        }),
      )
      .capture(
        new ManualEpochOutputConfig((...args) => {
          calls.push(args);
          return () => {};
        }),
      ),
  );
  assertEquals(calls, [[0, 1], [0, 1]]);
});

Deno.test("ManualEpochOutputConfig passes the epoch and the item to the handler", async () => {
  const written: [number, string][] = [];
  await run(
    new Dataflow("manual").input("in", new TestingInputConfig(["a", "b"]))
      .capture(new ManualEpochOutputConfig<string>(() => (...args) => void written.push(args))),
  );
  assertEquals(written, [[0, "a"], [0, "b"]]);
});

Deno.test("ManualOutputConfig awaits a promise before it calls the handler again", async () => {
  await write([1, 2, 3, 4, 5], () => {
    let atWork = false;
    return new ManualOutputConfig<number>(() => async (n) => {
      if (atWork) throw new Error(`item ${n} came too early`);
      atWork = true;
      for (let turn = 0; turn < 3; turn++) await Promise.resolve();
      atWork = false;
    });
  });
});

Deno.test("ManualOutputConfig keeps the order when only some calls return a promise", async () => {
  const items = Array.from({ length: 20 }, (_, i) => i);
  let written: number[] = [];
  await write(items, () => {
    written = [];
    return new ManualOutputConfig<number>(() => (n) => {
      if (n % 3 > 0) {
        written.push(n);
        return;
      }
      return Promise.resolve().then(() => void written.push(n));
    });
  });
  assertEquals(written, items);
});

Deno.test("ManualOutputConfig awaits thenables that are not Promises", async () => {
  const written: number[] = [];
  await run(
    new Dataflow("manual").input("in", new TestingInputConfig([1, 2])).capture(
      new ManualOutputConfig<number>(() => (n) => ({
        then: (resolve) => {
          written.push(n);
          return Promise.resolve().then(resolve);
        },
      })),
    ),
  );
  assertEquals(written, [1, 2]);
});

Deno.test("ManualOutputConfig waits for a builder that is async", async () => {
  const written: number[] = [];
  const builder = async () => await Promise.resolve((n: number) => void written.push(n));
  const output = new ManualOutputConfig<number>(builder as unknown as () => (n: number) => void);
  await run(new Dataflow("manual").input("in", new TestingInputConfig([1])).capture(output));
  assertEquals(written, [1]);
});

Deno.test("ManualOutputConfig names the step and the item when the handler throws or rejects", async () => {
  const broken = new Error("disk full");
  const handlers: ((n: number) => void | Promise<void>)[] = [
    (n) => {
      if (n === 3) throw broken;
    },
    async (n) => {
      await Promise.resolve();
      if (n === 3) throw broken;
    },
    (n) => n === 3 ? Promise.reject(broken) : undefined,
    (n) => {
      if (n === 3) throw broken;
      return Promise.resolve();
    },
  ];
  for (const handler of handlers) {
    for (const batchSize of [1, 2, 1024]) {
      const input = new TestingInputConfig([1, 2, 3, 4], { batchSize });
      const flow = new Dataflow("manual").input("in", input)
        .capture("out", new ManualOutputConfig<number>(() => handler));
      const error = await assertRejects(() => run(flow), StepError) as StepError;
      assertEquals([error.stepId, error.item], ["out", "3"]);
      assertStrictEquals(error.cause, broken);
      assertEquals(error.message, `step "out" failed on worker 0: Error: disk full; item: 3`);
    }
  }
});

Deno.test("ManualOutputConfig calls the handler for no item after the one that failed", async () => {
  const written: number[] = [];
  const output = new ManualOutputConfig<number>(() => (n) => {
    written.push(n);
    if (n === 2) throw new Error("two");
  });
  const flow = new Dataflow("manual").input("in", new TestingInputConfig([1, 2, 3])).capture(
    output,
  );
  await assertRejects(() => run(flow), StepError);
  assertEquals(written, [1, 2]);
});

Deno.test("manual outputs refuse a builder that is not a function, where they are written", () => {
  for (const builder of [undefined, null, {}, []]) {
    assertThrows(
      () => new ManualOutputConfig(builder as unknown as () => () => void),
      TypeError,
      "ManualOutputConfig needs a builder function; got ",
    );
    assertThrows(
      () => new ManualEpochOutputConfig(builder as unknown as () => () => void),
      TypeError,
      "ManualEpochOutputConfig needs a builder function; got ",
    );
  }
});

Deno.test("manual outputs refuse a builder that returns no handler, and name the step", async () => {
  const builder = (() => undefined) as unknown as () => () => void;
  const outputs: Record<string, OutputConfig<number>> = {
    ManualOutputConfig: new ManualOutputConfig(builder),
    ManualEpochOutputConfig: new ManualEpochOutputConfig(builder),
  };
  for (const [name, output] of Object.entries(outputs)) {
    const flow = new Dataflow("f").input("in", new TestingInputConfig([1])).capture("out", output);
    const error = await assertRejects(() => run(flow), StepError) as StepError;
    assertEquals(error.stepId, "out");
    assertEquals(
      (error.cause as Error).message,
      `the builder of ${name} must return the function that accepts the items; got undefined`,
    );
  }
});

Deno.test("ManualOutputConfig calls its handler no more once it is closed in the middle of a batch", async () => {
  const called: number[] = [];
  const first = Promise.withResolvers<void>();
  const output = new ManualOutputConfig<number>(() => (n) => {
    called.push(n);
    return first.promise;
  });
  const writer = await output.open(testPlace(), new Map());
  const writing = writer.write([1, 2, 3], 0);
  await writer.close();
  first.resolve();
  await writing;
  assertEquals(called, [1]);
});

Deno.test("ManualOutputConfig calls its handler for items before one that fails, and for none after it", async () => {
  for (const batchSize of [1, 3, 1024]) {
    const called: number[] = [];
    const output = new ManualOutputConfig<number>(() => (n) => {
      called.push(n);
      if (n === 5) throw new Error("the disk is full");
    });
    const input = new TestingInputConfig([1, 2, 3, 4, 5, 6, 7], { batchSize });
    const flow = new Dataflow("manual").input("in", input).capture("out", output);
    const { item } = await assertRejects(() => run(flow), StepError) as StepError;
    assertEquals([called, item], [[1, 2, 3, 4, 5], "5"]);
  }
});
