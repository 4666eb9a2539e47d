/**
 * Reading that begins again after an error that may pass.
 *
 * @module
 */
import { UnreadableError } from "../kafka/read/read_committed.ts";
import { persist, type RepeatedConnection } from "../kafka/transactions/persist.ts";
import { TaskLogError } from "./task_log_error.ts";

/** How long brokers may be away, in milliseconds. */
export const PATIENCE_MS = 120_000;

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
