/**
 * Where `state rewind` has an input read from, as data.
 *
 * @module
 */
import { UsageError } from "../core/errors.ts";
import type { StepId } from "../core/ids.ts";
import type { Option } from "./options.ts";

/** Where an input is to read from. */
export interface Rewind {
  /** The input. */
  readonly step: StepId;
  readonly to: RewindTarget;
  /** One partition; `null` for all. */
  readonly partition: string | null;
  /** The brokers of the input's topics; `null` for those of the store. */
  readonly brokers: readonly string[] | null;
  /** Kafka properties for the connection. */
  readonly properties: Readonly<Record<string, string>>;
}

/** As the user writes it after the `=`. */
export type RewindTarget =
  /** As in a first run. */
  | { readonly kind: "start" }
  /** From the first record at or after a time, in milliseconds since the Unix epoch. */
  | { readonly kind: "time"; readonly time: number }
  | { readonly kind: "offset"; readonly offset: bigint };

/** The option of Kafka properties. */
export const PROPERTY_OPTION = {
  name: "property",
  value: "NAME=VALUE",
  isList: true,
  about: "a Kafka property for the connection; repeatable",
} as const satisfies Option;

/** The options that only this tool has. */
export const REWIND_OPTIONS = [
  { name: "partition", value: "NAME", about: "only one partition, such as orders-0" },
  { name: "brokers", value: "LIST", about: "of the input's topics, if the store is a file" },
  PROPERTY_OPTION,
] as const satisfies readonly Option[];

/**
 * Reads the arguments of `state rewind` after the path.
 *
 * @param target Such as `orders=2026-11-28T10:00:00Z`.
 * @param options The values of {@linkcode REWIND_OPTIONS}.
 * @throws {UsageError} If they are wrong; the message says how to correct them.
 */
export function parseRewind(target: string, options: Readonly<Record<string, unknown>>): Rewind {
  const partition = (options.partition as string | undefined) ?? null;
  const brokers = (options.brokers as string | undefined)?.split(",") ?? null;
  const properties = propertiesOf(options.property as readonly string[]);
  const at = target.lastIndexOf("=");
  const step = target.slice(0, Math.max(at, 0));
  const to = targetOf(target.slice(at + 1));
  if (step !== "" && TIME.test(`${target.slice(at + 1)}Z`)) {
    throw new UsageError(
      `the time of state rewind needs a zone, such as ${target}Z or ${target}+02:00`,
    );
  }
  if (step === "" || to === null) {
    throw new UsageError(
      "state rewind needs STEP=TIME, such as orders=2026-11-28T10:00:00Z, or STEP=start, or " +
        `STEP=offset:N; got "${target}"`,
    );
  }
  return { step, to, partition, brokers, properties };
}

/** The day, and optionally the time with a zone: none would mean another one on each machine. */
const TIME = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?(Z|[+-]\d{2}:\d{2}))?$/;

function targetOf(text: string): RewindTarget | null {
  if (text === "start") return { kind: "start" };
  const [, offset] = /^offset:(\d{1,18})$/.exec(text) ?? [];
  if (offset !== undefined) return { kind: "offset", offset: BigInt(offset) };
  const time = TIME.test(text) ? Date.parse(text) : /^\d{10,15}$/.test(text) ? Number(text) : NaN;
  return Number.isNaN(time) ? null : { kind: "time", time };
}

/**
 * Reads Kafka properties.
 *
 * @throws {UsageError} If one has no name.
 */
export function propertiesOf(given: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(given.map((each) => {
    const at = each.indexOf("=");
    if (at < 1) throw new UsageError(`--property must be NAME=VALUE; got "${each}"`);
    return [each.slice(0, at), each.slice(at + 1)];
  }));
}
