/**
 * Runs the tools that change a recovery store, or export it.
 *
 * A tool holds the store as a run does, also in a dry run. So it is refused while a run uses the
 * store, and a run is refused meanwhile.
 *
 * @module
 */
import { counted } from "../core/counted.ts";
import { UsageError } from "../core/errors.ts";
import type { StepId } from "../core/ids.ts";
import type { Log } from "../core/log.ts";
import { safeLines } from "../core/safe_text.ts";
import { systemReason } from "../core/system_error.ts";
import {
  NoStoreError,
  RecoveryError,
  type RecoveryStore,
  StoreInUseError,
} from "../recovery/store.ts";
import type { StepSize } from "../recovery/tools/content.ts";
import { exportLines } from "../recovery/tools/export.ts";
import { importInto, readExport } from "../recovery/tools/import.ts";
import { rewindInput, type RewindResult } from "../recovery/tools/rewind.ts";
import { dropStep, type EditOptions, renameStep } from "../recovery/tools/step_edits.ts";
import { positionText } from "./position_text.ts";
import { configOf, kafkaBrokersOf, type OpenedStore, openExisting } from "./recovery.ts";
import type { Rewind } from "./rewind_arguments.ts";
import type { Tool, ToolCommand } from "./state_arguments.ts";

/** Where a tool writes to. */
export interface ToolOutput {
  /** What was exported. */
  readonly write: (text: string) => void;
  /** What was done. */
  readonly tell: (text: string) => void;
  readonly log: Log;
}

/**
 * Does what a command says, or in a dry run only tells what it would do.
 *
 * @throws {UsageError} If it cannot be done. The error names the step and the cure.
 * @throws {RecoveryError} If a run uses the store, or it cannot be read or written.
 */
export async function runStateTool(
  { path, tool, dryRun }: ToolCommand,
  { write, tell, log }: ToolOutput,
): Promise<void> {
  let done: string;
  try {
    done = tool.name === "import" ? await importFile(path, tool, { dryRun, log }) : await within(
      await openExisting(path, log),
      (store, flow) => apply(path, tool, { store, flow, dryRun, write }),
    );
  } catch (error) {
    if (error instanceof StoreInUseError) throw heldByRun(path, tool);
    throw error;
  }
  const rest = dryRun ? "\nnothing was changed: --dry-run" : "";
  tell(`${safeLines(done, "  ")}${rest}\n`);
}

/** The cure of a run is not that of a tool. */
function heldByRun(path: string, { name }: Tool): RecoveryError {
  const cure = name === "export"
    ? `stop it first, or export a copy: backup ${path} COPY, and state export COPY`
    : `state ${name} needs the store for itself: stop the run first`;
  return new RecoveryError(`recovery store ${path}: a run uses it: ${cure}`);
}

/** Calls `work` with an open store, and closes that. */
async function within<T>(
  { store, flow }: OpenedStore,
  work: (store: RecoveryStore, flow: string) => Promise<T>,
): Promise<T> {
  try {
    return await work(store, flow);
  } finally {
    await store.close();
  }
}

/** What a tool works with. */
interface Work {
  readonly store: RecoveryStore;
  readonly flow: string;
  readonly dryRun: boolean;
  readonly write: (text: string) => void;
}

async function apply(
  path: string,
  tool: Exclude<Tool, { name: "import" }>,
  { store, flow, dryRun, write }: Work,
): Promise<string> {
  const would = dryRun ? "would be " : "";
  switch (tool.name) {
    case "rename-step": {
      const size = await renameStep(store, tool, { dryRun });
      return `step "${tool.from}" ${would}renamed to "${tool.to}": ${sizeText(size)}`;
    }
    case "drop-step": {
      const size = await dropStep(store, tool.step, { dryRun });
      return `step "${tool.step}" ${would}dropped: ${sizeText(size)}`;
    }
    case "export": {
      let lines = 0;
      for await (const text of exportLines(store, { flow, step: tool.step })) {
        lines += text.split("\n").length - 1;
        if (!dryRun) write(text);
      }
      const what = tool.step === null ? `flow "${flow}"` : `step "${tool.step}"`;
      return `${what} ${would}exported: ${counted(lines, "line")}`;
    }
    case "rewind": {
      const { step, partition } = tool;
      const move = moverOf(path, step, tool);
      const result = await rewindInput(store, { step, partition, move }, { dryRun });
      return rewindText(step, result, tool, { dryRun });
    }
  }
}

function sizeText({ keys, positions }: StepSize): string {
  return `${counted(keys, "key")}, ${counted(positions, "position")}`;
}

