/**
 * The recovery store that the command line names.
 *
 * @module
 */
import { UsageError } from "../core/errors.ts";
import { exists } from "../core/exists.ts";
import { SqliteRecoveryConfig } from "../recovery/sqlite/sqlite_recovery.ts";
import type { RecoveryConfig } from "../recovery/store.ts";
import type { RecoveryCommand } from "./arguments.ts";

/** How somebody is asked: `null` where nobody is there. */
export type Confirm = ((question: string) => boolean) | null;

/**
 * The store, emptied where that was asked for.
 *
 * @throws {UsageError} If it is to be emptied and nobody is there to say yes, or somebody says no.
 * @throws {RecoveryError} If a run uses it.
 */
export async function recoveryOf(
  { path, fromScratch, yes }: RecoveryCommand,
  confirm: Confirm,
): Promise<RecoveryConfig> {
  const config = new SqliteRecoveryConfig(path);
  if (!fromScratch || !await exists(path)) return config;
  if (!yes) {
    if (confirm === null) {
      throw new UsageError(
        `--from-scratch drops all that is stored in ${path}: give --yes too, as nobody can be asked`,
      );
    }
    if (!confirm(`Drop all that is stored in ${path}?`)) {
      throw new UsageError("nothing was dropped, and nothing run");
    }
  }
  await config.drop();
  return config;
}
