import { assertEquals, assertThrows } from "@std/assert";
import { chainChecks } from "../../../src/graph/chain_checks.ts";
import type { StatefulNode } from "../../../src/graph/nodes.ts";
import { statefulMapLogic } from "../../../src/operators/stateful_map.ts";
import { statefulNode } from "../../../src/operators/stateful.ts";
import { fusedStep } from "../../../src/runtime/keyed/fused.ts";
import { KeyIds } from "../../../src/runtime/keyed/key_ids.ts";
import {
  createKeyTable,
  type ForgottenKey,
  type KeyChanges,
} from "../../../src/runtime/keyed/key_table.ts";
import { createKeyedLoop } from "../../../src/runtime/keyed/keyed_loop.ts";
import { Random } from "../../support/values/random.ts";
import { stillScope } from "../../support/runtime/step_scope.ts";

/** Runs a batch through a step. */
type Run = (batch: readonly unknown[]) => unknown[];

/** What an error of a fused step has been made from. */
class Failed extends Error {
  constructor(readonly step: number, readonly item: unknown, override readonly cause: unknown) {
    super("failed");
  }
}

/** The sum of a key's values; a sum that ends in 5 forgets the key. */
function sums(): StatefulNode {
  const upstream = {} as StatefulNode;
  const build = statefulMapLogic<number, number, number>(() => 0, (sum, value) => {
    const next = sum + value;
    if (value < 0) throw new RangeError("negative");
    return [next % 10 === 5 ? null : next, next];
  });
  return statefulNode(upstream, "sums", build, { single: true });
}

/** A step that is a task's, and the same step fused into a loop. */
function bothWays(): { run: Run; changes: KeyChanges }[] {
  const loop = createKeyedLoop(sums(), new KeyIds(0, 1), stillScope());
  const table = createKeyTable(sums(), new KeyIds(0, 1), stillScope());
  const { variables, item, output, source } = fusedStep(7, "x");
  const make = new Function(
    "checks",
    "fail",
    "f7",
    `"use strict"; return (batch, out) => {
      let step = 0; ${variables}
      for (const x of batch) {
        try { ${source} out.push(${output}); } catch (thrown) { throw fail(step, ${item}, thrown, x); }
      }
      return out;
    }`,
  );
  const fail = (step: number, item: unknown, thrown: unknown) =>
    thrown instanceof Failed ? thrown : new Failed(step, item, thrown);
  const fused = make(chainChecks, fail, table);
  return [
    {
      run: (batch) => {
        loop.items(batch, 0, batch.length, Infinity);
        return loop.take();
      },
      changes: loop,
    },
    { run: (batch) => fused(batch, []), changes: table },
  ];
}

/** The forgotten keys, then the changed ones, as a snapshot takes them. */
function taken(changes: KeyChanges): { forgotten: readonly ForgottenKey[]; changed: unknown[] } {
  const forgotten = changes.takeForgotten();
  const changed: unknown[] = [];
  changes.takeChanged((logic) => {
    changed.push([logic.id, logic.key, logic.isStored, logic.snapshot()]);
  });
  return { forgotten, changed };
}

Deno.test("a fused step emits, changes and forgets what the same step does in a task", () => {
  for (let seed = 0; seed < 20; seed++) {
    const random = new Random(seed);
    const [task, fused] = bothWays();
    for (let epoch = 0; epoch < 10; epoch++) {
      const batch = Array.from({ length: random.below(40) }, () => [
        `${random.below(6)}`,
        random.below(10),
      ]);
      assertEquals(fused.run(batch), task.run(batch));
      assertEquals(taken(fused.changes), taken(task.changes));
    }
  }
});

Deno.test("a fused step makes the item of an error from its key and value", () => {
  const [, fused] = bothWays();
  const failed = assertThrows(() => fused.run([["a", 1], ["b", -1]]), Failed) as Failed;
  assertEquals([failed.step, failed.item], [7, ["b", -1]]);
  assertEquals((failed.cause as Error).message, "negative");
});

Deno.test("a fused step refuses an item that is not a pair with a string key, and shows it", () => {
  for (const item of [undefined, "ab", ["a"], ["a", 1, 2], [7, 1]]) {
    const [, fused] = bothWays();
    const failed = assertThrows(() => fused.run([["a", 1], item]), Failed) as Failed;
    assertEquals([failed.step, failed.item], [7, item]);
    assertEquals(
      (failed.cause as Error).message,
      chainChecks.notKeyed("a stateful step", item).message,
    );
  }
});
