import { createLog } from "../../../src/core/log.ts";
import type { Place } from "../../../src/graph/contracts.ts";
import { FlowMeters } from "../../../src/graph/meters.ts";

/** A {@linkcode Place} without an engine around it, that records its calls. */
export interface TestPlace extends Place {
  /** What `fail` was called with. */
  readonly failures: unknown[];
  /** How often `stop` was called. */
  readonly stops: number;
  /** Lines of log: `warn: the message`. */
  readonly logged: string[];
}

/** The place of step `"step"` on the only worker, but for what `overrides` says. */
export function testPlace(overrides: Partial<Place> = {}): TestPlace {
  const failures: unknown[] = [];
  const logged: string[] = [];
  let stops = 0;
  return {
    stepId: "step",
    workerIndex: 0,
    workerCount: 1,
    signal: new AbortController().signal,
    log: createLog((level, message) => logged.push(`${level}: ${message}`)),
    meter: new FlowMeters().of("step"),
    fail: (error) => void failures.push(error),
    stop: () => void stops++,
    ...overrides,
    failures,
    get stops() {
      return stops;
    },
    logged,
  };
}
