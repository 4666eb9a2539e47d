import { assertEquals } from "@std/assert";
import { QuietTime } from "../../../src/runtime/activity/quiet_time.ts";

Deno.test("QuietTime counts from start to stop, as far as somebody looked", () => {
  const quiet = new QuietTime();
  assertEquals([quiet.ms, quiet.since], [0, null]);
  quiet.look(1_000);
  assertEquals(quiet.ms, 0);
  quiet.start(1_000);
  quiet.start(1_500); // it counts already
  assertEquals(quiet.since, 1_000);
  quiet.look(1_700);
  assertEquals([quiet.ms, quiet.since], [700, 1_700]);
  quiet.look(1_710);
  quiet.stop();
  assertEquals([quiet.ms, quiet.since], [710, null]);
  quiet.look(9_000);
  quiet.start(10_000);
  quiet.look(10_005);
  assertEquals(quiet.ms, 715);
});

Deno.test("QuietTime counts a little only of a time that is longer than there should be between looks", () => {
  const quiet = new QuietTime();
  quiet.start(0);
  quiet.look(1_500);
  quiet.look(1_500 + 3_600_000); // the process was stopped for an hour
  assertEquals([quiet.ms, quiet.since], [3_000, 3_601_500]);
});

Deno.test("QuietTime begins again when it is reset", () => {
  const quiet = new QuietTime();
  quiet.start(0);
  quiet.look(1_000);
  quiet.reset();
  assertEquals([quiet.ms, quiet.since], [0, null]);
  quiet.start(5_000);
  quiet.look(5_300);
  assertEquals(quiet.ms, 300);
});

Deno.test("QuietTime counts a little only of what passed while the worker was busy", () => {
  const quiet = new QuietTime();
  quiet.start(0);
  quiet.look(7, true);
  quiet.look(5_007, true);
  assertEquals(quiet.ms, 17);
  quiet.look(5_107);
  assertEquals(quiet.ms, 117);
});

Deno.test("QuietTime does not go back with a clock that is set back", () => {
  const quiet = new QuietTime();
  quiet.start(10_000);
  quiet.look(10_100);
  quiet.look(2_000);
  assertEquals(quiet.ms, 100);
  quiet.look(2_050);
  assertEquals(quiet.ms, 150);
});
