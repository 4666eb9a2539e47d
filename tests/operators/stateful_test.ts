import { assertEquals } from "@std/assert";
import type { StatefulLogic } from "../../mod.ts";
import { collect, pairs } from "../support/collect.ts";

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
