/**
 * Shows what a recovery store holds, as text.
 *
 * @module
 */
import { UsageError } from "../core/errors.ts";
import { didYouMean } from "../core/closest_name.ts";
import { oneLine, safeLines } from "../core/safe_text.ts";
import { decodeValue } from "../core/value_codec.ts";
import type { StateKind } from "../graph/nodes.ts";
import type { StoreInspector, WantedStates } from "../recovery/inspector.ts";
import { isNote, type StoredKey } from "../recovery/store.ts";
import { partitionText, storedText } from "./position_text.ts";
import { inspectorOf } from "./recovery.ts";
import type { ShowCommand } from "./state_arguments.ts";
import { keyJson, keysJson, storeJson } from "./state_json.ts";
import { inspectDepth } from "./inspect_depth.ts";
import { stateText } from "../ops/state_text.ts";
import { table } from "./table.ts";

/** Only the beginning of a longer key is listed. */
const LONGEST_KEY = 60;

/**
 * Shows a store, one of its steps, or one key's value. It only reads, also while a run uses the
 * store.
 *
 * @throws {UsageError} If there is no such step or key.
 * @throws {RecoveryError} If the store cannot be read.
 */
export async function describeState(
  { path, step, key, json, limit }: ShowCommand,
): Promise<string> {
  using store = await inspectorOf(path, wantedOf(step, key, limit));
  if (step === null) return json ? document(storeJson(store)) : overview(store);
  const steps = store.steps();
  const found = steps.find((each) => each.step === step);
  if (found === undefined) {
    const names = steps.map((each) => each.step);
    const has = names.join(", ") || "none";
    throw new UsageError(
      `${path} has no state of a step "${step}"; it has ${has}${didYouMean(step, names)}`,
    );
  }
  const kind = kindOf(store, step);
  if (key === null) {
    const keys = store.keys(step, limit);
    return json ? document(keysJson(found, kind, keys)) : listing(kind, keys, found.keys);
  }
  const name = [key, spelledOut(key)].find((name) => store.get(step, name) !== undefined) ?? key;
  const state = store.get(step, name);
  if (state === undefined) {
    throw new UsageError(
      `step "${step}" has no key "${key}" in ${path}: without a key, the state command lists them`,
    );
  }
  if (json) return document(keyJson(kind, name, state));
  const { whole } = stateText(kind, decodeValue(state));
  return safeLines(
    Deno.inspect(whole, { depth: inspectDepth(whole), strAbbreviateSize: Infinity }),
  ) + "\n";
}

/** Returns which states will be shown. */
function wantedOf(
  step: string | null,
  key: string | null,
  limit: number,
): WantedStates | null {
  if (step === null) return null;
  return key === null ? { step, first: limit } : { step, keys: [key, spelledOut(key)] };
}

function overview(store: StoreInspector): string {
  const { flow, epoch, committedAt } = store;
  const lines = [
    `flow      ${spelled(flow)}`,
    epoch === null || epoch < 0
      ? "epoch     none has been committed"
      : `epoch     ${epoch}, committed ${committedAt?.toISOString() ?? "at an unknown time"}`,
  ];
  const steps = store.steps();
  lines.push(
    "",
    table([
      ["step", "keys", "bytes"],
      ...steps.map(({ step, keys, bytes }) => [spelled(step), String(keys), String(bytes)]),
    ]),
  );
  const positions = store.positions().filter((position) => !isNote(position));
  if (positions.length > 0) {
    lines.push(
      "",
      table([
        ["step", "partition", "position"],
        ...positions.map(({ step, partition, role, state }) => {
          const position = decodeValue(state);
          const name = partitionText(partition, position);
          return [spelled(step), spelled(name), storedText(role, position)];
        }),
      ]),
    );
  }
  return lines.join("\n") + "\n";
}

/** Returns what the state of a step is, as the last run noted it. */
function kindOf(store: StoreInspector, step: string): StateKind | null {
  const note = store.positions().find((each) => each.role === "kind" && each.step === step);
  return note === undefined ? null : decodeValue(note.state) as StateKind;
}

/** Returns JSON as text. What a terminal would not show as it is, JSON escapes. */
function document(json: object): string {
  return `${oneLine(JSON.stringify(json))}\n`;
}

function listing(kind: StateKind | null, keys: readonly StoredKey[], count: number): string {
  const rows = keys.map(({ key, state }) => [
    shown(key),
    stateText(kind, decodeValue(state)).line,
  ]);
  const rest = count > keys.length ? `\n… and ${count - keys.length} more` : "";
  return `${table([["key", "state"], ...rows])}${rest}\n`;
}

/** Returns a key, or its beginning, as {@linkcode spelled} shows it. */
function shown(key: string): string {
  const text = spelled(key);
  return oneLine(text.length > LONGEST_KEY ? `${text.slice(0, LONGEST_KEY)}…` : text);
}

/** Returns a name as it is, or in JSON if a terminal would show it otherwise. */
function spelled(name: string): string {
  const isPlain = oneLine(name) === name && /^[^\p{C}\s"](?:[^\p{C}]*[^\p{C}\s])?$/u.test(name);
  return isPlain ? name : oneLine(JSON.stringify(name).replace(/\p{C}/gu, escaped));
}

function escaped(character: string): string {
  const units = character.split("").map((unit) => unit.charCodeAt(0).toString(16).padStart(4, "0"));
  return units.map((unit) => `\\u${unit}`).join("");
}

/** Returns the key that was passed in JSON, which is how the list shows strange keys. */
function spelledOut(key: string): string {
  if (!key.startsWith('"')) return key;
  try {
    return String(JSON.parse(key));
  } catch {
    return key; // it merely begins with a quotation mark
  }
}
