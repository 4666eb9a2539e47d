/**
 * Exports what the coordinator knows of a run by OTLP: metrics, log lines, a span for each epoch.
 *
 * @module
 */
import { environmentVariable } from "../../core/environment.ts";
import type { Epoch } from "../../core/ids.ts";
import { createLog, isAtLeast, type Log, type LogLevel } from "../../core/log.ts";
import { lineText } from "../../core/log_text.ts";
import { within } from "../../core/promises.ts";
import { oneLine } from "../../core/safe_text.ts";
import { denoExports } from "../../ops/telemetry/deno_exports.ts";
import { MOST_LINKS } from "../../ops/telemetry/messages.ts";
import { otlpSamples } from "../../ops/telemetry/otlp_samples.ts";
import type { RunSource } from "../../ops/run_view.ts";
import { startExporter, type TelemetryExporter } from "./telemetry_exporter.ts";
import { TelemetryNames } from "./telemetry_names.ts";

/** How often Deno exports metrics unless the user says otherwise, in milliseconds. */
const USUAL_EXPORT_MS = 60_000;

/** How long the last export may take, in milliseconds. */
const LAST_MS = 5_000;

/** Tells the exporter how a run goes. */
export class Telemetry {
  readonly #exporter: TelemetryExporter;
  readonly #names: TelemetryNames;
  readonly #log: Log;
  readonly #now: () => number;
  #source: RunSource | null = null;
  #timer: ReturnType<typeof setInterval> | undefined;
  #run = 0;
  #flow = "";
  #epoch: Epoch = 0;
  #begun = 0;
  #closing = 0;
  readonly #traces = new Map<Epoch, Set<string>>();

  /** Tells `exporter`. `now` returns milliseconds since the Unix epoch. */
  constructor(
    exporter: TelemetryExporter,
    names: TelemetryNames,
    log: Log,
    now: () => number = () => Date.now(),
  ) {
    this.#exporter = exporter;
    this.#names = names;
    this.#log = log;
    this.#now = now;
  }

  /** Begins, if Deno exports telemetry of this process; `null` if not. */
  static open(moduleUrl: string, log: Log): Telemetry | null {
    if (!denoExports()) return null;
    const names = new TelemetryNames(moduleUrl, environmentVariable);
    return new Telemetry(startExporter(names.of("coordinator"), log), names, log);
  }

  /** Returns the environment of a worker, with what its own telemetry is of. */
  environmentOf(worker: number): Record<string, string> {
    return this.#names.of(`worker-${worker}`);
  }

  /** Returns a log that exports lines from level `least` up, besides writing them to `log`. */
  logTo(log: Log, least: LogLevel): Log {
    return createLog((level, message, fields) => {
      log[level](message, fields);
      if (isAtLeast(level, least)) this.#line(level, lineText(message, fields));
    });
  }

  /** The run has failed for good. */
  failed(text: string): void {
    this.#line("error", text);
  }

  /** Exports the metrics of a run, twice as often as Deno does. */
  watch(source: RunSource): void {
    this.#source = source;
    const every = Number(environmentVariable("OTEL_METRIC_EXPORT_INTERVAL") ?? "") ||
      USUAL_EXPORT_MS;
    const ms = Math.min(Math.max(every / 2, 100), 10_000);
    this.#timer = setInterval(() => this.sample(), ms);
  }

  /** A run begins, the first or another one: counters are at zero again. */
  begins(): void {
    this.#run++;
    this.#begun = 0;
    this.#traces.clear();
  }

  /** All workers have the flow of this name. */
  loaded(flow: string): void {
    this.#flow = flow;
  }

  /** Items move from now on, and `epoch` begins. */
  runs(epoch: Epoch): void {
    this.#epoch = epoch;
    this.#begun = this.#now();
    this.#closing = this.#begun;
  }

  /** An epoch is to end. */
  closes(): void {
    this.#closing = this.#now();
  }

  /** Items of the traces have been read in an epoch. */
  seen(epoch: Epoch, traces: readonly string[]): void {
    const seen = this.#traces.get(epoch) ?? new Set();
    this.#traces.set(epoch, seen);
    for (const trace of traces) if (seen.size < MOST_LINKS) seen.add(trace);
  }

  /** An epoch has been committed. */
  committed(epoch: Epoch): void {
    const at = this.#now();
    this.#exporter.tell({
      kind: "epoch",
      flow: this.#flow,
      epoch,
      begun: this.#begun,
      closing: Math.max(this.#closing, this.#begun),
      committed: at,
      traces: [...this.#traces.get(epoch) ?? []],
    });
    this.#epoch = epoch + 1;
    this.#begun = at;
    this.#traces.delete(epoch);
  }

  /** The run is over, and well: so is the epoch that it was in. */
  finished(): void {
    if (this.#begun > 0) this.committed(this.#epoch);
  }

  /** Exports the metrics as they are now. */
  sample(): void {
    if (this.#source === null || this.#run === 0) return;
    const samples = otlpSamples(this.#source.view(), this.#source.now());
    this.#exporter.tell({ kind: "metrics", run: this.#run, samples });
  }

  /** Exports what is left. */
  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    this.sample();
    const isOut = await within(this.#exporter.end(), LAST_MS);
    if (!isOut) {
      this.#exporter.kill();
      this.#log.warn("telemetry that was left could not be exported in time", {
        seconds: LAST_MS / 1_000,
      });
    }
  }

  #line(level: LogLevel, text: string): void {
    this.#exporter.tell({ kind: "log", level, text: oneLine(text) });
  }
}
