/**
 * How two processes of a run prove to each other that they belong to it, before anything else is
 * said. Both know a key. Neither sends it: each sends a keyed hash of what both have said. That
 * contains fresh random bytes from both, so no answer is good for a second time.
 *
 * ```text
 *   listener   32 bytes   random
 *   connector   4 bytes   "MRX" and the version of what follows the handshake
 *               2 bytes   which worker the connector is, big-endian
 *              32 bytes   random
 *              32 bytes   HMAC-SHA-256(key, "connector" + listener + all of the above)
 *   listener   32 bytes   HMAC-SHA-256(key, "listener" + listener + all of the above)
 * ```
 *
 * The 2 bytes `listener` say who the connector means to reach. So a proof that was made for one
 * process is worth nothing at another. The two words keep a proof from being sent back to its
 * maker. Nothing is decoded, and nothing more is sent, before the other end has proved itself.
 *
 * @module
 */
import type { WorkerIndex } from "../../core/ids.ts";
import { within } from "../../core/promises.ts";

const MAGIC = [0x4d, 0x52, 0x58] as const;
const KEY_BYTES = 32;
const NONCE_BYTES = 32;
const PROOF_BYTES = 32;
const CLAIM_BYTES = MAGIC.length + 1 + 2 + NONCE_BYTES;

/**
 * How long the listening side may take to prove itself, in milliseconds. It may be at work: the
 * coordinator starts up to 1,024 processes in one go.
 */
const ANSWER_MS = 30_000;

/** Stands for the coordinator where the index of a worker is expected. */
export const COORDINATOR = 0xffff;

/** What a connection is for, as both ends must see it. */
export interface Purpose {
  /** Of what follows the handshake. */
  readonly version: number;
  /** Who listens: a worker, or {@linkcode COORDINATOR}. */
  readonly listener: WorkerIndex;
}

/** What the connecting side has said about itself. */
export interface Claim {
  /** The version that it speaks. */
  readonly version: number;
  /** Which worker it says it is. */
  readonly worker: WorkerIndex;
  /** Whether it has proved that it knows the key. */
  isProved(key: string): Promise<boolean>;
  /** Proves to it that this process knows the key too. */
  answer(key: string): Promise<void>;
}

/** A key that nobody guesses, as hexadecimal digits. */
export function createKey(): string {
  return randomBytes(KEY_BYTES).toHex();
}

/**
 * The connecting side: proves itself, and makes sure that the other end is who it should be.
 *
 * @param worker Which worker this process is.
 * @param options `ms`: how long the other end may take, in milliseconds. `meanwhile` is called
 * while it is at work.
 * @returns Whether the other end has proved itself; `false` where it hung up before.
 * @throws {Error} If it gives a wrong proof, or none in time. The connection is left open.
 */
export async function introduce(
  conn: Deno.Conn,
  key: string,
  { version, listener, worker }: Purpose & { readonly worker: WorkerIndex },
  { ms = ANSWER_MS, meanwhile }: { readonly ms?: number; readonly meanwhile?: () => void } = {},
): Promise<boolean> {
  let isProved = false;
  const shaken = async () => {
    const nonce = await readBytes(conn, NONCE_BYTES);
    if (nonce === null) return;
    const said = { listener, nonce, claim: claimOf(version, worker) };
    await writeBytes(conn, join(said.claim, await proofOf("connector", key, said)));
    meanwhile?.();
    const proof = await readBytes(conn, PROOF_BYTES);
    if (proof === null) return;
    isProved = await isProofOf("listener", key, said, proof);
    if (isProved) return;
    throw new Error(
      `a process that is not of this run answers in place of ${nameOf(listener)}; it has been ` +
        `told nothing`,
    );
  };
  const work = shaken().catch((error) => {
    if (!hasHungUp(error)) throw error;
  });
  if (await within(work, ms)) return isProved;
  throw new Error(`${nameOf(listener)} did not prove itself within ${ms / 1000} s`);
}

/**
 * The listening side: has a process that has connected say who it is, and prove it.
 *
 * @param listener Which process this is.
 * @returns What it says, not checked yet; `null` where it says something else, or nothing.
 */
export async function challenge(conn: Deno.Conn, listener: WorkerIndex): Promise<Claim | null> {
  const nonce = randomBytes(NONCE_BYTES);
  await writeBytes(conn, nonce);
  const said = await readBytes(conn, CLAIM_BYTES + PROOF_BYTES);
  if (said === null || !MAGIC.every((byte, i) => said[i] === byte)) return null;
  const claim = said.subarray(0, CLAIM_BYTES);
  const proof = said.subarray(CLAIM_BYTES);
  const all = { listener, nonce, claim };
  return {
    version: claim[MAGIC.length],
    worker: claim[MAGIC.length + 1] << 8 | claim[MAGIC.length + 2],
    isProved: (key) => isProofOf("connector", key, all, proof),
    answer: async (key) => writeBytes(conn, await proofOf("listener", key, all)),
  };
}

function claimOf(version: number, worker: WorkerIndex): Bytes {
  const head = Uint8Array.of(...MAGIC, version, worker >> 8, worker & 255);
  return join(head, randomBytes(NONCE_BYTES));
}

type Role = "connector" | "listener";

/** What both have said, as far as a proof is about it. */
interface Said {
  readonly listener: WorkerIndex;
  readonly nonce: Bytes;
  readonly claim: Bytes;
}

type Bytes = Uint8Array<ArrayBuffer>;

async function proofOf(role: Role, key: string, said: Said): Promise<Bytes> {
  return new Uint8Array(
    await crypto.subtle.sign("HMAC", await keyOf(key, "sign"), transcript(role, said)),
  );
}

/** Needs the same time if it is not. */
async function isProofOf(role: Role, key: string, said: Said, proof: Bytes): Promise<boolean> {
  return await crypto.subtle.verify(
    "HMAC",
    await keyOf(key, "verify"),
    proof,
    transcript(role, said),
  );
}

/** Web Crypto, as Node's takes some milliseconds of a start to load. */
function keyOf(key: string, usage: KeyUsage): Promise<CryptoKey> {
  const bytes = Uint8Array.fromHex(key);
  return crypto.subtle.importKey("raw", bytes, { name: "HMAC", hash: "SHA-256" }, false, [usage]);
}

/** All parts but the first have one length, and no word is the beginning of the other. */
function transcript(role: Role, { listener, nonce, claim }: Said): Bytes {
  const word = new TextEncoder().encode(role);
  return Uint8Array.of(...word, listener >> 8, listener & 255, ...nonce, ...claim);
}

function hasHungUp(error: unknown): boolean {
  return error instanceof Deno.errors.ConnectionReset || error instanceof Deno.errors.BrokenPipe;
}

function nameOf(listener: WorkerIndex): string {
  return listener === COORDINATOR ? "the coordinator" : `worker ${listener}`;
}

function randomBytes(length: number): Bytes {
  return crypto.getRandomValues(new Uint8Array(length));
}

function join(first: Bytes, second: Bytes): Bytes {
  return Uint8Array.of(...first, ...second);
}

async function writeBytes(conn: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let rest = bytes; rest.length > 0;) rest = rest.subarray(await conn.write(rest));
}

/**
 * Exactly that many bytes: what comes after them is for others. `null` if the end comes first.
 */
async function readBytes(conn: Deno.Conn, length: number): Promise<Bytes | null> {
  const bytes = new Uint8Array(length);
  for (let filled = 0; filled < length;) {
    const read = await conn.read(bytes.subarray(filled));
    if (read === null) return null;
    filled += read;
  }
  return bytes;
}
