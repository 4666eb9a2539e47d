import { assertEquals, assertThrows } from "@std/assert";

/** A secret for tests to use. No error may show it. */
export const CANARY = "canary-4711";

/** The message of the TypeError that `read` throws. It must not hold the secret. */
export function refusal(read: () => unknown): string {
  const error = assertThrows(read, TypeError);
  assertEquals(Deno.inspect(error).includes(CANARY), false);
  return error.message;
}
