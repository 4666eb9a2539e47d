import { assertEquals } from "@std/assert";
import { createLog, silentLog } from "../../../src/core/log.ts";
import type { TelemetryMessage } from "../../../src/ops/telemetry/messages.ts";
import { Telemetry } from "../../../src/runtime/process/telemetry.ts";
import { TelemetryNames } from "../../../src/runtime/process/telemetry_names.ts";

/** Telemetry at a time that the test sets, and what the exporter is told. */
function telemetry(): { clock: { now: number }; told: TelemetryMessage[]; run: Telemetry } {
  const told: TelemetryMessage[] = [];
  const clock = { now: 1_000 };
  const exporter = {
    tell: (message: TelemetryMessage) => void told.push(message),
    end: () => Promise.resolve(),
    kill: () => {},
  };
  const names = new TelemetryNames("file:///flow.ts", () => undefined);
  return { clock, told, run: new Telemetry(exporter, names, silentLog, () => clock.now) };
}

const trace = (n: number) =>
  `00-0af7651916cd43dd8448eb211c80319c-${String(n).padStart(16, "0")}-01`;

Deno.test("an epoch's span lasts from the commit before to its own, and links to its traces", () => {
  const { clock, told, run } = telemetry();
  run.begins();
  run.loaded("orders");
  run.runs(4);
  run.seen(4, [trace(1), trace(2)]);
  run.seen(5, [trace(9)]); // of a worker that is ahead
  run.seen(4, [trace(2), trace(3)]);
  clock.now = 1_400;
  run.closes();
  clock.now = 1_500;
  run.committed(4);
  clock.now = 1_900;
  run.finished();
  assertEquals(told, [
    {
      kind: "epoch",
      flow: "orders",
      epoch: 4,
      begun: 1_000,
      closing: 1_400,
      committed: 1_500,
      traces: [trace(1), trace(2), trace(3)],
    },
    {
      kind: "epoch",
      flow: "orders",
      epoch: 5,
      begun: 1_500,
      closing: 1_500,
      committed: 1_900,
      traces: [trace(9)],
    },
  ]);
});

Deno.test("an epoch links to each trace once, and to sixteen at most", () => {
  const { told, run } = telemetry();
  run.begins();
  run.runs(0);
  run.seen(0, Array.from({ length: 10 }, (_, n) => trace(n)));
  run.seen(0, Array.from({ length: 10 }, (_, n) => trace(n + 5)));
  run.seen(0, Array.from({ length: 10 }, (_, n) => trace(n + 20)));
  run.committed(0);
  const [message] = told;
  const traces = message.kind === "epoch" ? message.traces : null;
  assertEquals(traces, [...Array.from({ length: 15 }, (_, n) => trace(n)), trace(20)]);
});

Deno.test("a run that was stopped before it ran has no epoch", () => {
  const { told, run } = telemetry();
  run.begins();
  run.finished();
  assertEquals(told, []);
});

Deno.test("lines go to the log and are exported, each on one line, from a level up", () => {
  const { told, run } = telemetry();
  const written: string[] = [];
  const log = run.logTo(createLog((level, message) => written.push(`${level} ${message}`)), "info");
  log.debug("nothing much");
  log.warn("two\nlines", { worker: 1 });
  assertEquals(written, ["debug nothing much", "warn two\nlines"]);
  assertEquals(told, [{ kind: "log", level: "warn", text: "two\\nlines worker=1" }]);
});
