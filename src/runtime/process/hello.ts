/**
 * What a process says first on a connection, so that the other end knows it as one of the run's:
 *
 * ```text
 *   4 bytes   "MRX" and the version of what follows
 *  32 bytes   a token
 *   2 bytes   which worker it is, big-endian
 * ```
 *
 * Nothing is decoded, and nothing answered, before that has been checked.
 *
 * @module
 */
import { timingSafeEqual } from "node:crypto";
import type { WorkerIndex } from "../../core/ids.ts";

const MAGIC = [0x4d, 0x52, 0x58] as const;
const TOKEN_BYTES = 32;
const HELLO_BYTES = MAGIC.length + 1 + TOKEN_BYTES + 2;

/** What was said. */
export interface Hello {
  readonly version: number;
  readonly token: Uint8Array;
  readonly worker: WorkerIndex;
}

/** A token that nobody guesses, as hexadecimal digits. */
export function createToken(): string {
  return crypto.getRandomValues(new Uint8Array(TOKEN_BYTES)).toHex();
}

/** Says it. */
export async function sendHello(
  conn: Deno.Conn,
  { version, token, worker }: { version: number; token: string; worker: WorkerIndex },
): Promise<void> {
  const secret = Uint8Array.fromHex(token);
  let hello = Uint8Array.of(...MAGIC, version, ...secret, worker >> 8, worker & 255);
  while (hello.length > 0) hello = hello.subarray(await conn.write(hello));
}

/** Hears it; `null` where something else was said, or nothing. */
export async function readHello(conn: Deno.Conn): Promise<Hello | null> {
  const hello = new Uint8Array(HELLO_BYTES);
  for (let filled = 0; filled < HELLO_BYTES;) {
    const read = await conn.read(hello.subarray(filled));
    if (read === null) return null;
    filled += read;
  }
  if (!MAGIC.every((byte, i) => hello[i] === byte)) return null;
  const after = MAGIC.length + 1 + TOKEN_BYTES;
  return {
    version: hello[MAGIC.length],
    token: hello.subarray(MAGIC.length + 1, after),
    worker: hello[after] << 8 | hello[after + 1],
  };
}

/** Whether a token is the one that was expected; takes as long where it is not. */
export function isToken(shown: Uint8Array, expected: string): boolean {
  return timingSafeEqual(shown, Uint8Array.fromHex(expected));
}
