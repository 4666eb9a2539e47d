/**
 * The log of the engine and of connectors.
 *
 * @module
 */

/** The severity of a log line, from least to most. */
export type LogLevel = "debug" | "info" | "warn" | "error";

/** The levels, from least to most. */
export const LOG_LEVELS: readonly LogLevel[] = Object.freeze(["debug", "info", "warn", "error"]);

/** Whether a level is at least as severe as another. */
export function isAtLeast(level: LogLevel, least: LogLevel): boolean {
  return LOG_LEVELS.indexOf(level) >= LOG_LEVELS.indexOf(least);
}

/** Details of a log line. Values are shown as JSON; never put a secret or an item here. */
export type LogFields = Readonly<Record<string, string | number | boolean | null>>;

/** Accepts log lines. */
export interface Log {
  /** Details for finding a fault. */
  debug(message: string, fields?: LogFields): void;
  /** A milestone: started, resumed, stopped. */
  info(message: string, fields?: LogFields): void;
  /** Something that works but may not be intended, or that the run waits for. */
  warn(message: string, fields?: LogFields): void;
  /** Something that failed. */
  error(message: string, fields?: LogFields): void;
}

/**
 * Creates a {@linkcode Log} that passes each line to one function.
 *
 * @example The engine's log on the console
 * ```ts
 * import {
 *   createLog,
 *   Dataflow,
 *   run,
 *   StdOutputConfig,
 *   TestingInputConfig,
 * } from "@millrace/millrace";
 *
 * const log = createLog((level, message, fields) => console.error(level, message, fields));
 * const flow = new Dataflow("hello")
 *   .input("in", new TestingInputConfig(["hello"]))
 *   .capture(new StdOutputConfig());
 * await run(flow, { log });
 * ```
 */
export function createLog(
  write: (level: LogLevel, message: string, fields: LogFields) => void,
): Log {
  return {
    debug: (message, fields = {}) => write("debug", message, fields),
    info: (message, fields = {}) => write("info", message, fields),
    warn: (message, fields = {}) => write("warn", message, fields),
    error: (message, fields = {}) => write("error", message, fields),
  };
}

/** Discards all lines. */
export const silentLog: Log = Object.freeze(createLog(() => {}));
