/**
 * The last lines of a run's log and the last errors, for the operations port.
 *
 * @module
 */
import { createLog, isAtLeast, type Log, type LogFields, type LogLevel } from "../core/log.ts";
import { messageOf, StepError } from "../core/errors.ts";
import { oneLine, safeLines } from "../core/safe_text.ts";
import type { LogLine, RunError } from "./run_view.ts";

/** The least level of a line that is kept, whatever the log itself accepts. */
const LEAST: LogLevel = "info";

/** How many lines are kept. */
const MOST_LINES = 200;

/** How many errors are kept. */
const MOST_ERRORS = 20;

/** The most characters of a text from outside. */
const LONGEST = 2_000;

/** Keeps them. */
export class RunLog {
  readonly #now: () => number;
  #lines: readonly LogLine[] = [];
  #errors: readonly RunError[] = [];
  #number = 0;

  /** `now` returns milliseconds since the Unix epoch. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** The last lines, oldest first. */
  get lines(): readonly LogLine[] {
    return this.#lines;
  }

  /** The last errors, oldest first. */
  get errors(): readonly RunError[] {
    return this.#errors;
  }

  /** Returns a log that keeps each line, and passes it on. */
  over(log: Log): Log {
    return createLog((level, message, fields) => {
      this.keep(level, message, fields);
      log[level](message, fields);
    });
  }

  /** Keeps a line, if it is one to keep. */
  keep(level: LogLevel, message: string, fields: LogFields): void {
    if (!isAtLeast(level, LEAST)) return;
    const line = {
      number: ++this.#number,
      at: this.#now(),
      level,
      message: short(message),
      fields: shortFields(fields),
    };
    this.#lines = [...this.#lines.slice(-(MOST_LINES - 1)), line];
  }

  /** Returns the level from which on lines are needed, if others need those from `level` on. */
  lesser(level: LogLevel): LogLevel {
    return isAtLeast(level, LEAST) ? LEAST : level;
  }

  /** A run has failed, or new code cannot be run. */
  failed(thrown: unknown): void {
    const step = thrown instanceof StepError ? thrown : null;
    const error = {
      at: this.#now(),
      message: limited(safeLines(messageOf(step === null ? thrown : step.cause))),
      step: step?.stepId ?? null,
      worker: step?.worker ?? null,
      item: step?.item === undefined ? null : short(step.item),
      origin: step?.origin === undefined ? null : short(step.origin),
    };
    this.#errors = [...this.#errors.slice(-(MOST_ERRORS - 1)), error];
  }
}

function short(text: string): string {
  return limited(oneLine(text));
}

function limited(text: string): string {
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text;
}

function shortFields(fields: LogFields): LogFields {
  const entries = Object.entries(fields);
  return Object.fromEntries(
    entries.map(([name, value]) => [name, typeof value === "string" ? short(value) : value]),
  );
}
