/**
 * The process that exports the coordinator's telemetry. It is told what to export by lines of JSON
 * on its standard input, and ends with that. Deno does the exporting, also of what is left when the
 * process ends.
 *
 * It is a process of its own for two reasons. What telemetry is of (`service.name`,
 * `service.instance.id`) is fixed when a process starts. And Deno exports as log lines only what is
 * written to the console, which would come out once more on the outputs of the command.
 *
 * @module
 */
import { metrics, trace } from "@opentelemetry/api";
import { VERSION } from "../../core/version.ts";
import { recordEpoch } from "./epoch_spans.ts";
import type { TelemetryMessage } from "./messages.ts";
import { MetricRecorder } from "./metric_recorder.ts";

async function main(): Promise<void> {
  // A terminal sends its signals to all processes. This one ends with the coordinator.
  if (Deno.build.os !== "windows") {
    for (const signal of ["SIGINT", "SIGHUP", "SIGTERM"] as const) {
      Deno.addSignalListener(signal, () => {});
    }
  }
  const recorder = new MetricRecorder(metrics.getMeter("millrace", VERSION));
  const tracer = trace.getTracer("millrace", VERSION);
  const exportOne = (message: TelemetryMessage) => {
    switch (message.kind) {
      case "metrics":
        return recorder.record(message.run, message.samples);
      case "log":
        return console[message.level](message.text);
      case "epoch":
        return recordEpoch(tracer, message);
    }
  };
  let rest = "";
  for await (const text of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    for (const line of lines) exportOne(JSON.parse(line));
  }
  Deno.exit(); // signal listeners would keep it
}

await main();
