/**
 * Ends a worker whose coordinator has been killed, even if one of its steps never comes back.
 *
 * A worker sees by itself that its control connection was closed, but not while a step is in a loop
 * without end. So a thread looks every half second whether the parent process is still there.
 *
 * @module
 */

/** How often to look, in milliseconds. */
const LOOK_MS = 500;

/** What the thread runs: text, since a module of its own would have to be found and allowed to be read. */
function source(coordinatorPid: number, folder: string | null): string {
  return `
    import process from "node:process";
    setInterval(() => {
      if (Deno.ppid === ${coordinatorPid}) return;
      try {
        if (${folder !== null}) Deno.removeSync(${JSON.stringify(folder)}, { recursive: true });
      } catch {
        // It is gone, or another worker is at it.
      }
      process.kill(process.pid, "SIGKILL");
    }, ${LOOK_MS});
  `;
}

/** Starts to look after the parent process; not on Windows, where children do not see it go. */
export function watchCoordinator(coordinatorPid: number, folder: string | null): void {
  if (Deno.build.os === "windows") return;
  const code = `data:text/javascript,${encodeURIComponent(source(coordinatorPid, folder))}`;
  new Worker(code, { type: "module" });
}
