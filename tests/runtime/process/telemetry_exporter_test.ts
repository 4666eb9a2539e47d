import { assertEquals } from "@std/assert";
import { createLog } from "../../../src/core/log.ts";
import type { TelemetryMessage } from "../../../src/ops/telemetry/messages.ts";
import {
  type ExporterChild,
  ExporterProcess,
} from "../../../src/runtime/process/telemetry_exporter.ts";
import { idle } from "../../support/eventually.ts";

/** An exporter whose process the test plays: it reads a chunk when it is told to. */
function played() {
  const chunks: string[] = [];
  const lines: string[] = [];
  const exited = Promise.withResolvers<Deno.CommandStatus>();
  let reading = Promise.withResolvers<void>();
  let kill = () => {};
  const sink = {
    write: async (bytes: Uint8Array) => {
      chunks.push(new TextDecoder().decode(bytes));
      await reading.promise;
    },
    close: () => exited.resolve({ success: true, code: 0, signal: null }),
  };
  const child = {
    stdin: new WritableStream(sink),
    status: exited.promise,
    kill: () => kill(),
  } as ExporterChild;
  const log = createLog((level, message, { error }) =>
    void lines.push(`${level}: ${message}${error === undefined ? "" : `: ${error}`}`)
  );
  return {
    exporter: new ExporterProcess(child, log),
    chunks,
    lines,
    reads: async () => {
      reading.resolve();
      reading = Promise.withResolvers();
      await idle();
    },
    goes: async () => {
      reading.reject(new Error("broken pipe"));
      exited.resolve({ success: false, code: 1, signal: null });
      await idle();
    },
    onKill: (act: () => void) => kill = act,
  };
}

const message = (text: string): TelemetryMessage => ({ kind: "log", level: "info", text });
const lineOf = (text: string) => `${JSON.stringify(message(text))}\n`;

Deno.test("an exporter's process gets a line for each message, and those that waited at once", async () => {
  const { exporter, chunks, lines, reads } = played();
  for (const text of ["a", "b", "c"]) exporter.tell(message(text));
  await idle();
  assertEquals(chunks, [lineOf("a")]);
  await reads();
  assertEquals(chunks, [lineOf("a"), lineOf("b") + lineOf("c")]);
  await reads();
  exporter.tell(message("d"));
  const end = exporter.end();
  await reads();
  await end;
  assertEquals(chunks.slice(2), [lineOf("d")]);
  assertEquals(lines, []);
});

Deno.test("an exporter drops what is more than 16 MiB in waiting, and logs that once", async () => {
  const { exporter, chunks, lines, reads } = played();
  exporter.tell(message("first"));
  for (const text of ["x", "y", "z"]) exporter.tell(message(text.repeat(10 << 20)));
  exporter.tell(message("small"));
  assertEquals(lines, ["warn: telemetry is dropped: it is exported too slowly"]);
  await idle();
  await reads();
  await reads();
  exporter.tell(message("later"));
  await idle();
  assertEquals(chunks.map((chunk) => chunk.length), [
    lineOf("first").length,
    lineOf("x").length - 1 + (10 << 20) + lineOf("small").length,
    lineOf("later").length,
  ]);
  const end = exporter.end();
  await reads();
  await end;
});

Deno.test("an exporter whose process has gone says so once, and ends", async () => {
  const { exporter, chunks, lines, goes } = played();
  exporter.tell(message("a"));
  await goes();
  for (const text of ["b", "c"]) exporter.tell(message(text));
  await exporter.end();
  assertEquals(chunks, [lineOf("a")]);
  assertEquals(lines, [
    "warn: nothing is exported by OTLP any more: the process that does it has gone: Error: broken pipe",
  ]);
});

Deno.test("an exporter's process is killed, unless it has exited already", () => {
  const { exporter, onKill } = played();
  let kills = 0;
  onKill(() => kills++);
  exporter.kill();
  assertEquals(kills, 1);
  onKill(() => {
    throw new TypeError("Child process has already terminated");
  });
  exporter.kill();
});
