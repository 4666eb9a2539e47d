/**
 * The recovery store that the command line names.
 *
 * @module
 */
import { UsageError } from "../core/errors.ts";
import { type Log, silentLog } from "../core/log.ts";
import { oneLine } from "../core/safe_text.ts";
import { exists } from "../core/system_error.ts";
import {
  KafkaRecoveryConfig,
  type KafkaRecoveryOptions,
  storeTopicsOf,
} from "../connectors/kafka_recovery/kafka_recovery.ts";
import type { StoreInspector, WantedStates } from "../recovery/inspector.ts";
import { backUp } from "../recovery/sqlite/backup.ts";
import { SqliteInspector } from "../recovery/sqlite/inspector.ts";
import { SqliteRecoveryConfig } from "../recovery/sqlite/sqlite_recovery.ts";
import { FromScratchRecovery, unfinishedOf } from "../recovery/from_scratch.ts";
import { tellLongWait } from "../recovery/long_wait.ts";
import {
  NoStoreError,
  type RecoveryConfig,
  RecoveryError,
  type RecoveryStore,
} from "../recovery/store.ts";
import type { RecoveryCommand } from "./arguments.ts";

const READS =
  "looking for output that is left unfinished, before the store is dropped: after a run that was " +
  "killed while it wrote, this takes up to 30 s";

/** Asks the user a question; `null` if there is no user to ask. */
export type Confirm = ((question: string) => boolean) | null;

/**
 * Returns the store, emptied if the command line asks for it. If an output has left work unfinished
 * in it, the next run has it completed, and empties the store then.
 *
 * @throws {UsageError} If the path names no store. Also if the store is to be emptied, but there is
 *   no user to confirm, or the user says no.
 * @throws {RecoveryError} If a run uses it.
 */
export async function recoveryOf(
  { path, fromScratch, yes }: RecoveryCommand,
  confirm: Confirm,
  log: Log = silentLog,
): Promise<RecoveryConfig> {
  const config = configOf(path);
  // Only the broker could tell whether there is something on Kafka.
  if (!fromScratch || !(isOnKafka(path) || await exists(path))) return config;
  if (!yes) {
    if (confirm === null) {
      throw new UsageError(
        `--from-scratch drops all that is stored in ${path}: give --yes too, as nobody can be asked`,
      );
    }
    if (!confirm(`Drop all that is stored in ${path}${await whose(path)}?`)) {
      throw new UsageError("nothing was dropped, and nothing run");
    }
  }
  const isUnfinished = await tellLongWait(
    { what: READS, store: config.name, log },
    () => hasUnfinished(path, log),
  );
  if (isUnfinished) return new FromScratchRecovery(config);
  await config.drop(log);
  return config;
}

/** Whether an output has left work unfinished, or may have, as far as the store can be read. */
async function hasUnfinished(path: string, log: Log): Promise<boolean> {
  try {
    using store = await inspectorOf(path, null);
    return unfinishedOf(store.positions()).length > 0;
  } catch (error) {
    if (!(error instanceof RecoveryError)) throw error;
    // A run that opens it first ends what a killed run was writing, and may then read it.
    if (isOnKafka(path)) return !(error instanceof NoStoreError);
    log.warn("what was dropped could not be read: output that was not visible yet is given up", {
      reason: error.message,
    });
    return false;
  }
}

/** Returns what is in a store, as far as it can be read. */
async function whose(path: string): Promise<string> {
  if (isOnKafka(path)) return "";
  try {
    using store = await SqliteInspector.open(path);
    const time = store.committedAt === null ? "" : `, ${store.committedAt.toISOString()}`;
    return ` (flow "${store.flow}", epoch ${store.epoch ?? "none"}${time})`;
  } catch {
    return ""; // it is damaged, but can still be dropped
  }
}

/**
 * Copies a store. Returns what to tell.
 *
 * @throws {UsageError} If the store is on Kafka.
 * @throws {RecoveryError} If it cannot be copied.
 */
export async function backUpStore(
  { path, to }: { readonly path: string; readonly to: string },
): Promise<string> {
  if (isOnKafka(path)) {
    throw new UsageError("backup copies files: what is on Kafka has the replicas of its topics");
  }
  const { flow, epoch, bytes } = await backUp(path, to);
  const size = bytes < 1 << 20
    ? `${Math.ceil(bytes / 1_024)} KiB`
    : `${Math.ceil(bytes / 2 ** 20)} MiB`;
  const at = epoch === null ? "before the first epoch" : `at epoch ${epoch}`;
  return `copied flow ${oneLine(flow)} ${at} to ${oneLine(to)}: ${size}\n`;
}

/** Whether a store is on Kafka, or is meant to be. */
export function isOnKafka(path: string): boolean {
  return /^kafka:/i.test(path);
}

/** An open store, and the flow that it belongs to. */
export interface OpenedStore {
  readonly store: RecoveryStore;
  readonly flow: string;
}

/**
 * Opens a store of any flow, as a run would.
 *
 * @throws {NoStoreError} If there is none yet. Nothing is made then.
 * @throws {RecoveryError} If a run uses it, or it cannot be used.
 */
export async function openExisting(path: string, log: Log): Promise<OpenedStore> {
  if (isOnKafka(path)) {
    const place = onKafka(path, storeTopicsOf);
    const { KafkaStore } = await import("../connectors/kafka_recovery/store.ts");
    const store = await KafkaStore.open(place, null, undefined, log);
    return { store, flow: store.flow };
  }
  using inspector = await SqliteInspector.open(path);
  const { flow } = inspector;
  return { store: await configOf(path).open(flow, log), flow };
}

/** Returns the brokers of a store on Kafka; `null` for a file. */
export function kafkaBrokersOf(path: string): readonly string[] | null {
  return isOnKafka(path) ? onKafka(path, storeTopicsOf).brokers : null;
}

/** Returns the store at a path, which need not exist. */
export function configOf(path: string): RecoveryConfig {
  return isOnKafka(path)
    ? onKafka(path, (options) => new KafkaRecoveryConfig(options))
    : new SqliteRecoveryConfig(path);
}

/**
 * Opens a store to look into it.
 *
 * @param wanted Whose states will be asked for; `null` for none.
 * @throws {UsageError} If the path is not that of a store.
 * @throws {RecoveryError} If there is none, or it cannot be read.
 */
export async function inspectorOf(
  path: string,
  wanted: WantedStates | null,
): Promise<StoreInspector> {
  if (!isOnKafka(path)) return await SqliteInspector.open(path);
  const place = onKafka(path, storeTopicsOf);
  const { KafkaInspector } = await import("../connectors/kafka_recovery/inspector.ts");
  return await KafkaInspector.open(place, wanted);
}

/** Calls `make` with the brokers and the prefix in the path of a store on Kafka. */
function onKafka<T>(path: string, make: (options: KafkaRecoveryOptions) => T): T {
  const [, brokers, topicPrefix] = /^kafka:\/\/([^/?#]*)\/([^/?#]*)$/i.exec(path) ?? [];
  // The part before an @ may be a password.
  const shown = path.replace(/\/\/[^/]*@/, "//***@");
  const wanted = `a store on Kafka is kafka://HOST:PORT,HOST:PORT/PREFIX; got ${shown}`;
  if (brokers === undefined) throw new UsageError(wanted);
  try {
    return make({ brokers: brokers.split(","), topicPrefix });
  } catch (cause) {
    const why = shown === path ? ` (${(cause as TypeError).message})` : "";
    throw new UsageError(`${wanted}${why}`, { cause });
  }
}
