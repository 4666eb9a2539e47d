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

/** Where a process listens. */
export interface SocketAddress {
  /** A path, or a port on this machine where there are no Unix domain sockets. */
  readonly unix?: string;
  readonly port?: number;
}

/** The longest path that a socket may have on all systems, in bytes, less what comes behind the folder's. */
const LONGEST_FOLDER = 80;

/** A folder's name that nobody has; `null` where sockets need none. */
export function chooseFolder(): string | null {
  if (Deno.build.os === "windows") return null;
  const name = `millrace-${crypto.getRandomValues(new Uint8Array(12)).toHex()}`;
  const folder = `${tmpdir()}/${name}`;
  return new TextEncoder().encode(folder).length <= LONGEST_FOLDER ? folder : `/tmp/${name}`;
}

/** Makes the folder, for this user only. */
export async function makeFolder(folder: string | null): Promise<void> {
  if (folder !== null) await Deno.mkdir(folder, { mode: 0o700 });
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
