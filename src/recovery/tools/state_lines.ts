/**
 * The lines of an exported store. Each is an object in JSON:
 *
 * ```text
 *   {"millrace":"state","version":1,"flow":"orders","epoch":7,"steps":null}
 *   {"step":"in","role":"input","partition":"orders-0","value":{"offset":{"$bigint":"12"}}}
 *   {"step":"total","key":"ada","value":{"count":3}}
 *   {"end":true}
 * ```
 *
 * The first line has the steps that were exported; `null` for all of them. A `value` is as
 * `core/exact_json.ts` writes it. Where that would not give back the same bytes, the line has
 * `bytes` instead: the value as `core/value_codec.ts` encodes it, in base64. A file without the
 * last line was cut off.
 *
 * @module
 */
import { bytesOf, fromExactJson, InexactError, toExactJson } from "../../core/exact_json.ts";
import type { Epoch, PartitionName, StepId } from "../../core/ids.ts";
import { decodeValue, encodeValue } from "../../core/value_codec.ts";
import type { PositionRole } from "../store.ts";

/** The first line. */
export interface Head {
  readonly kind: "head";
  readonly flow: string;
  /** The last committed epoch. */
  readonly epoch: Epoch;
  /** The exported steps; `null` for all. */
  readonly steps: readonly StepId[] | null;
}

/** A line of an export. */
export type StateLine =
  | Head
  | {
    readonly kind: "key";
    readonly step: StepId;
    readonly key: string;
    readonly state: Uint8Array;
  }
  | {
    readonly kind: "position";
    readonly step: StepId;
    readonly role: PositionRole;
    readonly partition: PartitionName;
    readonly state: Uint8Array;
  }
  | { readonly kind: "end" };

/** The version that is written, and the only one that can be read. */
const VERSION = 1;

const ROLES: readonly string[] = [
  "input",
  "output",
  "time",
  "gone",
  "kind",
] satisfies PositionRole[];

/** Returns a line as text, with its end. */
export function lineText(line: StateLine): string {
  return `${JSON.stringify(lineObject(line))}\n`;
}

function lineObject(line: StateLine): object {
  switch (line.kind) {
    case "head": {
      const { flow, epoch, steps } = line;
      return { millrace: "state", version: VERSION, flow, epoch, steps };
    }
    case "end":
      return { end: true };
    case "key": {
      const { step, key, state } = line;
      return { step, key, ...valueText(state) };
    }
    case "position": {
      const { step, role, partition, state } = line;
      return { step, role, partition, ...valueText(state) };
    }
  }
}

function valueText(state: Uint8Array): { value: unknown } | { bytes: string } {
  const bytes = { bytes: state.toBase64() };
  try {
    const value = toExactJson(decodeValue(state));
    const again = encodeValue(fromExactJson(value)).toBase64();
    return again === bytes.bytes ? { value } : bytes;
  } catch (error) {
    if (error instanceof InexactError) return bytes;
    throw error;
  }
}

/**
 * Reads a line.
 *
 * @throws {TypeError} If it is not one of an export. The message says what is wrong.
 */
export function parseLine(text: string): StateLine {
  let line: Readonly<Record<string, unknown>>;
  try {
    line = JSON.parse(text);
  } catch (cause) {
    throw new TypeError("it is not JSON", { cause });
  }
  if (typeof line !== "object" || line === null) throw new TypeError("it is not an object");
  if ("millrace" in line) return parseHead(line);
  if (line.end === true) return { kind: "end" };
  const { step, key, role, partition } = line;
  if (typeof step !== "string") throw new TypeError("it needs a step, as text");
  const state = parseValue(line);
  if (typeof key === "string") return { kind: "key", step, key, state };
  if (typeof role !== "string" || !ROLES.includes(role) || typeof partition !== "string") {
    throw new TypeError(
      `it needs a key, or a role and a partition; a role is one of ${ROLES.join(", ")}`,
    );
  }
  return { kind: "position", step, role: role as PositionRole, partition, state };
}

function parseHead(line: Readonly<Record<string, unknown>>): Head {
  const { millrace, version, flow, epoch, steps } = line;
  if (millrace !== "state") throw new TypeError("it is the first line of something else");
  if (version !== VERSION) {
    throw new TypeError(
      `the export has version ${JSON.stringify(version)}, and this Millrace reads ${VERSION}`,
    );
  }
  if (typeof flow !== "string") throw new TypeError("it needs a flow, as text");
  if (!Number.isSafeInteger(epoch) || (epoch as number) < -1) {
    throw new TypeError("it needs an epoch, as a whole number from -1 on");
  }
  if (
    steps !== null && !(Array.isArray(steps) && steps.every((each) => typeof each === "string"))
  ) {
    throw new TypeError("it needs steps, as an array of text, or null");
  }
  return { kind: "head", flow, epoch: epoch as number, steps };
}

function parseValue(line: Readonly<Record<string, unknown>>): Uint8Array {
  const has = ["value", "bytes"].filter((name) => Object.hasOwn(line, name));
  if (has.length !== 1) throw new TypeError("it needs one of value and bytes");
  if (has[0] === "value") return encodeValue(fromExactJson(line.value));
  const bytes = typeof line.bytes === "string" ? bytesOf(line.bytes) : null;
  if (bytes === null) throw new TypeError("bytes must be base64");
  try {
    decodeValue(bytes);
  } catch (cause) {
    throw new TypeError("bytes are not of an encoded value", { cause });
  }
  return bytes;
}
