/** Runs that end anywhere and go on: in this process, with the store in memory. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { Dataflow, type InputConfig, type OutputConfig, run, StepError } from "../../mod.ts";
import { eventually } from "../support/eventually.ts";
import { HandInput } from "../support/runtime/hand_input.ts";
import { Random } from "../support/values/random.ts";
import { ExactOutput, numbers } from "../support/recovery/resumable.ts";
import { WatchedRecovery } from "../support/recovery/watched_recovery.ts";
import { TestClock } from "../support/clock/test_clock.ts";

Deno.test("a run that fails anywhere, again and again, comes to the same end as one that does not", async () => {
  let resumes = 0;
  for (let seed = 0; seed < 40; seed++) {
    const random = new Random(seed);
    const count = 200 + random.below(2_000);
    const batchSize = 1 + random.below(60);
    const build = (input: InputConfig<number>, output: OutputConfig<unknown>) => {
      const pairs = new Dataflow("resumed").input("in", input).keyOn((n) => `k${n % 13}`);
      const counted = pairs.statefulMap("running", () => 0, (seen: number, n) => {
        // Every eleventh value forgets the key.
        return n % 11 === 10 ? [null, n] : [seen + 1, n * 1_000 + seen];
      });
      const reduced = pairs.reduce("sums", (a, b) => a + b, (sum) => sum % 7 === 0);
      const folded = pairs.foldFinal("lists", (): number[] => [], (list, n) => {
        if (n % 5 === 0) list.push(n); // in place
        return list;
      });
      return counted.merge(reduced, folded.map(([key, list]) => [key, list.length]))
        .capture("out", output);
    };
    const expected = new ExactOutput<unknown>();
    await run(build(numbers(count, batchSize), expected));
    const recovery = new WatchedRecovery();
    const output = new ExactOutput<unknown>();
    let failures = 0;
    for (let done = false; !done;) {
      const failAfter = failures < 12 ? batchSize + random.below(count) : Infinity;
      const flow = build(numbers(count, batchSize, { failAfter }), output);
      try {
        await run(flow, { recovery, epoch: { interval: 0 } });
        done = true;
      } catch (error) {
        assertEquals((error as StepError).stepId, "in");
        failures++;
      }
    }
    if (failures > 0 && recovery.epoch! > failures) resumes++;
    const sorted = (items: unknown[]) => items.map((item) => JSON.stringify(item)).sort();
    assertEquals(
      sorted(output.items),
      sorted(expected.items),
      `seed ${seed}, ${failures} failures`,
    );
  }
  assert(resumes > 10, `only ${resumes} runs went on after a snapshot in their middle`);
});

Deno.test("a snapshot has the keys that changed, and nothing of the epoch after", async () => {
  const clock = new TestClock();
  const input = new HandInput<[string, number]>();
  const recovery = new WatchedRecovery();
  const flow = new Dataflow("snapshots")
    .input("in", input)
    .foldFinal("lists", (): number[] => [], (list, n) => {
      list.push(n);
      return list;
    })
    .capture(new ExactOutput());
  const stop = new AbortController();
  const running = run(flow, { recovery, clock, epoch: { interval: 1_000 }, signal: stop.signal });
  const stored = () => recovery.stateOf("lists");
  await eventually(() => input.waiting, "the input waits");
  input.push(["a", 1], ["b", 2]);
  await eventually(() => input.waiting, "the items are read");
  clock.advance(1_000);
  await eventually(() => recovery.epoch === 0, "epoch 0 is committed");
  input.push(["a", 3]);
  await eventually(() => input.waiting, "the next item is read");
  assertEquals(stored(), { a: [1], b: [2] });
  clock.advance(1_000);
  await eventually(() => recovery.epoch === 1, "epoch 1 is committed");
  assertEquals(stored(), { a: [1, 3], b: [2] });
  stop.abort();
  await running;
  assertEquals([recovery.epoch, stored()], [2, { a: [1, 3], b: [2] }]);
});

Deno.test("keys are forgotten in the store too, and the final steps' at the input's end", async () => {
  const recovery = new WatchedRecovery();
  const pairs = new Dataflow("forgotten").input("in", numbers(10, 3)).keyOn((n) => `k${n}`);
  const flow = pairs
    .statefulMap("half", () => 0, (_, n) => [n % 2 === 0 ? null : n, n])
    .countFinal("count")
    .capture(new ExactOutput());
  await run(flow, { recovery });
  const keys = (step: string) => Object.keys(recovery.stateOf(step)).sort();
  assertEquals([keys("half"), keys("count")], [["k1", "k3", "k5", "k7", "k9"], []]);
});

Deno.test("timers go on after a resume, by the clock", async () => {
  const clock = new TestClock(1_000);
  const recovery = new WatchedRecovery();
  const flow = (input: InputConfig<[string, number]>, out: OutputConfig<unknown>) =>
    new Dataflow("timers").input("in", input)
      .stateful<number, string, { due: number }>("alarm", (resumed) => {
        let due = resumed?.due ?? 0;
        return {
          onItem: (at) => void (due = at),
          onNotify: (emit) => {
            emit(`rang at ${due}`);
            due = 0;
          },
          notifyAt: () => due === 0 ? null : new Date(due),
          snapshot: () => ({ due }),
        };
      })
      .capture(out);
  const first = new HandInput<[string, number]>();
  const stop = new AbortController();
  const running = run(flow(first, new ExactOutput()), { recovery, clock, signal: stop.signal });
  await eventually(() => first.waiting, "the input waits");
  first.push(["a", 5_000]);
  await eventually(() => first.waiting, "the item is read");
  stop.abort();
  await running;
  const second = new HandInput<[string, number]>();
  const out = new ExactOutput<unknown>();
  const resumed = run(flow(second, out), { recovery, clock });
  await eventually(() => second.waiting, "the input waits again");
  clock.advance(4_000);
  await eventually(() => out.items.length > 0, "the alarm rings");
  assertEquals(out.items, [["a", "rang at 5000"]]);
  second.end();
  await resumed;
});

Deno.test("a snapshot that cannot be taken ends the run, with the step and the key", async () => {
  class Cart {}
  const flow = new Dataflow("instances").input("in", numbers(3, 1)).keyOn((n) => `k${n}`)
    .statefulMap("carts", () => new Cart(), (cart, n) => [cart, n])
    .capture(new ExactOutput());
  const recovery = new WatchedRecovery();
  const error = await assertRejects(() => run(flow, { recovery }), StepError) as StepError;
  assertEquals([error.stepId, error.item], ["carts", `{ key: "k0" }`]);
  assertEquals((error.cause as Error).message.includes("class instance Cart"), true);
  assertEquals(recovery.epoch, -1);
});

Deno.test("a state that is undefined stays so after a resume", async () => {
  /** Undefined from the fourth number on; what is `new` has not seen any. */
  const after = (state: string | undefined, n: number) => n < 3 ? `${state}${n}` : undefined;
  const build = (input: InputConfig<number>, outputs: Map<string, ExactOutput<unknown>>) => {
    const capture = (id: string, stream: Dataflow<unknown>) => {
      if (!outputs.has(id)) outputs.set(id, new ExactOutput());
      return stream.capture(`out-${id}`, outputs.get(id)!);
    };
    const flow = new Dataflow("undefined");
    const keyed = flow.input("in", input).keyOn(() => "key");
    const fresh = (): string | undefined => "new ";
    // What comes out is the state before.
    const mapper = (state: string | undefined, n: number): [string | undefined, string] => [
      after(state, n),
      `${state}`,
    ];
    capture("map", keyed.statefulMap("map", fresh, mapper));
    capture("ttl", keyed.statefulMap("ttl", fresh, mapper, { ttl: { days: 1 } }));
    capture(
      "flat",
      keyed.statefulFlatMap("flat", fresh, (state, n) => [after(state, n), [`${state}`]]),
    );
    capture(
      "own",
      keyed.stateful<number, string, string | undefined>("own", (resume, _key, _time, resumed) => {
        let state = resumed ? resume : fresh();
        return {
          onItem: (n: number, emit: (out: string) => void) => {
            emit(`${state}`);
            state = after(state, n);
          },
          snapshot: () => state,
        };
      }),
    );
    capture("fold", keyed.foldFinal("fold", fresh, after).mapValue(String));
    return flow;
  };
  const results = (outputs: Map<string, ExactOutput<unknown>>) =>
    [...outputs].map(([id, { items }]) => [id, ...items]);
  const expected = new Map<string, ExactOutput<unknown>>();
  await run(build(numbers(6, 1), expected));
  const recovery = new WatchedRecovery();
  const outputs = new Map<string, ExactOutput<unknown>>();
  const options = { recovery, epoch: { interval: 0 } };
  const mayFail = () => {
    const states = Object.values(recovery.stateOf("fold"));
    return states.length === 1 && states[0] === undefined;
  };
  await assertRejects(
    () => run(build(numbers(6, 1, { failAfter: 5, mayFail }), outputs), options),
    StepError,
  );
  assertEquals(recovery.stateOf("fold"), { key: undefined });
  await run(build(numbers(6, 1), outputs), options);
  assertEquals(results(outputs), results(expected));
});
