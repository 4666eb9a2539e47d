/**
 * Where the processes of a run find one another: Unix domain sockets in a folder that only their user can
 * enter, or, on Windows, ports of the loopback interface.
 *
 * The folder is gone as soon as all have met. Its name is chosen before the first worker is started and
 * it is made afterwards, so that at any moment somebody is left who removes it: a worker whose
 * coordinator has gone does it too.
 *
 * @module
 */
import { tmpdir } from "node:os";
import { exists } from "../../core/exists.ts";
import type { Log } from "../../core/log.ts";
import { systemReason } from "../../core/system_error.ts";

/** Where a process listens. */
export interface SocketAddress {
  /** A path, or a port on this machine where there are no Unix domain sockets. */
  readonly unix?: string;
  readonly port?: number;
}

/** The longest path that a socket may have on all systems, in bytes, less what comes behind the folder's. */
const LONGEST_FOLDER = 80;

/**
 * A folder's name that is not taken; `null` where sockets need none. It is among the temporary files, or
 * in `/tmp` where it cannot be made there, or its path would be too long for a socket.
 *
 * @throws {Error} If it could not be made in either.
 */
export function chooseFolder(log: Log): string | null {
  if (Deno.build.os === "windows") return null;
  const name = `millrace-${crypto.getRandomValues(new Uint8Array(12)).toHex()}`;
  const refused: string[] = [];
  for (const parent of new Set([tmpdir(), "/tmp"])) {
    const folder = `${parent}/${name}`;
    if (new TextEncoder().encode(folder).length > LONGEST_FOLDER) continue;
    const reason = whyNot(folder);
    if (reason === null) {
      if (refused.length > 0) {
        log.warn(`${refused[0]}; ${parent} is used. Set TMPDIR to a folder that may be written`);
      }
      return folder;
    }
    refused.push(`no temporary folder can be made in ${parent}: ${reason}`);
  }
  throw new Error(
    `${
      refused.join("; ")
    }. Set TMPDIR to a folder that is there and may be written: the processes of ` +
      "a run meet in it",
  );
}

/** Why a folder cannot be made; `null` where it can. To ask is not enough: a disk may be read-only. */
function whyNot(folder: string): string | null {
  try {
    Deno.mkdirSync(folder, { mode: 0o700 });
    Deno.removeSync(folder);
    return null;
  } catch (error) {
    return systemReason(error);
  }
}

/** Makes the folder, for this user only. */
export async function makeFolder(folder: string | null): Promise<void> {
  if (folder === null) return;
  try {
    await Deno.mkdir(folder, { mode: 0o700 });
  } catch (cause) {
    const reason = systemReason(cause);
    throw new Error(`${folder}, where the processes of the run meet, cannot be made: ${reason}`, {
      cause,
    });
  }
}

/** Removes the folder and what is in it, if it is still there. */
export async function removeFolder(folder: string | null): Promise<void> {
  if (folder === null) return;
  for (let tries = 0;; tries++) {
    try {
      await Deno.remove(folder, { recursive: true });
      return;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) {
        if (!await exists(folder)) return;
      } else if (tries === 3) throw error;
      // else: several workers may be at it, and one found something gone that it had just seen
    }
  }
}

/** Listens on a socket of the folder. */
export function listen(
  folder: string | null,
  name: string,
): { listener: Deno.Listener; address: SocketAddress } {
  if (folder === null) {
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    return { listener, address: { port: listener.addr.port } };
  }
  const unix = `${folder}/${name}`;
  return { listener: Deno.listen({ transport: "unix", path: unix }), address: { unix } };
}

/** Connects to who listens there. */
export async function connectTo({ unix, port }: SocketAddress): Promise<Deno.Conn> {
  if (unix !== undefined) return await Deno.connect({ transport: "unix", path: unix });
  const conn = await Deno.connect({ hostname: "127.0.0.1", port: port! });
  conn.setNoDelay();
  return conn;
}
