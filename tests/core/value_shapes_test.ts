import { assert, assertEquals } from "@std/assert";
import { ShapeTable } from "../../src/core/value_shapes.ts";

Deno.test("a table finds the shape that it has for the same keys in the same order", () => {
  const table = new ShapeTable();
  const shape = table.find(["a", "b"]);
  assertEquals(shape.keys, ["a", "b"]);
  assert(table.find(["a", "b"]) === shape);
  for (const other of [["b", "a"], ["a"], ["a", "b", "c"], [], ["ab"]]) {
    assert(table.find(other) !== shape);
  }
});

Deno.test("a table forgets when users' keys fill it", () => {
  const table = new ShapeTable();
  const shape = table.find(["a", "b"]);
  for (let i = 0; i < 5000; i++) table.find([`key-${i}`]);
  assert(table.find(["a", "b"]) === shape, "too soon");
  for (let i = 0; i < 5000; i++) table.find([`other-${i}`]);
  assert(table.find(["a", "b"]) !== shape);
});
