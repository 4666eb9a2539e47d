/**
 * Where the processes of a run find one another: Unix domain sockets in a folder that only their
 * user can enter. On Windows, these are ports of the loopback interface.
 *
 * The folder is made before the first worker is started, so that nobody else can make it. Its name
 * is in the arguments of workers with permissions of their own, and anybody may look at those. It
 * is gone as soon as all have met. A worker whose coordinator has gone before removes it too.
 *
 * @module
 */
import { tmpdir } from "node:os";
import type { Log } from "../../core/log.ts";
import { exists, systemReason } from "../../core/system_error.ts";

/** Where a process listens. */
export interface SocketAddress {
  /** A path, or a port on this machine where there are no Unix domain sockets. */
  readonly unix?: string;
  readonly port?: number;
}

/**
 * The longest path that a socket may have on all systems, in bytes, less what comes after the
 * folder's.
 */
const LONGEST_FOLDER = 80;

/** A run's folder. */
export interface RunFolder {
  readonly path: string;
  /** The user who has made it; `null` where the system does not say. */
  readonly owner: number | null;
}

/**
 * Makes a folder that only this user can enter; `null` where sockets need none. It is among the
 * temporary files, or in `/tmp` where it cannot be made there, or its path would be too long for a
 * socket.
 *
 * @throws {Error} If it could not be made in either.
 */
export function makeFolder(log: Log): RunFolder | null {
  if (Deno.build.os === "windows") return null;
  const name = `millrace-${crypto.getRandomValues(new Uint8Array(12)).toHex()}`;
  const refused: string[] = [];
  for (const parent of new Set([tmpdir(), "/tmp"])) {
    const path = `${parent}/${name}`;
    if (new TextEncoder().encode(path).length > LONGEST_FOLDER) continue;
    try {
      Deno.mkdirSync(path, { mode: 0o700 }); // which fails if there is anything of that name
      const owner = ownerOf(path);
      if (refused.length > 0) {
        log.warn(`${refused[0]}; ${parent} is used. Set TMPDIR to a folder that may be written`);
      }
      return { path, owner };
    } catch (error) {
      refused.push(`no temporary folder can be made in ${parent}: ${systemReason(error)}`);
    }
  }
  throw new Error(
    `${
      refused.join("; ")
    }. Set TMPDIR to a folder that is there and may be written: the processes of ` +
      "a run meet in it",
  );
}

/**
 * Who has the folder that has just been made.
 *
 * @throws {Error} If that is somebody else: in some folders everybody may rename what others have
 * made. Or if others can enter it, as on file systems without permissions.
 */
function ownerOf(path: string): number | null {
  const { isDirectory, mode, uid } = Deno.lstatSync(path);
  const mayAsk = Deno.permissions.querySync({ name: "sys", kind: "uid" }).state === "granted";
  if (!isDirectory || (mayAsk && uid !== Deno.uid())) {
    throw new Error("somebody else has put something in its place");
  }
  if (((mode ?? 0) & 0o077) === 0) return uid;
  Deno.removeSync(path);
  throw new Error("its file system lets everybody enter");
}

/**
 * Removes a run's folder and what is in it, if it is still there. When it has been removed, others
 * may make one of its name: that is theirs.
 *
 * @param warn Called with what to do about a folder that cannot be removed. It is of no more use,
 * so nothing fails because of it.
 */
export async function removeFolder(
  folder: RunFolder | null,
  warn: (text: string) => void,
): Promise<void> {
  try {
    await remove(folder);
  } catch (error) {
    warn(`${folder!.path} cannot be removed: ${systemReason(error)}; it is of no more use`);
  }
}

async function remove(folder: RunFolder | null): Promise<void> {
  if (folder === null) return;
  for (let tries = 0;; tries++) {
    try {
      const { uid } = await Deno.lstat(folder.path);
      if (uid !== folder.owner) return;
      await Deno.remove(folder.path, { recursive: true });
      return;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) {
        if (!await exists(folder.path)) return;
      } else if (tries === 3) throw error;
      // else: several workers may be at it, and one found something gone that it had just seen
    }
  }
}

/** Listens on a socket of the folder. */
export function listen(
  folder: RunFolder | null,
  name: string,
): { listener: Deno.Listener; address: SocketAddress } {
  if (folder === null) {
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    return { listener, address: { port: listener.addr.port } };
  }
  const unix = `${folder.path}/${name}`;
  return { listener: Deno.listen({ transport: "unix", path: unix }), address: { unix } };
}

/**
 * Whether {@linkcode connectTo} failed as nobody listens there any more. A listener that closes in
 * the instant of the connection, as when its process is killed, resets it.
 */
export function hasNoListener(error: unknown): boolean {
  return error instanceof Deno.errors.NotFound || error instanceof Deno.errors.ConnectionRefused ||
    error instanceof Deno.errors.ConnectionReset;
}

/** Connects to who listens there. */
export async function connectTo({ unix, port }: SocketAddress): Promise<Deno.Conn> {
  if (unix !== undefined) return await Deno.connect({ transport: "unix", path: unix });
  const conn = await Deno.connect({ hostname: "127.0.0.1", port: port! });
  conn.setNoDelay();
  return conn;
}
