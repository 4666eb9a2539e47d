/**
 * Ends a worker whose coordinator has been killed, even if one of its steps never comes back.
 *
 * A worker sees by itself that its control connection was closed, but not while a step is in a loop
 * without end. So a thread looks every half second whether the parent process is still there.
 *
 * @module
 */

import type { RunFolder } from "./socket_folder.ts";

/** How often to look, in milliseconds. */
const LOOK_MS = 500;

/**
 * What the thread runs: text, since a module of its own would have to be found and allowed to be
 * read.
 */
function source(coordinatorPid: number, folder: RunFolder | null): string {
  return `
    import process from "node:process";
    setInterval(() => {
      if (Deno.ppid === ${coordinatorPid}) return;
      try {
        const folder = ${JSON.stringify(folder)};
        if (folder !== null && Deno.lstatSync(folder.path).uid === folder.owner) {
          Deno.removeSync(folder.path, { recursive: true });
        }
      } catch {
        // It is gone, or another worker is at it.
      }
      process.kill(process.pid, "SIGKILL");
    }, ${LOOK_MS});
  `;
}

/** How long a process that ends keeps its children after it has closed its sockets, at most. */
const ENDS_WITHIN_MS = 1_000;

/** How often to look whether it has, in milliseconds. */
const LOOK_AGAIN_MS = 10;

/**
 * Returns whether the coordinator has gone, whose socket is closed. A process that is killed closes
 * its sockets first, and its children get another parent after that.
 *
 * @param coordinatorPid Its process.
 * @param parent Returns the parent of this process.
 * @param wait Waits for a number of milliseconds.
 */
export async function hasGone(
  coordinatorPid: number,
  parent: () => number = () => Deno.ppid,
  wait: (ms: number) => Promise<void> = (ms) => new Promise((done) => setTimeout(done, ms)),
): Promise<boolean> {
  if (Deno.build.os === "windows") return false; // children do not see it go
  for (let ms = 0; ms < ENDS_WITHIN_MS; ms += LOOK_AGAIN_MS) {
    if (parent() !== coordinatorPid) return true;
    await wait(LOOK_AGAIN_MS);
  }
  return false;
}

/** Starts to look after the parent process; not on Windows, where children do not see it go. */
export function watchCoordinator(coordinatorPid: number, folder: RunFolder | null): void {
  if (Deno.build.os === "windows") return;
  const code = `data:text/javascript,${encodeURIComponent(source(coordinatorPid, folder))}`;
  new Worker(code, { type: "module" });
}
