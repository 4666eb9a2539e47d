/**
 * Encodes values as bytes, and decodes them, for Kafka keys and values.
 *
 * @module
 */
import { preview } from "./preview.ts";
import { decodeUtf8, encodeUtf8 } from "./utf8.ts";

/** The `text` codec. */
export interface TextCodec {
  /** Returns the UTF-8 bytes of `value`. They may be part of a larger `buffer`. */
  encode(value: string): Uint8Array;
  /**
   * Returns the text in `bytes`; `null` (a Kafka tombstone or missing key) is an error.
   *
   * @throws {TypeError} If `bytes` is `null` or not UTF-8.
   */
  decode(bytes: Uint8Array | null): string;
}

/** The `json` codec. */
export interface JsonCodec {
  /**
   * Returns `value` as JSON, in UTF-8 bytes. They may be part of a larger `buffer`.
   *
   * @throws {TypeError} If JSON has no form for `value`: `undefined`, a function, a bigint, a
   *   cycle.
   */
  encode(value: unknown): Uint8Array;
  /**
   * Returns the value in `bytes`. `T` is the type that the caller expects; it is not checked.
   *
   * @throws {TypeError} If `bytes` is `null` or not UTF-8.
   * @throws {SyntaxError} If the text is not JSON; the message shows it, shortened.
   */
  decode<T = unknown>(bytes: Uint8Array | null): T;
}

function decodeText(bytes: Uint8Array | null): string {
  if (bytes === null) {
    throw new TypeError(
      "cannot decode null: the record has no key or is a tombstone; filter such records out first",
    );
  }
  try {
    return decodeUtf8(bytes);
  } catch (cause) {
    throw new TypeError(`cannot decode bytes that are not UTF-8: ${preview(bytes)}`, { cause });
  }
}

/**
 * Text as UTF-8.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { text } from "@millrace/millrace";
 *
 * assertEquals(text.decode(text.encode("grüße")), "grüße");
 * ```
 */
export const text: TextCodec = Object.freeze({
  encode: encodeUtf8,
  decode: decodeText,
});

/**
 * JSON as UTF-8.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { json } from "@millrace/millrace";
 *
 * interface Order {
 *   user: string;
 *   amount: number;
 * }
 * const order = json.decode<Order>(json.encode({ user: "ada", amount: 12 }));
 * assertEquals(order.amount, 12);
 * ```
 */
export const json: JsonCodec = Object.freeze({
  encode(value: unknown): Uint8Array {
    const written = JSON.stringify(value);
    if (written === undefined) {
      throw new TypeError(
        `cannot encode ${
          preview(value)
        }: JSON has no form for it, so make a string or a plain object of it first`,
      );
    }
    return encodeUtf8(written);
  },
  decode<T>(bytes: Uint8Array | null): T {
    const written = decodeText(bytes);
    try {
      return JSON.parse(written);
    } catch (cause) {
      throw new SyntaxError(`cannot decode ${preview(written)}: it is not JSON`, { cause });
    }
  },
});
