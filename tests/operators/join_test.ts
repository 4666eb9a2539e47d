import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  Dataflow,
  FlowDefinitionError,
  type JoinMode,
  type JoinOptions,
  type JoinSides,
  type Keyed,
  run,
  StepError,
  TestingInputConfig,
  TestingOutputConfig,
} from "../../mod.ts";
import { joinLogic } from "../../src/operators/join.ts";
import { runByHand } from "../support/runtime/manual_run.ts";
import { collect, failure, mistaken, pairs } from "../support/runtime/collect.ts";
import { partsOf } from "../support/windows/join_parts.ts";
import { byKey, LogicDriver } from "../support/runtime/logic_driver.ts";
import { Random } from "../support/values/random.ts";
import { ExactOutput, numbers } from "../support/recovery/resumable.ts";
import { WatchedRecovery } from "../support/recovery/watched_recovery.ts";
import { runWorkers } from "../support/runtime/workers.ts";

const MODES: readonly JoinMode[] = ["complete", "final", "running", "product"];

/**
 * A value, and the side that it is of: tests put sides into one input, so that their order is
 * known.
 */
type Sided = readonly [side: number, value: unknown];

/** Parts a stream by side, and joins the parts. */
function joinParts(
  items: Dataflow<Keyed<Sided>>,
  count: number,
  options: JoinOptions,
): Dataflow<Keyed<unknown[]>> {
  const [first, ...others] = partsOf(items, count);
  return first.join("join", others, options);
}

/** What comes out when `items` of two sides are joined. */
function joined(mode: JoinMode, ...items: Keyed<Sided>[]): Promise<Keyed<unknown[]>[]> {
  return collect(items, (s) => joinParts(s, 2, { mode }));
}

Deno.test("join in mode complete emits a row once each side has a value, and forgets the key", async () => {
  const out = await joined(
    "complete",
    ["a", [0, 1]],
    ["b", [1, "y"]],
    ["a", [0, 2]], // the newest counts
    ["a", [1, "x"]],
    ["a", [1, "z"]], // of a new row, which gets no value of the other side
    ["b", [0, 3]],
  );
  assertEquals(out, [["a", [2, "x"]], ["b", [3, "y"]]]);
});

Deno.test("join in mode final emits a row a key at the input's end, with what is there", async () => {
  const out = await joined("final", ["a", [0, 1]], ["b", [1, "y"]], ["a", [1, "x"]], ["a", [0, 2]]);
  assertEquals(out, [["a", [2, "x"]], ["b", [undefined, "y"]]]);
});

Deno.test("join in mode running emits a row at every value, with the newest of each side", async () => {
  const out = await joined("running", ["a", [0, 1]], ["a", [1, "x"]], ["a", [0, 2]], ["b", [
    1,
    "y",
  ]]);
  assertEquals(out, [
    ["a", [1, undefined]],
    ["a", [1, "x"]],
    ["a", [2, "x"]],
    ["b", [undefined, "y"]],
  ]);
});

Deno.test("join in mode product emits each combination of values once", async () => {
  const out = await joined(
    "product",
    ["a", [0, 1]],
    ["a", [0, 2]],
    ["a", [1, "x"]],
    ["a", [1, "x"]], // the same again is another value
    ["a", [0, 3]],
    ["b", [1, "y"]],
  );
  assertEquals(byKey(out), {
    a: [[1, "x"], [2, "x"], [1, "x"], [2, "x"], [3, "x"], [3, "x"]],
  });
});

Deno.test("join in mode product orders the rows of a value by its first side, then the next", async () => {
  const items = pairs<Sided>(
    ["a", [2, "x"]],
    ["a", [0, 1]],
    ["a", [2, "y"]],
    ["a", [0, 2]],
    ["a", [1, true]],
  );
  const out = await collect(items, (s) => joinParts(s, 3, { mode: "product" }));
  assertEquals(out.map(([, row]) => row), [
    [1, true, "x"],
    [1, true, "y"],
    [2, true, "x"],
    [2, true, "y"],
  ]);
});

Deno.test("join accepts undefined as a value, which differs from none", async () => {
  const items: Keyed<Sided>[] = [["a", [0, undefined]], ["a", [1, undefined]]];
  assertEquals(await joined("complete", ...items), [["a", [undefined, undefined]]]);
  assertEquals(await joined("complete", items[0]), []);
  assertEquals(await joined("product", ...items), [["a", [undefined, undefined]]]);
});

