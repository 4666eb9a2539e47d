/**
 * Turns keys, payloads and header values into bytes.
 *
 * @module
 */
import { preview } from "../../../core/preview.ts";
import { encodeUtf8 } from "../../../core/utf8.ts";

/**
 * The bytes of a value that a user gives as `what`. Text becomes UTF-8.
 *
 * @throws {TypeError} If it is neither bytes nor text nor `null`.
 */
export function toBytes(what: string, data: unknown): Uint8Array | null {
  if (data === null) return null;
  if (typeof data === "string") return encodeUtf8(data);
  if (data instanceof Uint8Array) return data;
  throw new TypeError(
    `a record's ${what} must be bytes, text or null; got ${preview(data)} ` +
      `(use json.encode or text.encode)`,
  );
}
