/**
 * What a machine of a group keeps on its disk: who its workers are.
 *
 * Members that come back with the ids they had get the tasks they had, and nothing moves.
 *
 * @module
 */
import { join } from "node:path";
import { UsageError } from "../../../core/errors.ts";
import type { Log } from "../../../core/log.ts";
import { isSystemError, systemReason } from "../../../core/system_error.ts";

const FORMAT = 1;

const UUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/;

/** The folder of an app, locked. */
export interface StateFolder extends Disposable {
  readonly path: string;
  /** The id of the machine's state, which its workers have in common. */
  readonly processId: string;
  /** The id of each worker's member. */
  readonly memberIds: readonly string[];
  /** The ids of workers that earlier runs had and this one has not, if there were more. */
  readonly formerIds: readonly string[];
}

/** What `node.json` has. Workers that a later run does not have keep their ids. */
interface StoredNode {
  readonly format: typeof FORMAT;
  readonly processId: string;
  readonly memberIds: readonly string[];
}

/**
 * Opens the folder of an app, and locks it until it is disposed of. It is made if it is not there.
 *
 * @param dir `null`: a temporary folder, which is removed when it is disposed of.
 * @throws {UsageError} If another process has it, it cannot be written, or what it has is damaged.
 */
export function openStateFolder(
  dir: string | null,
  app: string,
  workers: number,
  log: Log,
): StateFolder {
  if (dir === null) {
    log.warn(
      "without --state-dir, this machine is a new one at each start: its tasks move when it stops, " +
        "and all state is read again",
    );
  }
  const root = dir ?? Deno.makeTempDirSync({ prefix: "millrace-group-" });
  const path = join(root, app);
  const [lock, node] = explained(dir ?? root, () => {
    Deno.mkdirSync(path, { recursive: true });
    const lock = lockOf(path);
    try {
      return [lock, nodeOf(path, workers)];
    } catch (error) {
      lock.close();
      throw error;
    }
  });
  return {
    path,
    processId: node.processId,
    memberIds: node.memberIds.slice(0, workers),
    formerIds: node.memberIds.slice(workers),
    [Symbol.dispose]() {
      lock.close(); // which unlocks it, as the end of the process does
      if (dir === null) removeTemporary(root, log);
    },
  };
}

/** How the machine has ended says more than that its folder cannot be removed. */
function removeTemporary(root: string, log: Log): void {
  try {
    Deno.removeSync(root, { recursive: true });
  } catch (error) {
    log.warn(`${root} cannot be removed: ${systemReason(error)}; it is of no more use`);
  }
}

function explained<T>(dir: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    if (!isSystemError(cause) || cause instanceof Deno.errors.NotCapable) throw cause;
    // A system such as /proc says so of what it does not let anybody make.
    const reason = cause instanceof Deno.errors.NotFound
      ? `it cannot be made (${cause.message})`
      : systemReason(cause);
    throw new UsageError(
      `--state-dir ${dir} cannot be used: ${reason}; give a folder that may be written`,
      { cause },
    );
  }
}

function lockOf(path: string): Deno.FsFile {
  const file = Deno.openSync(join(path, "node.lock"), { create: true, write: true });
  if (file.tryLockSync(true)) return file;
  file.close();
  throw new UsageError(
    `another process of this machine runs with ${path}: give each of them a --state-dir of its ` +
      `own, or one of them more workers (-w)`,
  );
}

function nodeOf(path: string, workers: number): StoredNode {
  const file = join(path, "node.json");
  const stored = storedNode(file);
  const memberIds = [...stored?.memberIds ?? []];
  if (stored !== null && memberIds.length >= workers) return stored;
  while (memberIds.length < workers) memberIds.push(crypto.randomUUID());
  const processId = stored?.processId ?? crypto.randomUUID();
  const node: StoredNode = { format: FORMAT, processId, memberIds };
  // All or nothing, whenever the process is killed.
  Deno.writeTextFileSync(`${file}.new`, `${JSON.stringify(node, null, 2)}\n`);
  Deno.renameSync(`${file}.new`, file);
  return node;
}

function storedNode(file: string): StoredNode | null {
  let text: string;
  try {
    text = Deno.readTextFileSync(file);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
  const node = parsed(text);
  if (isNode(node)) return node;
  const format = node?.format;
  const what = typeof format === "number" && format > FORMAT
    ? `was written by a newer version (format ${format}): run that one`
    : "is damaged: remove it, and the machine joins as a new one";
  throw new UsageError(`${file} ${what}`);
}

function parsed(text: string): Partial<Record<keyof StoredNode, unknown>> | null {
  try {
    return JSON.parse(text);
  } catch {
    return null; // it is damaged, as the caller says
  }
}

function isNode(node: Partial<Record<keyof StoredNode, unknown>> | null): node is StoredNode {
  const isUuid = (id: unknown) => typeof id === "string" && UUID.test(id);
  return node?.format === FORMAT && isUuid(node.processId) && Array.isArray(node.memberIds) &&
    node.memberIds.every(isUuid) && new Set(node.memberIds).size === node.memberIds.length;
}