Deno.test("join accepts one stream, several inputs, and itself", async () => {
  const flow = new Dataflow("streams");
  const input = <V>(id: string, ...items: Keyed<V>[]) =>
    flow.input(id, new TestingInputConfig(items));
  const names = input("names", ["1", "Ada"], ["2", "Grace"]);
  const ages = input("ages", ["2", 85], ["1", 36]);
  const pairsOut: Keyed<[string, number]>[] = [];
  names.join("pairs", ages).capture(new TestingOutputConfig(pairsOut));
  const threes: Keyed<[string, number, string]>[] = [];
  names.join("threes", [ages, names]).capture(new TestingOutputConfig(threes));
  await run(flow);
  assertEquals(Object.fromEntries(pairsOut), { 1: ["Ada", 36], 2: ["Grace", 85] });
  assertEquals(Object.fromEntries(threes), { 1: ["Ada", 36, "Ada"], 2: ["Grace", 85, "Grace"] });
});

Deno.test("join names itself and its streams in what is counted", async () => {
  const flow = new Dataflow("names");
  const items = flow.input("in", new TestingInputConfig(pairs(["a", 1], ["a", 2])));
  items.join("twice", items, { mode: "running" }).capture(
    "out",
    new TestingOutputConfig<unknown>([]),
  );
  const { steps } = await run(flow);
  assertEquals(steps.map(({ stepId, in: taken, out }) => [stepId, taken, out]), [
    ["in", 0, 2],
    ["twice-side-1", 2, 2],
    ["twice-side-2", 2, 2],
    ["twice-sides", 4, 4],
    ["twice", 4, 4],
    ["out", 4, 0],
  ]);
});

Deno.test("join refuses items without keys, and names the side that they came from", async () => {
  const { stepId, item, error } = await failure(["x"], (s) => {
    const side = s as unknown as Dataflow<Keyed<number>>;
    return s.keyOn((text) => text).join("paid", side);
  });
  assertEquals([stepId, item], ["paid-side-2", `"x"`]);
  assertEquals(
    error,
    `TypeError: join needs [key, value] pairs; got "x" (use keyOn or map to make pairs)`,
  );
});

Deno.test("join refuses sides that are none, with an example", () => {
  const flow = new Dataflow("f");
  const items = flow.input("in", new TestingInputConfig(pairs(["a", 1])));
  assertThrows(
    () => items.join("paid", []),
    TypeError,
    `join "paid" needs a keyed stream to join with, such as orders.join("paid", [payments, refunds])`,
  );
  for (const side of [undefined, null, 5, "items", {}, [items, null], [[items]]]) {
    assertThrows(
      () => items.join("paid", mistaken<JoinSides>(side)),
      TypeError,
      `join "paid" needs a keyed stream, or an array of them, such as ` +
        `orders.join("paid", [payments, refunds]); got `,
    );
  }
  assertThrows(
    () => items.join("paid", [items, flow]),
    FlowDefinitionError,
    `join "paid" was called on the root of flow "f"`,
  );
  assertThrows(
    () => (flow as unknown as typeof items).join("paid", items),
    FlowDefinitionError,
    `join "paid" was called on the root of flow "f"`,
  );
  const other = new Dataflow("yours").input("in", new TestingInputConfig(pairs(["a", 1])));
  assertThrows(
    () => items.join("paid", [items, other]),
    FlowDefinitionError,
    `cannot join a stream of flow "yours" into flow "f": start both with .input on the same Dataflow`,
  );
});

Deno.test("join refuses a mode that is none, and other options", () => {
  const items = new Dataflow("f").input("in", new TestingInputConfig(pairs(["a", 1])));
  for (const [mode, shown] of [["outer", `"outer"`], [null, "null"], [5, "5"]]) {
    assertThrows(
      () => items.join("paid", items, { mode: mistaken<JoinMode>(mode) }),
      TypeError,
      `mode of join "paid" must be one of "complete", "final", "running", "product"; got ${shown}`,
    );
  }
  assertThrows(
    () => items.join("paid", items, mistaken<JoinOptions>({ tll: 5 })),
    TypeError,
    `join "paid" has no option "tll"; it has: mode, ttl`,
  );
  assertThrows(
    () => items.join("paid", items, mistaken<JoinOptions>("final")),
    TypeError,
    `join "paid" accepts its options as an object (it has: mode, ttl); got "final"`,
  );
  assertThrows(
    () => items.join("paid", items, { ttl: 0 }),
    RangeError,
    `ttl of join "paid" must be more than zero; got 0 ms`,
  );
});

