import { assertEquals } from "@std/assert";
import { createLog } from "../../../src/core/log.ts";
import { LoadingLog } from "../../../src/runtime/process/loading_log.ts";
import { TestClock } from "../../support/clock/test_clock.ts";

/** A log of loading that has begun, and what it says. */
function started(workers: readonly number[], moduleUrl = "file:///my%20flows/flow.ts") {
  const clock = new TestClock();
  const lines: string[] = [];
  const log = createLog((level, message, { file, workers, seconds }) => {
    const [what] = message.split(":");
    lines.push(`${level}: ${what}: ${file} on ${workers} for ${seconds} s`);
  });
  const loading = new LoadingLog(moduleUrl, () => workers, { clock, log });
  loading.start();
  return { clock, lines, loading };
}

const LINE = "warn: the flow's module is still loading: /my flows/flow.ts on 0,2 for";

Deno.test("LoadingLog names the file and the workers after 10 s, then when the time has doubled", () => {
  const { clock, lines, loading } = started([0, 2]);
  clock.advance(9_999);
  assertEquals(lines, []);
  clock.advance(1);
  assertEquals(lines, [`${LINE} 10 s`]);
  clock.advance(9_999);
  assertEquals(lines.length, 1);
  clock.advance(1);
  assertEquals(lines.slice(1), [`${LINE} 20 s`]);
  clock.advance(60_000);
  assertEquals(lines.slice(2), [`${LINE} 40 s`, `${LINE} 80 s`]);
  loading.stop();
});

Deno.test("LoadingLog says nothing once all have loaded, also where the first line has been written", () => {
  for (const seconds of [9, 15]) {
    const { clock, lines, loading } = started([0]);
    clock.advance(seconds * 1_000);
    loading.stop();
    const before = lines.length;
    clock.advance(3_600_000);
    assertEquals([lines.length, clock.sleeps], [before, []]);
  }
});

Deno.test("LoadingLog names the URL of a module that is not a file", () => {
  const { clock, lines, loading } = started([1], "https://example.com/flow.ts");
  clock.advance(10_000);
  assertEquals(lines[0].includes(": https://example.com/flow.ts on 1 "), true);
  loading.stop();
});
