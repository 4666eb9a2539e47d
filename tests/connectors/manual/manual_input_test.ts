import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  Dataflow,
  type InputConfig,
  ManualInputConfig,
  type ManualSource,
  run,
  StepError,
} from "../../../mod.ts";
import { eventually, idle } from "../../support/eventually.ts";
import { RecordingOutput } from "../../support/runtime/recording_output.ts";

type Builder = ConstructorParameters<typeof ManualInputConfig<string, number>>[0];

/** Returns the items of a manual input with `builder`. */
async function itemsOf(builder: Builder): Promise<string[]> {
  const output = new RecordingOutput<string>();
  await run(new Dataflow("manual").input("in", new ManualInputConfig(builder)).capture(output));
  return output.items.map(([, item]) => item);
}

/** Returns the error of a run that reads from `source`. */
async function errorOf(source: () => unknown): Promise<StepError> {
  const config = new ManualInputConfig<unknown>(source as () => ManualSource<unknown, unknown>);
  const flow = new Dataflow("manual").input("in", config).capture(new RecordingOutput());
  return await assertRejects(() => run(flow), StepError) as StepError;
}

Deno.test("ManualInputConfig reads generators, arrays and every other iterable", async () => {
  const pairs: [number, string][] = [[0, "a"], [1, "b"]];
  const sources: Builder[] = [
    () => pairs,
    () => new Set(pairs),
    () => new Map(pairs),
    function* () {
      yield* pairs;
    },
    () => ({ [Symbol.iterator]: () => pairs[Symbol.iterator]() }),
  ];
  for (const source of sources) assertEquals(await itemsOf(source), ["a", "b"]);
});

Deno.test("ManualInputConfig reads async generators and every other async iterable", async () => {
  async function* generate(): AsyncGenerator<[number, string]> {
    yield [0, "a"];
    await Promise.resolve();
    yield [1, "b"];
  }
  assertEquals(await itemsOf(generate), ["a", "b"]);
  const wrapped: Builder = () => ({ [Symbol.asyncIterator]: () => generate() });
  assertEquals(await itemsOf(wrapped), ["a", "b"]);
});

Deno.test("ManualInputConfig reads what a promise of an iterable resolves with", async () => {
  const builder = async () => await Promise.resolve([[0, "a"]] as [number, string][]);
  assertEquals(await itemsOf(builder as unknown as Builder), ["a"]);
});

Deno.test("ManualInputConfig reads nothing when the iterable is empty", async () => {
  assertEquals(await itemsOf(() => []), []);
  assertEquals(await itemsOf(async function* () {}), []);
});

Deno.test("ManualInputConfig calls its builder once, with the worker, the count and null", async () => {
  const calls: unknown[][] = [];
  await itemsOf((...args) => {
    calls.push(args);
    return [];
  });
  assertEquals(calls, [[0, 1, null]]);
});

Deno.test("ManualInputConfig passes null and undefined on as items", async () => {
  const output = new RecordingOutput<unknown>();
  const input = new ManualInputConfig<unknown>(() => [[null, null], [null, undefined]]);
  await run(new Dataflow("manual").input("in", input).capture(output));
  assertEquals(output.items.map(([, item]) => item), [null, undefined]);
});

Deno.test("ManualInputConfig reads thousands of items in order, from either kind of generator", async () => {
  const numbers = Array.from({ length: 10_000 }, (_, i) => `${i}`);
  assertEquals(
    await itemsOf(function* () {
      for (let i = 0; i < numbers.length; i++) yield [i, numbers[i]];
    }),
    numbers,
  );
  assertEquals(
    await itemsOf(async function* () {
      for (let i = 0; i < numbers.length; i++) yield [i, numbers[i]];
    }),
    numbers,
  );
});

