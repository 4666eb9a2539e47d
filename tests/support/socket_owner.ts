/** Finds out which process has a connection, on Linux. */

/**
 * The process among `pids` whose end of a TCP connection has this port.
 *
 * @throws {Error} If none has it.
 */
export function ownerOf(port: number, pids: readonly number[]): number {
  const wanted = `socket:[${inodeOf(port)}]`;
  const owner = pids.find((pid) =>
    [...Deno.readDirSync(`/proc/${pid}/fd`)].some(({ name }) =>
      linkOf(`/proc/${pid}/fd/${name}`) === wanted
    )
  );
  if (owner === undefined) throw new Error(`none of ${pids} has port ${port}`);
  return owner;
}

/** proc_net(5): the second column is the local address, in hexadecimal; the tenth is the inode. */
function inodeOf(port: number): string {
  const local = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  const lines = Deno.readTextFileSync("/proc/net/tcp").split("\n").map((line) =>
    line.trim().split(/\s+/)
  );
  // A state of 01 is an open connection: an old one of the same port may still be there.
  const found = lines.find(([, address, , state]) => address?.endsWith(local) && state === "01");
  if (found === undefined) throw new Error(`port ${port} has no connection`);
  return found[9];
}

function linkOf(path: string): string {
  try {
    return Deno.readLinkSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return ""; // it has been closed meanwhile
    throw error;
  }
}
