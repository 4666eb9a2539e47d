import { assertEquals } from "@std/assert";
import { createLogWriter, finalError } from "../../src/cli/log_writer.ts";
import { LOG_LEVELS, type LogLevel } from "../../src/core/log.ts";

function writer(least: LogLevel, format: "text" | "json") {
  const lines: string[] = [];
  const now = () => new Date(Date.UTC(2026, 0, 2, 3, 4, 5, 67));
  return { lines, log: createLogWriter({ least, format, now }, (line) => lines.push(line)) };
}

Deno.test("createLogWriter() writes the time, the level, the message and the facts as a line", () => {
  const { lines, log } = writer("debug", "text");
  log.info("flow loaded", { flow: "my flow", steps: 3, resumed: false, epoch: null });
  log.error("gone");
  assertEquals(lines, [
    `2026-01-02T03:04:05.067Z info  flow loaded flow="my flow" steps=3 resumed=false epoch=null\n`,
    "2026-01-02T03:04:05.067Z error gone\n",
  ]);
});

Deno.test("createLogWriter() writes an object a line as JSON, whatever the message has in it", () => {
  const { lines, log } = writer("debug", "json");
  log.warn(`two\nlines and a "quote"`, { topic: "a\nb", lag: 7 });
  assertEquals(lines.map((line) => line.indexOf("\n")), [lines[0].length - 1]);
  assertEquals(JSON.parse(lines[0]), {
    time: "2026-01-02T03:04:05.067Z",
    level: "warn",
    message: `two\nlines and a "quote"`,
    topic: "a\nb",
    lag: 7,
  });
});

Deno.test("createLogWriter() leaves out lines below the level", () => {
  for (const [at, least] of LOG_LEVELS.entries()) {
    const { lines, log } = writer(least, "json");
    for (const level of LOG_LEVELS) log[level]("said");
    assertEquals(lines.map((line) => JSON.parse(line).level), LOG_LEVELS.slice(at));
  }
});

const HOSTILE = "a\r\n2026-01-02T03:04:05.067Z error forged\x1b[2J\u009b2J\u202e\x7f\u2028";

for (const format of ["text", "json"] as const) {
  Deno.test(`createLogWriter() writes one line of ${format}, whatever names and messages hold`, () => {
    const { lines, log } = writer("debug", format);
    log.info(HOSTILE, { flow: HOSTILE, [HOSTILE]: 1 });
    assertEquals(lines.length, 1);
    assertEquals(/^[^\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]+\n$/u.test(lines[0]), true, lines[0]);
    if (format === "json") {
      const { message, flow, [HOSTILE]: one } = JSON.parse(lines[0]);
      assertEquals([message, flow, one], [HOSTILE, HOSTILE, 1]); // nothing is lost
    }
  });
}

Deno.test("createLogWriter() lets no field replace the time, the level or the message", () => {
  const { lines, log } = writer("debug", "json");
  log.error("real", { time: "never", level: "debug", message: "forged", __proto__: null, n: 1 });
  assertEquals(JSON.parse(lines[0]), {
    time: "2026-01-02T03:04:05.067Z",
    level: "error",
    message: "real",
    field_time: "never",
    field_level: "debug",
    field_message: "forged",
    n: 1,
  });
});

Deno.test("createLogWriter() writes a field's name as JSON where text would be ambiguous", () => {
  const { lines, log } = writer("debug", "text");
  log.info("said", { "a=1 level": "x", "": "y" });
  assertEquals(lines, [`2026-01-02T03:04:05.067Z info  said "a=1 level"="x" ""="y"\n`]);
});

Deno.test("finalError() has a time where milestones are logged, and all its lines in text", () => {
  const now = () => new Date(Date.UTC(2026, 0, 2, 3, 4, 5, 67));
  const report = 'error: step "map-1" failed\n  Error: error: no';
  const final = (least: LogLevel, format: "text" | "json") =>
    finalError(report, { least, format, now });
  for (const least of ["warn", "error"] as const) {
    assertEquals(final(least, "text"), `${report}\n`);
  }
  for (const least of ["debug", "info"] as const) {
    assertEquals(
      final(least, "text"),
      '2026-01-02T03:04:05.067Z error step "map-1" failed\n  Error: error: no\n',
    );
  }
  const [line, rest] = final("warn", "json").split("\n");
  assertEquals(rest, "");
  assertEquals(JSON.parse(line), {
    time: "2026-01-02T03:04:05.067Z",
    level: "error",
    message: 'step "map-1" failed\n  Error: error: no',
  });
});