Deno.test("ManualInputConfig refuses anything but a pair, shows it, and closes the generator", async () => {
  for (const wrong of ["text", ["alone"], [1, 2, 3], null, undefined, { state: 1, item: 2 }]) {
    let closed = 0;
    const generators = [
      function* () {
        try {
          yield [null, "fine"];
          yield wrong;
          yield [null, "never"];
        } finally {
          closed++;
        }
      },
      async function* () {
        try {
          yield [null, "fine"];
          yield wrong;
          yield [null, "never"];
        } finally {
          closed++;
        }
      },
    ];
    for (const generator of generators) {
      const { stepId, cause } = await errorOf(generator);
      assertEquals(stepId, "in");
      assertEquals(
        (cause as Error).message,
        `a manual input must yield [state, item] pairs; got ${Deno.inspect(wrong)} ` +
          `(yield [null, item] if there is no state to continue after)`,
      );
    }
    assertEquals(closed, 2);
  }
});

Deno.test("ManualInputConfig refuses a builder that returns nothing to iterate, and shows it", async () => {
  for (const returned of [undefined, null, 7, "text", {}, () => []]) {
    const { stepId, cause } = await errorOf(() => returned);
    assertEquals(stepId, "in");
    assertEquals(
      (cause as Error).message,
      "a manual input's builder must return an iterable or async iterable (write it as a " +
        `generator: function*); got ${Deno.inspect(returned, { depth: 0 })}`,
    );
  }
});

Deno.test("ManualInputConfig refuses a builder that is not a function, where it is written", () => {
  for (const builder of [undefined, null, [[0, "a"]], {}]) {
    assertThrows(
      () => new ManualInputConfig(builder as unknown as Builder),
      TypeError,
      "ManualInputConfig needs a builder function; got ",
    );
  }
});

Deno.test("ManualInputConfig refuses unknown options and malformed times", () => {
  assertThrows(
    () => new ManualInputConfig(() => [], { idle: 5 } as never),
    TypeError,
    'ManualInputConfig has no option "idle"; it has: idleAfter',
  );
  assertThrows(
    () => new ManualInputConfig(() => [], { idleAfter: -1 }),
    RangeError,
    "idleAfter of ManualInputConfig must be zero or more and finite; got -1 ms",
  );
});

Deno.test("ManualInputConfig names the input when the builder or generator throws or rejects", async () => {
  const broken = new Error("no such file");
  const sources = [
    () => {
      throw broken;
    },
    () => Promise.reject(broken),
    function* () {
      yield [null, 1];
      throw broken;
    },
    async function* () {
      yield [null, 1];
      await Promise.resolve();
      throw broken;
    },
  ];
  for (const source of sources) {
    const { stepId, cause } = await errorOf(source);
    assertEquals([stepId, cause], ["in", broken]);
  }
});

Deno.test("ManualInputConfig passes on what was read before an async generator fails", async () => {
  const output = new RecordingOutput<number>();
  const written = Promise.withResolvers<void>();
  const input = new ManualInputConfig<number>(async function* () {
    yield [null, 1];
    yield [null, 2];
    await written.promise;
    throw new Error("gone");
  });
  const running = run(new Dataflow("manual").input("in", input).capture(output));
  const failed = assertRejects(() => running, StepError);
  await eventually(() => output.items.length === 2, "what was read is out");
  written.resolve();
  await failed;
});

Deno.test("ManualInputConfig does not close a generator that has ended", async () => {
  const calls: string[] = [];
  const iterable = {
    [Symbol.iterator]: () => ({
      next: () => {
        calls.push("next");
        return { done: true as const, value: undefined };
      },
      return: () => {
        calls.push("return");
        return { done: true as const, value: undefined };
      },
    }),
  };
  await itemsOf(() => iterable);
  assertEquals(calls, ["next"]);
});

Deno.test("ManualInputConfig passes on the items of an async generator while that waits for more", async () => {
  const more = Promise.withResolvers<void>();
  const output = new RecordingOutput<string>();
  const input = new ManualInputConfig<string>(async function* () {
    yield [null, "now"];
    await more.promise;
    yield [null, "later"];
  });
  const running = run(new Dataflow("manual").input("in", input).capture(output));
  await eventually(() => output.items.length === 1, "the first item is out");
  await idle();
  assertEquals(output.items, [[0, "now"]]);
  more.resolve();
  await running;
  assertEquals(output.items, [[0, "now"], [0, "later"]]);
});

