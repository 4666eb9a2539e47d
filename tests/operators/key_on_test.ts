import { assertEquals } from "@std/assert";
import { collect, failure, mistaken } from "../support/runtime/collect.ts";

Deno.test("keyOn makes a pair of the key and the item", async () => {
  const items = [{ user: "ada" }, { user: "" }];
  assertEquals(await collect(items, (s) => s.keyOn(({ user }) => user)), [
    ["ada", { user: "ada" }],
    ["", { user: "" }],
  ]);
});

Deno.test("keyOn refuses a key that is not a string, and shows it", async () => {
  for (
    const [key, shown] of [[7, "7"], [null, "null"], [undefined, "undefined"], [["a"], `[ "a" ]`]]
  ) {
    const { stepId, item, error } = await failure([{ id: 7 }], (s) => s.keyOn(mistaken(() => key)));
    assertEquals([stepId, item], ["keyOn-1", "{ id: 7 }"]);
    assertEquals(
      error,
      `TypeError: the function of keyOn must return a string key; got ${shown} (write String(…))`,
    );
  }
});

Deno.test("keyOn points to mapAsync when its function returns a promise", async () => {
  const { error } = await failure([1], (s) => s.keyOn(mistaken(() => Promise.resolve("k"))));
  assertEquals(error.startsWith("TypeError: the function of keyOn returned a promise"), true);
});
