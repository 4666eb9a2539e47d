import { assert, assertEquals, assertRejects } from "@std/assert";
import { SqliteRecoveryConfig } from "../../../src/recovery/sqlite/sqlite_recovery.ts";
import { RecoveryError } from "../../../src/recovery/store.ts";
import { chunks, type KeyChange } from "./state_chunks.ts";

/** `count` keys with the same state. */
export function* keys(count: number, state: Uint8Array): Generator<KeyChange> {
  for (let i = 0; i < count; i++) yield { step: "count", key: `key ${i}`, state };
}

/** A store with `count` keys, closed. */
export async function makeStore(path: string, count = 3000): Promise<void> {
  const store = await new SqliteRecoveryConfig(path).open("flow");
  await store.commit(4, { state: chunks(keys(count, new Uint8Array(20).fill(7))), positions: [] });
  await store.close();
}

/** The error with which a store is refused. The file must not change. */
export async function refusal(path: string): Promise<string> {
  const before = await Deno.readFile(path);
  const { message } = await assertRejects(
    () => new SqliteRecoveryConfig(path).open("flow"),
    RecoveryError,
  );
  assertEquals(await Deno.readFile(path), before);
  assert(message.startsWith(`recovery store ${path}: `), message);
  return message.slice(`recovery store ${path}: `.length);
}