Deno.test("ManualInputConfig leaves an async generator behind when it hangs at the stop", async () => {
  const output = new RecordingOutput<number>();
  const stop = new AbortController();
  const input = new ManualInputConfig<number>(async function* () {
    yield [null, 1];
    await new Promise(() => {});
  });
  const flow = new Dataflow("manual").input("in", input).capture(output);
  const running = run(flow, { signal: stop.signal });
  await eventually(() => output.items.length === 1, "the first item is out");
  stop.abort();
  assertEquals((await running).stopped, true);
});

/** Returns the positions of an input after each batch. */
async function positionsOf<T>(config: InputConfig<T>, resume: ReadonlyMap<string, unknown>) {
  const place = { workerIndex: 2, workerCount: 3 } as Parameters<InputConfig<T>["open"]>[0];
  const reader = await config.open(place, resume);
  const seen: { items: T[]; positions: Record<string, unknown> }[] = [];
  for (;;) {
    const items = reader.next();
    if (items === null) break;
    seen.push({ items, positions: Object.fromEntries(reader.positions()) });
  }
  await reader.close();
  return seen;
}

Deno.test("ManualInputConfig's position is the state of the last item it returned, under its worker", async () => {
  const input = new ManualInputConfig<string, { at: number }>(() => [
    [{ at: 10 }, "a"],
    [{ at: 20 }, "b"],
    [{ at: 30 }, "c"],
  ]);
  const seen = await positionsOf(input, new Map());
  assertEquals(seen.flatMap(({ items }) => items), ["a", "b", "c"]);
  for (const { items, positions } of seen) {
    if (items.length > 0) {
      assertEquals(positions, { "2 of 3": { at: { a: 10, b: 20, c: 30 }[items.at(-1)!] } });
    }
  }
  assertEquals(seen.at(-1)!.positions, { "2 of 3": { at: 30 } });
});

Deno.test("ManualInputConfig passes its own worker's position to the builder, also when that is undefined", async () => {
  const given: unknown[] = [];
  const input = new ManualInputConfig<string, unknown>((...args) => {
    given.push(args);
    return [];
  });
  await positionsOf(input, new Map([["1 of 3", "another's"], ["2 of 3", "its own"]]));
  await positionsOf(input, new Map([["2 of 3", undefined]]));
  await positionsOf(input, new Map([["1 of 3", "another's"]]));
  assertEquals(given, [[2, 3, "its own"], [2, 3, undefined], [2, 3, null]]);
});

Deno.test("ManualInputConfig keeps the position it resumed from until it returns an item", async () => {
  const reader = await new ManualInputConfig<string, number>(() => [[8, "a"]]).open(
    { workerIndex: 0, workerCount: 1 } as Parameters<InputConfig<string>["open"]>[0],
    new Map([["0 of 1", 7]]),
  );
  assertEquals([...reader.positions()], [["0 of 1", 7]]);
  reader.next();
  assertEquals([...reader.positions()], [["0 of 1", 8]]);
  await reader.close();
});

Deno.test("ManualInputConfig refuses the positions of another number of workers, and names the cure", async () => {
  const input = new ManualInputConfig<string, number>(() => [[8, "a"]]);
  for (const [count, workers] of [[1, "1 worker"], [2, "2 workers"]] as const) {
    const resumed = positionsOf(input, new Map([[`0 of ${count}`, 7]]));
    assertEquals(
      (await assertRejects(() => resumed) as Error).message,
      `the snapshot has the state of this input on ${workers}, which cannot be shared out over 3: ` +
        `run it with ${count} again (-w ${count}), name its partitions with a ` +
        "PartitionedInputConfig, or start over (--from-scratch)",
    );
  }
});
