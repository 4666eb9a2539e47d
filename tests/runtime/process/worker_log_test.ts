import { assertEquals, assertThrows } from "@std/assert";
import type { LogFields, LogLevel } from "../../../src/core/log.ts";
import { WorkerLog } from "../../../src/runtime/process/worker_log.ts";
import { TestClock } from "../../support/clock/test_clock.ts";

/** The log of some workers, and what it has written. */
function logOf(workers: number) {
  const clock = new TestClock();
  const lines: [LogLevel, string, LogFields][] = [];
  const log = new WorkerLog(workers, { clock, write: (...line) => lines.push(line) });
  const say = (worker: number, level: LogLevel, message: string, fields: LogFields = {}) =>
    log.accept(worker, { kind: "log", level, message, fields });
  return { clock, lines, log, say, take: () => lines.splice(0) };
}

const AWAY = { brokers: "a:9092", error: "refused" };

Deno.test("WorkerLog writes a warning of all workers once, when the last one has given it", () => {
  const { say, take, clock } = logOf(3);
  for (const worker of [2, 0]) say(worker, "warn", "waiting for broker", AWAY);
  assertEquals(take(), []);
  say(1, "warn", "waiting for broker", AWAY);
  assertEquals(take(), [["warn", "waiting for broker", { workers: "0,1,2", ...AWAY }]]);
  assertEquals(clock.sleeps, []);
});

Deno.test("WorkerLog writes a warning of some workers 2 s after the first gave it", () => {
  const { say, take, clock } = logOf(3);
  say(2, "warn", "waiting for broker", AWAY);
  clock.advance(1_500);
  say(1, "warn", "waiting for broker", { ...AWAY, error: "no answer" });
  say(1, "warn", "slow", { ms: 5 });
  clock.advance(499);
  assertEquals(take(), []);
  clock.advance(1);
  const both = { workers: "1,2", ...AWAY, error: "refused; no answer" };
  assertEquals(take(), [["warn", "waiting for broker", both]]);
  clock.advance(1_500);
  assertEquals(take(), [["warn", "slow", { worker: 1, ms: 5 }]]);
  assertEquals(clock.sleeps, []);
});

Deno.test("WorkerLog keeps the order of warnings, and each one that a worker repeats", () => {
  const { say, take, log } = logOf(2);
  say(0, "warn", "waiting", { topic: "a" });
  say(0, "warn", "waiting", { topic: "b" });
  say(0, "warn", "waiting", { topic: "a" });
  say(0, "warn", "back");
  say(1, "warn", "back");
  const texts = () =>
    take().map(([, message, { topic, worker, workers }]) =>
      `${message} ${topic ?? ""} ${worker ?? workers}`
    );
  assertEquals(texts(), ["waiting a 0", "waiting b 0", "waiting a 0", "back  0,1"]);
  say(1, "warn", "waiting", { topic: "b" });
  log.flush();
  assertEquals(texts(), ["waiting b 1"]);
});

Deno.test("WorkerLog writes other levels at once, and before an error what it holds", () => {
  const { say, take, clock } = logOf(2);
  say(0, "warn", "waiting");
  say(0, "info", "resumed", { worker: 7 });
  assertEquals(take(), [["info", "resumed", { worker: 0 }]]);
  say(1, "error", "failed");
  assertEquals(take(), [["warn", "waiting", { worker: 0 }], ["error", "failed", { worker: 1 }]]);
  assertEquals(clock.sleeps, []);
});

Deno.test("WorkerLog holds nothing of a single worker, nor names it", () => {
  const { say, take } = logOf(1);
  say(0, "warn", "waiting", AWAY);
  assertEquals(take(), [["warn", "waiting", AWAY]]);
});

Deno.test("WorkerLog refuses a level that is unknown", () => {
  const { say } = logOf(2);
  assertThrows(
    () => say(1, "fatal" as LogLevel, "x"),
    Error,
    "worker 1 logs at no level of ours",
  );
});
