/**
 * Kinds of property values: how each is described, and how a value is read. Reading is strict: it
 * refuses what librdkafka would guess at (`"010"` as 8, `"T"` as true).
 *
 * @module
 */

/** A kind of values. */
export interface Values<T> {
  /** Which values it accepts, for errors and for the documentation. */
  readonly takes: string;
  /** The given value; `undefined` if it is not of this kind. */
  read(raw: unknown): T | undefined;
}

/** Returns a token for SASL OAUTHBEARER. */
export type TokenCallback = () =>
  | string
  | { readonly value: string }
  | Promise<string | { readonly value: string }>;

function ofText<T>(takes: string, read: (text: string) => T | undefined): Values<T> {
  return {
    takes,
    read(raw) {
      const usable = typeof raw === "string" || typeof raw === "number" || typeof raw === "boolean";
      return usable ? read(String(raw)) : undefined;
    },
  };
}

/** Any text that is not empty. */
export function text(): Values<string> {
  return ofText("text", (text) => text === "" ? undefined : text);
}

/** A path. If it were PEM text by mistake, the error about the missing file would show it. */
export function path(): Values<string> {
  return ofText("a path", (text) => /^[^\n\0]+$/.test(text) ? text : undefined);
}

/** PEM text. */
export function pem(): Values<string> {
  return ofText(
    "PEM text",
    (text) => /-----BEGIN [^]+-----END /.test(text) ? text : undefined,
  );
}

/** A function that returns a token. */
export function tokenCallback(): Values<TokenCallback> {
  return {
    takes: "a function that returns a token as text or as { value: text }, or a promise of one",
    read: (raw) => typeof raw === "function" ? raw as TokenCallback : undefined,
  };
}

/** `true` or `false`, as booleans or as text. */
export function flag(): Values<boolean> {
  return ofText(
    "true or false",
    (text) => text === "true" ? true : text === "false" ? false : undefined,
  );
}

/** Whole numbers of a unit; `zero` is what 0 stands for, if not for itself. */
export function whole(
  unit: "milliseconds" | "bytes" | "records" | "times" | "",
  from: number,
  to: number,
  zero?: number,
): Values<number> {
  const range = `from ${from} to ${to}`;
  return ofText(
    unit === "" ? `a whole number ${range}` : `whole ${unit} ${range}`,
    (text) => {
      if (!/^-?(0|[1-9]\d{0,10})$/.test(text)) return undefined;
      const value = Number(text);
      if (value < from || value > to) return undefined;
      return value === 0 ? zero ?? 0 : value;
    },
  );
}

/** Whole KiB, given as bytes. */
export function kibibytes(from: number, to: number): Values<number> {
  const { read } = whole("", from, to);
  return {
    takes: `whole KiB from ${from} to ${to}`,
    read(raw) {
      const value = read(raw);
      return value === undefined ? undefined : value * 1024;
    },
  };
}

/** Milliseconds, also parts of one. */
export function milliseconds(from: number, to: number): Values<number> {
  return ofText(`milliseconds from ${from} to ${to}, fractions too`, (text) => {
    if (!/^(0|[1-9]\d{0,9})(\.\d+)?$/.test(text)) return undefined;
    const value = Number(text);
    return value >= from && value <= to ? value : undefined;
  });
}

/** One of several names, in any case. */
export function oneOf<const T extends string>(...names: readonly T[]): Values<T> {
  return choice(names.map((name) => [name, name]));
}

/** One of several names, in any case, each with its value. */
export function choice<const T>(names: readonly (readonly [string, T])[]): Values<T> {
  const values = new Map(names.map(([name, value]) => [name.toLowerCase(), value]));
  return ofText(enumerated(names.map(([name]) => name)), (text) => values.get(text.toLowerCase()));
}

/** One of several names, in exactly this case, as in librdkafka. */
export function exactlyOneOf<const T extends string>(...names: readonly T[]): Values<T> {
  return ofText(enumerated(names), (text) => names.find((name) => name === text));
}

/** Accepts only the value that describes our fixed behaviour; `why` explains it. */
export function only<const T extends string>(value: T, why: string): Values<T> {
  return ofText(`only ${value} (${why})`, (text) => text === value ? value : undefined);
}

function enumerated(names: readonly string[]): string {
  return names.length < 2 ? names.join() : `${names.slice(0, -1).join(", ")} or ${names.at(-1)}`;
}
