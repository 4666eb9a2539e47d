import { assertEquals } from "@std/assert";
import { rewindText } from "../../src/cli/state_tools.ts";

/** The steps that are warned of when one partition goes from offset 10 to another one. */
function warnedOf(offset: bigint): string[] {
  const moved = [{ partition: "in-0", position: { offset: 10n }, to: { offset } }];
  const result = { moved, times: new Map([["windows", 1_000]]) };
  const text = rewindText("in", result, { to: { kind: "offset", offset } }, { dryRun: true });
  return [...text.matchAll(/step "(\w+)" has event time up to/g)].map(([, step]) => step);
}

Deno.test("a rewind to an earlier offset warns of window steps, and to a later one does not", () => {
  assertEquals(warnedOf(3n), ["windows"]);
  assertEquals(warnedOf(12n), []);
});
