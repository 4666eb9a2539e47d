import { assertEquals } from "@std/assert";
import type { StatefulLogic } from "../../mod.ts";
import { runByHand } from "../support/runtime/manual_run.ts";
import { collect, pairs } from "../support/runtime/collect.ts";
import { WatchedRecovery } from "../support/recovery/watched_recovery.ts";

Deno.test("stateful lets users write steps of their own: values in pairs", async () => {
  class Pairs implements StatefulLogic<number, [number, number], number> {
    #first: number | undefined;
    onItem(value: number, emit: (pair: [number, number]) => void): void {
      if (this.#first === undefined) this.#first = value;
      else {
        emit([this.#first, value]);
        this.#first = undefined;
      }
    }
    isDone(): boolean {
      return this.#first === undefined;
    }
    snapshot(): number {
      return this.#first!;
    }
  }
  const out = await collect(
    pairs(["a", 1], ["b", 9], ["a", 2], ["a", 3], ["a", 4]),
    (s) => s.stateful("pairs", () => new Pairs()),
  );
  assertEquals(out, [["a", [1, 2]], ["a", [3, 4]]]);
});

Deno.test("stateful emits no more than it is told: nothing, or many for one", async () => {
  const out = await collect(
    pairs(["a", 0], ["a", 3], ["a", 1]),
    (s) =>
      s.stateful<number, string, null>("repeat", (_, key) => ({
        onItem: (n, emit) => {
          for (let i = 0; i < n; i++) emit(`${key}${i}`);
        },
        snapshot: () => null,
      })),
  );
  assertEquals(out, [["a", "a0"], ["a", "a1"], ["a", "a2"], ["a", "a0"]]);
});

Deno.test("stateful steps follow one another, each with keys of its own", async () => {
  const out = await collect(
    pairs(["a", 1], ["b", 2], ["a", 3]),
    (s) =>
      s.statefulMap("sum", () => 0, (sum, n) => [sum + n, sum + n])
        .map(([key, sum]) => [sum % 2 === 0 ? "even" : "odd", `${key}${sum}`])
        .foldFinal("list", () => "", (list, text) => list + text),
  );
  assertEquals(out, [["odd", "a1"], ["even", "b2a4"]]);
});

/** Keeps all values, and emits them when it hears of a stop. */
const keeping = (): StatefulLogic<number, string, number[]> => {
  const values: number[] = [];
  return {
    onItem: (value) => void values.push(value),
    onEnd: (emit) => emit(`end: ${values}`),
    onStop: (emit) => emit(`stop: ${values}`),
    snapshot: () => values,
  };
};

for (const ttl of [undefined, { hours: 1 }]) {
  const how = ttl === undefined ? "" : " with a ttl";
  const options = ttl === undefined ? undefined : { ttl };

  Deno.test(`a stateful step${how} hears of a stop where no store keeps its state`, async () => {
    const stopped = await runByHand((s) => s.stateful("keep", keeping, options));
    await stopped.push(["a", 1], ["a", 2]);
    await stopped.stop();
    assertEquals(stopped.out, [["a", "stop: 1,2"]]);
    const ended = await runByHand((s) => s.stateful("keep", keeping, options));
    await ended.push(["a", 1], ["a", 2]);
    await ended.end();
    assertEquals(ended.out, [["a", "end: 1,2"]]);
  });

  Deno.test(`a stateful step${how} hears of no stop where a store keeps its state`, async () => {
    const recovery = new WatchedRecovery();
    const stopped = await runByHand((s) => s.stateful("keep", keeping, options), { recovery });
    await stopped.push(["a", 1], ["a", 2]);
    await stopped.stop();
    assertEquals(stopped.out, []);
    assertEquals(Object.keys(recovery.stateOf("keep")), ["a"]);
  });
}
