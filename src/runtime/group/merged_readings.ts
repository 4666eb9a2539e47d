/**
 * The readings of several tasks as those of the worker that runs them.
 *
 * @module
 */
import type { StageReading } from "../stage_readings.ts";
import type {
  OpenWindows,
  OutputReading,
  StateReading,
  StepConnection,
  StepEventTime,
  WorkerReadings,
} from "../worker_readings.ts";

/** Merges readings. Each partition belongs to one task. */
export function mergeReadings(all: readonly WorkerReadings[]): WorkerReadings {
  return {
    lag: all.flatMap(({ lag }) => lag),
    eventTimes: merge(all.flatMap(({ eventTimes }) => eventTimes), stepOf, earlier),
    stages: stagesOf(all),
    state: merge(all.flatMap(({ state }) => state), stepOf, bothStates),
    openWindows: merge(all.flatMap(({ openWindows }) => openWindows), stepOf, bothWindows),
    outputs: merge(all.flatMap(({ outputs }) => outputs), stepOf, bothOutputs),
    connections: merge(
      all.flatMap(({ connections }) => connections),
      ({ step, to }) => JSON.stringify([step, to]),
      bothConnections,
    ),
  };
}

/** Merges what has the same name. Keeps the order in which names come. */
function merge<T>(
  all: readonly T[],
  nameOf: (each: T) => string,
  both: (a: T, b: T) => T,
): T[] {
  const merged = new Map<string, T>();
  for (const each of all) {
    const name = nameOf(each);
    const known = merged.get(name);
    merged.set(name, known === undefined ? each : both(known, each));
  }
  return [...merged.values()];
}

function stepOf({ step }: { readonly step: string }): string {
  return step;
}

/** The step is as far as its last task. */
function earlier(a: StepEventTime, b: StepEventTime): StepEventTime {
  return b.time < a.time ? b : a;
}

function bothStates(a: StateReading, b: StateReading): StateReading {
  const bytes = a.bytes === null || b.bytes === null ? null : a.bytes + b.bytes;
  return { step: a.step, keys: a.keys + b.keys, bytes };
}

function bothWindows(a: OpenWindows, b: OpenWindows): OpenWindows {
  return { step: a.step, count: a.count + b.count };
}

function bothOutputs(a: OutputReading, b: OutputReading): OutputReading {
  const [first, second] = [a.transactions, b.transactions];
  return {
    step: a.step,
    prepareMs: a.prepareMs === null || b.prepareMs === null
      ? a.prepareMs ?? b.prepareMs
      : Math.max(a.prepareMs, b.prepareMs),
    transactions: first === null || second === null ? first ?? second : {
      count: first.count + second.count,
      oldestMs: Math.max(first.oldestMs, second.oldestMs),
    },
  };
}

function bothConnections(a: StepConnection, b: StepConnection): StepConnection {
  return {
    ...a,
    reconnects: a.reconnects + b.reconnects,
    throttledMs: a.throttledMs + b.throttledMs,
  };
}

/** One thread runs all tasks in turns, so idle is what is left of the time of the oldest one. */
function stagesOf(all: readonly WorkerReadings[]): StageReading[] {
  const timesOf = ({ stages: [stage] }: WorkerReadings) =>
    stage === undefined ? 0 : stage.busyMs + stage.backpressuredMs + stage.idleMs;
  const ms = all.reduce((most, each) => Math.max(most, timesOf(each)), 0);
  const merged = merge(
    all.flatMap(({ stages }) => stages),
    ({ stage }) => String(stage),
    (a, b) => ({
      ...a,
      busyMs: a.busyMs + b.busyMs,
      backpressuredMs: a.backpressuredMs + b.backpressuredMs,
      queued: a.queued + b.queued,
    }),
  );
  return merged.sort((a, b) => a.stage - b.stage).map((each) => ({
    ...each,
    idleMs: Math.max(0, ms - each.busyMs - each.backpressuredMs),
  }));
}
