/**
 * Lines of log on standard error.
 *
 * @module
 */
import { createLog, isAtLeast, type Log, type LogFields, type LogLevel } from "../core/log.ts";
import type { LogFormat } from "./arguments.ts";

/** A log that formats lines from `least` up and hands them to `write`. */
export function createLogWriter(
  options: { least: LogLevel; format: LogFormat; now: () => Date },
  write: (line: string) => void,
): Log {
  const { least, format, now } = options;
  return createLog((level, message, fields) => {
    if (!isAtLeast(level, least)) return;
    const line = format === "json"
      ? JSON.stringify({ time: now().toISOString(), level, message, ...fields })
      : textLine(now(), level, message, fields);
    write(line + "\n");
  });
}

function textLine(time: Date, level: LogLevel, message: string, fields: LogFields): string {
  const facts = Object.entries(fields).map(([key, value]) => ` ${key}=${JSON.stringify(value)}`);
  return `${time.toISOString()} ${level.padEnd(5)} ${message}${facts.join("")}`;
}