Deno.test("join with a ttl forgets what found no partner in time", async () => {
  const ttl = { seconds: 10 };
  for (const mode of MODES) {
    const run = await runByHand((items: Dataflow<Keyed<Sided>>) =>
      joinParts(items, 2, { mode, ttl })
    );
    await run.push(["a", [0, 1]], ["b", [0, 1]]);
    await run.advance(6_000);
    await run.push(["b", [0, 2]]);
    await run.advance(4_000);
    await run.push(["a", [1, "x"]], ["b", [1, "y"]]);
    await run.end();
    const expected: Record<JoinMode, Record<string, unknown[]>> = {
      complete: { b: [[2, "y"]] },
      final: { a: [[undefined, "x"]], b: [[2, "y"]] },
      running: {
        a: [[1, undefined], [undefined, "x"]],
        b: [[1, undefined], [2, undefined], [2, "y"]],
      },
      product: { b: [[1, "y"], [2, "y"]] },
    };
    assertEquals(byKey(run.out), expected[mode], mode);
  }
});

Deno.test("join continues after the input's end, except in mode final, which starts over", async () => {
  for (const mode of MODES) {
    const recovery = new WatchedRecovery();
    const steps = (items: Dataflow<Keyed<Sided>>) => joinParts(items, 2, { mode });
    const first = await runByHand(steps, { recovery });
    await first.push(["a", [0, 1]]);
    await first.end();
    const state = recovery.stateOf("join");
    assertEquals(state, mode === "final" ? {} : { a: [[1], []] }, mode);
    const second = await runByHand(steps, { recovery });
    await second.push(["a", [1, "x"]]);
    await second.end();
    assertEquals(second.out, [["a", mode === "final" ? [undefined, "x"] : [1, "x"]]], mode);
  }
});

Deno.test("join keeps the newest value of each side, and all of them in mode product alone", () => {
  for (const mode of MODES) {
    const driver = new LogicDriver(joinLogic<unknown[]>("join", 3, { mode }));
    for (const value of [1, undefined, 3]) driver.item("a", [1, value]);
    driver.snapshot();
    assertEquals(driver.stored("a"), [[], mode === "product" ? [1, undefined, 3] : [3], []], mode);
  }
});

Deno.test("join accepts the state of another mode", async () => {
  const recovery = new WatchedRecovery();
  const start = (mode: JoinMode) =>
    runByHand((items: Dataflow<Keyed<Sided>>) => joinParts(items, 2, { mode }), { recovery });
  const product = await start("product");
  await product.push(["a", [0, 1]], ["a", [0, 2]]);
  await product.stop();
  const complete = await start("complete");
  await complete.push(["a", [1, "x"]]);
  await complete.stop();
  assertEquals(complete.out, [["a", [2, "x"]]]);
});

Deno.test("join refuses a snapshot of another number of streams", async () => {
  const recovery = new WatchedRecovery();
  const start = (count: number) =>
    runByHand((items: Dataflow<Keyed<Sided>>) => joinParts(items, count, {}), { recovery });
  const first = await start(2);
  await first.push(["a", [0, 1]]);
  await first.stop();
  const error = await assertRejects(() => start(3), StepError) as StepError;
  assertEquals([error.stepId, error.item], ["join", `{ key: "a" }`]);
  assertEquals(
    (error.cause as Error).message,
    `the snapshot is of a join of 2 streams, and there are 3 now: values cannot be matched with ` +
      `streams, so give the step another id to start over`,
  );
});

/** The rows for the items of a key, found by searching the list of all items. */
function modelled(mode: JoinMode, count: number, items: readonly Sided[]): unknown[][] {
  const sides = Array.from({ length: count }, (_, side) => side);
  const rows: unknown[][] = [];
  let past: Sided[] = [];
  const newest = (side: number) => past.findLast(([of]) => of === side);
  const row = () => sides.map((side) => newest(side)?.[1]);
  for (const item of items) {
    past.push(item);
    if (mode === "running") rows.push(row());
    if (mode === "complete" && sides.every((side) => newest(side) !== undefined)) {
      rows.push(row());
      past = [];
    }
    if (mode === "product") {
      let all: Sided[][] = [[]];
      for (const side of sides) {
        all = all.flatMap((start) =>
          past.filter(([of]) => of === side).map((each) => [...start, each])
        );
      }
      // Those are not new that do without the new item.
      const fresh = all.filter((combination) => combination.includes(item));
      rows.push(...fresh.map((combination) => combination.map(([, value]) => value)));
    }
  }
  if (mode === "final" && past.length > 0) rows.push(row());
  return rows;
}

const KEYS = ["a", "b", "c"];

/** A value of a random side: there are few, so that many are the same. */
function randomItem(random: Random, count: number): Sided {
  return [random.below(count), random.pick([undefined, null, 0, 1, "x", ["x"]])];
}

