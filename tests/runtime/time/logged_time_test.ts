import { assertEquals } from "@std/assert";
import { LoggedTime } from "../../../src/runtime/time/logged_time.ts";

Deno.test("LoggedTime knows the newest time that any source had by a moment", () => {
  const logged = new LoggedTime();
  logged.note(100, 7);
  logged.note(300, 9);
  logged.note(200, 8); // of a machine that is slower to commit
  logged.note(250, 5); // of a source that is less far
  assertEquals([99, 100, 199, 260, 300, 1_000].map((at) => logged.newestBy(at)), [
    -Infinity,
    7,
    7,
    8,
    9,
    9,
  ]);
  logged.note(150, 20); // it was far ahead by then
  assertEquals([149, 150, 1_000].map((at) => logged.newestBy(at)), [7, 20, 20]);
});

Deno.test("LoggedTime forgets what nobody asks for, and keeps the rest", () => {
  const logged = new LoggedTime();
  for (let at = 0; at < 10; at++) logged.note(at, at);
  logged.forget(4);
  assertEquals([3, 4, 5].map((at) => logged.newestBy(at)), [-Infinity, 4, 5]);
});

Deno.test("LoggedTime is bounded while an origin says nothing, and holds time back for it", () => {
  const logged = new LoggedTime();
  for (let at = 0; at < 100_000; at++) logged.note(at, at);
  let known = 0;
  for (let at = 0; at < 100_000; at++) {
    const newest = logged.newestBy(at);
    if (newest === at) known++;
    else assertEquals(newest < at, true);
  }
  assertEquals(known <= 1_025, true, `${known} are kept`);
});

Deno.test("LoggedTime counts quiet time where all origins have been idle together", () => {
  const logged = new LoggedTime();
  const pass = () => {
    logged.passIdle(logged.together(["a", "b"]));
    return logged.takeQuiet();
  };
  logged.onTick("a", { at: 500, idleSince: 100 });
  assertEquals(pass(), 0); // the other has said nothing
  logged.onTick("b", { at: 400, idleSince: 300 });
  assertEquals(pass(), 100); // from 300 to 400
  logged.onTick("a", { at: 900, idleSince: 100 });
  assertEquals(pass(), 0); // the other may have something since 400
  logged.onTick("b", { at: 1_000, idleSince: null });
  assertEquals(pass(), 0);
  logged.onTick("b", { at: 1_100, idleSince: 1_050 });
  logged.onTick("a", { at: 1_200, idleSince: 100 });
  assertEquals(pass(), 50); // from 1050 to 1100
});

Deno.test("LoggedTime counts no quiet time twice, after a restart either", () => {
  const logged = new LoggedTime({ told: [], newest: [], quietTo: 400 });
  logged.onTick("a", { at: 500, idleSince: 100 });
  logged.passIdle(logged.together(["a"]));
  assertEquals([logged.takeQuiet(), logged.takeQuiet(), logged.said().quietTo], [100, 0, 500]);
});
