/**
 * Log lines as text.
 *
 * @module
 */
import type { LogFields } from "./log.ts";

/** A message with its details, such as `flow loaded steps=3`. */
export function lineText(message: string, fields: LogFields): string {
  const facts = Object.entries(fields).map(([key, value]) => {
    const name = /^[\w.-]+$/.test(key) ? key : JSON.stringify(key);
    return ` ${name}=${JSON.stringify(value)}`;
  });
  return message + facts.join("");
}
