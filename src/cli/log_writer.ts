/**
 * Writes the log on standard error. A log line stays one line, whatever text it holds.
 *
 * @module
 */
import { createLog, isAtLeast, type Log, type LogFields, type LogLevel } from "../core/log.ts";
import { lineText } from "../core/log_text.ts";
import { oneLine } from "../core/safe_text.ts";
import type { LogFormat } from "./arguments.ts";

/** Returns a log that formats lines from level `least` up, and passes them to `write`. */
export function createLogWriter(
  options: { least: LogLevel; format: LogFormat; now: () => Date },
  write: (line: string) => void,
): Log {
  const { least, format, now } = options;
  return createLog((level, message, fields) => {
    if (!isAtLeast(level, least)) return;
    const line = format === "json"
      ? jsonLine(now(), level, message, fields)
      : textLine(now(), level, message, fields);
    write(oneLine(line) + "\n");
  });
}

/** A field with the name of one of ours gets another name, so that it cannot replace ours. */
function jsonLine(time: Date, level: LogLevel, message: string, fields: LogFields): string {
  const own = { time: time.toISOString(), level, message };
  const others = Object.entries(fields)
    .map(([key, value]) => [Object.hasOwn(own, key) ? `field_${key}` : key, value]);
  return JSON.stringify(Object.fromEntries([...Object.entries(own), ...others]));
}

function textLine(time: Date, level: LogLevel, message: string, fields: LogFields): string {
  return timed(time, level, lineText(message, fields));
}

function timed(time: Date, level: LogLevel, text: string): string {
  return `${time.toISOString()} ${level.padEnd(5)} ${text}`;
}

/**
 * Returns the error that ends a run as it stands in its log.
 *
 * On a terminal, where the log has warnings only, a person reads it: it is shown as it is. Where
 * milestones are logged too, a collector reads it: it has a time, as all lines have.
 *
 * @param report It as `reportError` shows it: some lines, the first of which begins with `error: `.
 */
export function finalError(
  report: string,
  { least, format, now }: { least: LogLevel; format: LogFormat; now: () => Date },
): string {
  const text = report.replace(/^error: /, "");
  if (format === "json") return oneLine(jsonLine(now(), "error", text, {})) + "\n";
  return (isAtLeast("info", least) ? timed(now(), "error", text) : report) + "\n";
}
