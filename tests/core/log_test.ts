import { assertEquals } from "@std/assert";
import { createLog, LOG_LEVELS, silentLog } from "../../src/core/log.ts";

Deno.test("createLog() passes each line to its function, with its level and fields", () => {
  const lines: unknown[] = [];
  const log = createLog((...line) => lines.push(line));
  log.debug("looked");
  log.info("started", { workers: 2 });
  log.warn("waits", { for: "broker" });
  log.error("failed");
  assertEquals(lines, [
    ["debug", "looked", {}],
    ["info", "started", { workers: 2 }],
    ["warn", "waits", { for: "broker" }],
    ["error", "failed", {}],
  ]);
});

Deno.test("silentLog accepts a line of every level", () => {
  assertEquals(LOG_LEVELS.map((level) => silentLog[level]("x")), LOG_LEVELS.map(() => undefined));
});
