import { assertEquals } from "@std/assert";
import { closestName } from "../../src/core/closest_name.ts";

Deno.test("closestName() returns the name with the fewest edits, whatever the kind of edit", () => {
  const names = ["acks", "linger.ms", "batch.size", "group.id"];
  assertEquals(closestName("ack", names), "acks");
  assertEquals(closestName("linger_ms", names), "linger.ms");
  assertEquals(closestName("batch.sizes", names), "batch.size");
  assertEquals(closestName("groupid", names), "group.id");
});

Deno.test("closestName() returns the first of names that are equally near", () => {
  assertEquals(closestName("b", ["aa", "cc"]), "aa");
  assertEquals(closestName("", ["one", "two"]), "one");
});
