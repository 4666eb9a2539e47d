import { assertEquals } from "@std/assert";
import { closestName, didYouMean, likelyName } from "../../src/core/closest_name.ts";

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

Deno.test("didYouMean() ends an error with the name that was meant, if one is near", () => {
  assertEquals(didYouMean("wrokers", ["log-level", "workers"]), ". Did you mean workers?");
  assertEquals(didYouMean("recovery", ["log-level", "workers"]), "");
});

Deno.test("likelyName() returns the name that was meant, and undefined if none is near", () => {
  const names = ["workers", "log-level", "startingOffset", "ttl", "maxSize"];
  const cases: Record<string, string | undefined> = {
    wrokers: "workers",
    log: "log-level",
    STARTING_OFFSET: "startingOffset",
    startingoffset: "startingOffset",
    tll: "ttl",
    tool: undefined,
    tt: "ttl",
    max: "maxSize",
    maxSizes: "maxSize",
    q: undefined,
    recovery: undefined,
  };
  for (const [given, meant] of Object.entries(cases)) {
    assertEquals(likelyName(given, names), meant, given);
  }
  assertEquals(likelyName("any", []), undefined);
});
