/**
 * Reading that begins again after an error that may pass.
 *
 * @module
 */
import type { KafkaConnection } from "../kafka/client/connection.ts";
import { isFinalForWrites } from "../kafka/client/errors.ts";
import { UnreadableError } from "../kafka/read/read_committed.ts";
import { persist, type RepeatedConnection } from "../kafka/transactions/persist.ts";
import { TaskLogError } from "./task_log_error.ts";

/** How long brokers may be away, in milliseconds. */
export const PATIENCE_MS = 120_000;

/** How long they may be away at the first start, in milliseconds. */
export const OPENING_MS = 10_000;

/**
 * Does some work, and does it again after an error that may pass.
 *
 * @throws {TaskLogError | UnreadableError} At once, as another attempt would find the same.
 * @throws The last error, once brokers have been away for too long.
 */
export async function persisting<T>(
  connection: RepeatedConnection,
  work: () => Promise<T>,
  patienceMs = PATIENCE_MS,
): Promise<T> {
  const outcome = await persist(connection, patienceMs, async () => {
    try {
      return { done: await work() };
    } catch (error) {
      if (error instanceof TaskLogError || error instanceof UnreadableError) return { error };
      throw error;
    }
  });
  if ("error" in outcome) throw outcome.error;
  return outcome.done;
}

/**
 * Does the same for work that fails without brokers. Once they have been away for too long, the
 * error names them.
 */
export async function persistingInReach<T>(
  connection: RepeatedConnection & Pick<KafkaConnection, "unreachable">,
  work: () => Promise<T>,
  patienceMs: number,
): Promise<T> {
  const start = performance.now();
  try {
    return await persisting(connection, work, patienceMs);
  } catch (error) {
    const isKnown = error instanceof TaskLogError || error instanceof UnreadableError;
    if (isKnown || connection.isEnded || isFinalForWrites(error)) throw error;
    const ms = Math.round((performance.now() - start) / 1000) * 1000;
    throw connection.unreachable(error, ms);
  }
}