Deno.test("join agrees with a list of all values, in every mode, when runs restart anywhere", () => {
  for (let seed = 0; seed < 6_000; seed++) {
    const random = new Random(seed);
    const mode = MODES[seed % 4];
    const count = 2 + random.below(2);
    const ttl = random.below(2) === 0 ? 1_000 : undefined; // too long to matter
    const driver = new LogicDriver(joinLogic<unknown[]>("join", count, { mode, ttl }));
    const items: Record<string, Sided[]> = {};
    for (let n = random.below(25); n >= 0; n--) {
      if (random.below(5) === 0) driver.restart();
      const [key, item] = [random.pick(KEYS), randomItem(random, count)];
      driver.item(key, item);
      (items[key] ??= []).push(item);
    }
    driver.end();
    const expected = Object.entries(items).map(([key, list]) => [key, modelled(mode, count, list)]);
    assertEquals(
      byKey(driver.out),
      Object.fromEntries(expected.filter(([, rows]) => rows.length > 0)),
      `seed ${seed}: ${mode}, ${count} sides`,
    );
  }
});

/** Items for a flow: those of a key are all of one partition, so that their order is known. */
function randomItems(random: Random, count: number, parts: number): Keyed<Sided>[] {
  return Array.from(
    { length: 60 + random.below(120) },
    (_, n) => [`k${n % parts}.${random.below(6)}`, randomItem(random, count)],
  );
}

function expectedRows(mode: JoinMode, count: number, items: readonly Keyed<Sided>[]) {
  return Object.fromEntries(
    Object.entries(byKey(items))
      .map(([key, list]) => [key, modelled(mode, count, list)] as const)
      .filter(([, rows]) => rows.length > 0),
  );
}

Deno.test("a flow with a join agrees with a list of all values, when it fails anywhere, again and again", async () => {
  let resumes = 0;
  for (let seed = 0; seed < 160; seed++) {
    const random = new Random(seed);
    const mode = MODES[seed % 4];
    const count = 2 + random.below(2);
    const items = randomItems(random, count, 3);
    const batchSize = 1 + random.below(30);
    const recovery = new WatchedRecovery();
    const output = new ExactOutput<Keyed<unknown[]>>();
    for (let failures = 0;; failures++) {
      const failAfter = failures < 4 ? 1 + random.below(items.length) : Infinity;
      const input = numbers(items.length, batchSize, { parts: 3, failAfter });
      const flow = joinParts(new Dataflow("join").input("in", input).map((n) => items[n]), count, {
        mode,
      }).capture("out", output);
      try {
        await run(flow, { recovery, epoch: { interval: 0 } });
        break;
      } catch (error) {
        assertEquals((error as StepError).stepId, "in");
        if (recovery.epoch !== null && recovery.epoch > 0) resumes++;
      }
    }
    assertEquals(
      byKey(output.items),
      expectedRows(mode, count, items),
      `seed ${seed}: ${mode}, ${count} sides`,
    );
  }
  assert(resumes > 100, `only ${resumes} runs went on after a snapshot in their middle`);
});

Deno.test("a flow with a join on 1 to 3 workers, which fail, comes to the same rows", async () => {
  let resumes = 0;
  const sorted = (rows: Record<string, unknown[][]>) =>
    Object.entries(rows).map(([key, list]) => [key, list.map((row) => Deno.inspect(row)).sort()])
      .sort();
  for (let seed = 0; seed < 60; seed++) {
    const random = new Random(seed);
    const mode = MODES[seed % 4];
    const count = 2 + random.below(2);
    const items = randomItems(random, count, 5);
    const batchSize = 1 + random.below(20);
    const recovery = new WatchedRecovery();
    const output = new ExactOutput<Keyed<unknown[]>>();
    for (let failures = 0;; failures++) {
      const failAfter = failures < 3 ? 1 + random.below(items.length / 2) : Infinity;
      const input = numbers(items.length, batchSize, { parts: 5, failAfter });
      const flow = joinParts(new Dataflow("join").input("in", input).map((n) => items[n]), count, {
        mode,
      }).capture("out", output);
      try {
        await runWorkers(flow, 1 + random.below(3), { recovery, epochMs: 0 });
        break;
      } catch (error) {
        assertEquals((error as StepError).stepId, "in");
        if (recovery.epoch !== null && recovery.epoch > 0) resumes++;
      }
    }
    assertEquals(
      sorted(byKey(output.items)),
      sorted(expectedRows(mode, count, items)),
      `seed ${seed}: ${mode}, ${count} sides`,
    );
  }
  assert(resumes > 30, `only ${resumes} runs went on after a snapshot in their middle`);
});
