/**
 * The signals that stop a run.
 *
 * @module
 */

/**
 * Signals within this many milliseconds of one that counted are the same request. One ^C under
 * `deno task` arrives twice: the terminal signals the whole process group, and the task runner
 * passes the signal on. `timeout`, `npx` and shells with a closed terminal do the same. systemd may
 * send SIGHUP right after SIGTERM. Process managers may send SIGTERM after the terminal's SIGINT.
 * So the kind of the signal does not matter.
 */
export const SAME_REQUEST_MS = 500;

/** What signals ask for. */
export interface StopActions {
  /** The first request: stop gracefully. */
  stop(): void;
  /** Another request: stop at once. */
  stopAtOnce(): void;
}

/** Tells requests to stop from signals that belong to the same request. */
export class StopRequests {
  readonly #actions: StopActions;
  readonly #now: () => number;
  #countedAt = -Infinity; // when the last request came
  #stopping = false;

  /** `now` returns milliseconds of a clock that is never set back. */
  constructor(actions: StopActions, now: () => number) {
    this.#actions = actions;
    this.#now = now;
  }

  /** Handles a signal. */
  onSignal(): void {
    const now = this.#now();
    if (now - this.#countedAt < SAME_REQUEST_MS) return;
    this.#countedAt = now;
    if (this.#stopping) this.#actions.stopAtOnce();
    else {
      this.#stopping = true;
      this.#actions.stop();
    }
  }
}

/**
 * Listens for signals until the returned function is called. A SIGHUP that was ignored when this
 * process started stays ignored: that is what `nohup` asks for, and a listener would undo it.
 */
export function onStopSignals(actions: StopActions): () => void {
  const requests = new StopRequests(actions, () => performance.now());
  const listener = () => requests.onSignal();
  const signals: Deno.Signal[] = Deno.build.os === "windows"
    ? ["SIGINT"]
    : ["SIGINT", "SIGTERM", ...ignoresHangups() ? [] : ["SIGHUP" as const]];
  for (const signal of signals) Deno.addSignalListener(signal, listener);
  return () => {
    for (const signal of signals) Deno.removeSignalListener(signal, listener);
  };
}

/** Whether SIGHUP is ignored. Only Linux tells; elsewhere the answer is no. */
function ignoresHangups(): boolean {
  if (Deno.build.os !== "linux") return false;
  return isIgnored(Deno.readTextFileSync("/proc/self/status"), SIGHUP);
}

const SIGHUP = 1;

/** Whether the text of a `/proc/PID/status` lists a signal among the ignored ones. */
export function isIgnored(status: string, signal: number): boolean {
  const mask = /^SigIgn:\s*([0-9a-f]+)$/m.exec(status)?.[1];
  return mask !== undefined && (BigInt(`0x${mask}`) >> BigInt(signal - 1) & 1n) === 1n;
}