async function importFile(
  path: string,
  { file, replace }: Extract<Tool, { name: "import" }>,
  { dryRun, log }: { readonly dryRun: boolean; readonly log: Log },
): Promise<string> {
  const given = await readExport(linesOf(file), file);
  const { flow } = given.head;
  const options = { dryRun, replace };
  const opened = await openedIfThere(path, log) ??
    (dryRun ? null : { store: await configOf(path).open(flow, log), flow });
  const { keys, positions, replaced } = opened === null
    ? await importInto(null, given, options)
    : await within(opened, (store, owner) => {
      if (owner === flow) return importInto(store, given, options);
      throw new UsageError(
        `${file} is of the flow "${flow}", and ${path} of "${owner}": to import it all the same, ` +
          `change the flow in its first line`,
      );
    });
  const place = replaced.length === 0
    ? ""
    : `, in place of what was stored of ${replaced.map((step) => `"${step}"`).join(", ")}`;
  const what = `flow "${flow}" ${dryRun ? "would be " : ""}imported into ${path}`;
  return `${what}: ${sizeText({ keys, positions })}${place}`;
}

/** Opens a store; `null` if there is none yet. */
async function openedIfThere(path: string, log: Log): Promise<OpenedStore | null> {
  try {
    return await openExisting(path, log);
  } catch (error) {
    if (error instanceof NoStoreError) return null;
    throw error;
  }
}

/** The lines of a file, without their ends. */
async function* linesOf(file: string): AsyncGenerator<string, void> {
  let opened: Deno.FsFile;
  try {
    opened = await Deno.open(file);
  } catch (cause) {
    throw new UsageError(`${file} cannot be read: ${systemReason(cause)}`, { cause });
  }
  let rest = "";
  try {
    for await (const text of opened.readable.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + text).split("\n");
      rest = lines.pop()!;
      yield* lines;
    }
  } catch (cause) {
    throw new UsageError(`${file} cannot be read: ${systemReason(cause)}`, { cause });
  }
  if (rest !== "") yield rest;
}

/** Returns where each partition goes. */
function moverOf(
  path: string,
  step: StepId,
  { to, partition, brokers, properties }: Rewind,
): Parameters<typeof rewindInput>[1]["move"] {
  return async (positions) => {
    if (to.kind === "start") return positions.map(() => null);
    const { atOffset, isOfKafka, positionsAt } = await import(
      "../connectors/kafka_recovery/input_positions.ts"
    );
    const other = positions.find((each) => !isOfKafka(each));
    if (other !== undefined) {
      throw new UsageError(
        `step "${step}" does not read Kafka, so it cannot be rewound to ` +
          `${to.kind === "time" ? "a time" : "an offset"} (${positionText(other.position)} of ` +
          `"${other.partition}"): give ${step}=start to read it from its start again`,
      );
    }
    if (to.kind === "offset") {
      if (partition === null && positions.length > 1) {
        throw new UsageError(
          `step "${step}" has ${positions.length} partitions, whose offsets have nothing in common: ` +
            `give one of them, such as --partition ${positions[0].partition}`,
        );
      }
      return positions.map((each) => atOffset(each, to.offset));
    }
    const at = brokers ?? kafkaBrokersOf(path);
    if (at === null) {
      throw new UsageError(
        `to find ${new Date(to.time).toISOString()} in the topics of step "${step}", give their ` +
          "brokers: --brokers HOST:PORT,HOST:PORT",
      );
    }
    try {
      return await positionsAt(positions, to.time, { brokers: at, properties });
    } catch (cause) {
      if (!(cause instanceof TypeError)) throw cause;
      throw new UsageError(cause.message, { cause });
    }
  };
}

/** Returns what a rewind has moved, and what the user may not expect. */
export function rewindText(
  step: StepId,
  { moved, times }: RewindResult,
  { to }: Pick<Rewind, "to">,
  { dryRun }: EditOptions,
): string {
  const lines = moved.map(({ partition, position, to }) => {
    const next = to === null ? "as in a first run" : positionText(to);
    return `${partition}: ${positionText(position)} -> ${next}`;
  });
  const since = to.kind === "time" ? to.time : -Infinity;
  // Of an offset the time is not known, only whether it goes back. To skip records takes no state.
  const isBack = to.kind !== "offset" ||
    moved.some(({ position }) => to.offset < (position as { offset: bigint }).offset);
  const late = [...times].filter(([, time]) => time > since && isBack);
  const warnings = late.map(([step, time]) =>
    `step "${step}" has event time up to ${new Date(time).toISOString()}: older values are late ` +
    "there, unless you drop the step"
  );
  return [`step "${step}" ${dryRun ? "would be " : ""}rewound:`, ...lines, ...warnings].join("\n");
}
