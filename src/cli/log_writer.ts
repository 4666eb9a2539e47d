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
  return `${time.toISOString()} ${level.padEnd(5)} ${lineText(message, fields)}`;
}
