/**
 * Reads exported lines into a store.
 *
 * All is one commit. So after a crash the store is as before, or has all of the file.
 *
 * @module
 */
import { UsageError } from "../../core/errors.ts";
import type { StepId } from "../../core/ids.ts";
import { forgetting, storing } from "../chunk_of_keys.ts";
import {
  isNote,
  type RecoveryStore,
  type StateChunk,
  type StoredKey,
  type StoredPosition,
} from "../store.ts";
import { contentOf, requireFinished, type StepSize, storedSteps } from "./content.ts";
import { type Head, parseLine, type StateLine } from "./state_lines.ts";
import { withoutStep } from "./step_edits.ts";

/** Keys that become one chunk of changes. */
const CHUNK_KEYS = 4_096;

/** The content of an export. */
export interface Export {
  readonly head: Head;
  readonly keys: ReadonlyMap<StepId, ReadonlyMap<string, Uint8Array>>;
  readonly positions: readonly StoredPosition[];
}

/**
 * Reads an export.
 *
 * @param name The file's name, for errors.
 * @throws {UsageError} If it is not one, or was cut off. The error names the line.
 */
export async function readExport(lines: AsyncIterable<string>, name: string): Promise<Export> {
  let head: Head | null = null;
  let isWhole = false;
  let number = 0;
  const keys = new Map<StepId, Map<string, Uint8Array>>();
  const positions = new Map<string, StoredPosition>();
  const wrong = (what: string) => new UsageError(`${name}, line ${number}: ${what}`);
  for await (const text of lines) {
    number++;
    if (text.trim() === "") continue;
    if (isWhole) throw wrong("there is more after the end of the export");
    let line: StateLine;
    try {
      line = parseLine(text);
    } catch (error) {
      throw wrong(`this is not a line of an export: ${(error as Error).message}`);
    }
    if (head === null) {
      if (line.kind !== "head") throw wrong('an export begins with a line {"millrace":"state",…}');
      head = line;
      continue;
    }
    switch (line.kind) {
      case "head":
        throw wrong("here another export begins: import one file at a time");
      case "end":
        isWhole = true;
        continue;
    }
    if (head.steps !== null && !head.steps.includes(line.step)) {
      throw wrong(`step "${line.step}" is not among the "steps" of the first line`);
    }
    if (line.kind === "key") {
      const ofStep = keys.get(line.step) ?? new Map<string, Uint8Array>();
      keys.set(line.step, ofStep);
      if (ofStep.has(line.key)) throw wrong(`key ${JSON.stringify(line.key)} came before`);
      ofStep.set(line.key, line.state);
    } else {
      const { step, role, partition, state } = line;
      const id = JSON.stringify([step, role, partition]);
      if (positions.has(id)) throw wrong(`partition ${JSON.stringify(partition)} came before`);
      positions.set(id, { step, role, partition, state });
    }
  }
  if (head === null) throw new UsageError(`${name} is empty: it is not an export`);
  if (!isWhole) {
    throw new UsageError(`${name} was cut off after line ${number}: export the state again`);
  }
  return { head, keys, positions: [...positions.values()] };
}

/** What an import does with what is there already. */
export interface ImportOptions {
  readonly dryRun: boolean;
  /** Whether it may take the place of what is stored of the steps. */
  readonly replace: boolean;
}

/** What was imported. */
export interface Imported extends StepSize {
  /** The steps of which something was stored, which is gone. */
  readonly replaced: readonly StepId[];
}

/** A store in which nothing has been committed. */
const EMPTY = { epoch: null, positions: [], nextId: 0, keyed: [] };

/**
 * Imports into a store. All steps of the store are replaced if the export has all of them, else
 * only those of the export.
 *
 * @param store `null` in a dry run where there is none yet.
 * @throws {UsageError} If something is stored that may not be replaced.
 */
export async function importInto(
  store: RecoveryStore | null,
  { head, keys, positions }: Export,
  { dryRun, replace }: ImportOptions,
): Promise<Imported> {
  const content = store === null ? EMPTY : await contentOf(store);
  const there = storedSteps(content);
  const named = new Set([...keys.keys(), ...positions.map(({ step }) => step)]);
  const replaced = head.steps === null
    ? [...there]
    : [...there].filter((step) => named.has(step) || head.steps!.includes(step));
  if (replaced.length > 0 && !replace) {
    const names = replaced.map((step) => `"${step}"`).join(", ");
    throw new UsageError(
      `something is stored already of ${
        replaced.length === 1 ? "step" : "steps"
      } ${names}: import ` +
        "into a new store, or give --replace to drop that first",
    );
  }
  for (const step of replaced) requireFinished(content, step, "cannot be replaced");
  const size = {
    keys: keys.values().reduce((sum, { size }) => sum + size, 0),
    positions: positions.filter((position) => !isNote(position)).length,
    replaced,
  };
  if (dryRun || store === null) return size;
  const state: StateChunk[] = [];
  for (const step of replaced) {
    for await (const some of store.load(step)) state.push(forgetting(step, some));
  }
  for (const [step, ofStep] of keys) {
    let id = content.nextId;
    const stored = Array.from(ofStep, ([key, state]): StoredKey => ({ id: id++, key, state }));
    for (let i = 0; i < stored.length; i += CHUNK_KEYS) {
      state.push(storing(step, stored.slice(i, i + CHUNK_KEYS)));
    }
  }
  const kept = head.steps === null ? [] : [...new Set([...replaced, ...named])]
    .reduce((left, step) => withoutStep(left, step), [...content.positions]);
  // What is stored again is not gone.
  const left = kept.filter(({ step, role }) => !(role === "gone" && named.has(step)));
  const epoch = Math.max(content.epoch ?? -1, head.epoch);
  await store.commit(epoch, { state, positions: [...left, ...positions] });
  return size;
}
