/**
 * Whether the workers are still there.
 *
 * Each is asked every second. One that does not answer may be busy, as a synchronous step that
 * takes long keeps it from answering: that is said, and borne. Or its process has been stopped
 * (`SIGSTOP`, a debugger, a frozen container): then the run would wait for ever, and ends.
 *
 * @module
 */
import { type Clock, wakeAfter } from "../../core/clock.ts";
import type { WorkerIndex } from "../../core/ids.ts";
import type { Log } from "../../core/log.ts";

/** How often workers are asked, in milliseconds. */
const ASK_MS = 1_000;

/** After this many questions without an answer, the process is looked at. */
const LOOK_AFTER = 3;

/** After this many, a busy worker is worth a line of log. */
const SAY_AFTER = 10;

/** What is known about a process. */
export type ProcessState = "stopped" | "running" | "unknown";

/** How the workers are asked and looked at. */
export interface LivenessHost {
  /** Asks a worker. */
  ping(worker: WorkerIndex): void;
  /** Looks at its process. */
  stateOf(worker: WorkerIndex): Promise<ProcessState>;
  /** Its process has been stopped. */
  onStopped(worker: WorkerIndex): void;
}

/** Asks the workers whether they are there. */
export class Liveness {
  readonly #host: LivenessHost;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #unanswered: number[]; // by worker: questions since it last said anything
  #cancel: () => void = () => {};

  constructor(workers: number, host: LivenessHost, { clock, log }: { clock: Clock; log: Log }) {
    this.#unanswered = Array.from({ length: workers }, () => 0);
    this.#host = host;
    this.#clock = clock;
    this.#log = log;
  }

  /** Starts to ask. */
  start(): void {
    this.#cancel = wakeAfter(this.#clock, ASK_MS, () => {
      this.#ask();
      this.start();
    });
  }

  /** Asks no more. */
  stop(): void {
    this.#cancel();
  }

  /** Returns how many questions in a row a worker has not answered. */
  unanswered(worker: WorkerIndex): number {
    return this.#unanswered[worker];
  }

  /** A worker has said something. */
  heard(worker: WorkerIndex): void {
    if (this.#unanswered[worker] > SAY_AFTER) this.#log.warn("worker answers again", { worker });
    this.#unanswered[worker] = 0;
  }

  /**
   * Counts questions and not time: this process may have been stopped itself, together with the
   * workers, as by ^Z.
   */
  #ask(): void {
    for (const worker of this.#unanswered.keys()) {
      const unanswered = this.#unanswered[worker]++;
      this.#host.ping(worker);
      if (unanswered >= LOOK_AFTER) void this.#look(worker);
      if (unanswered === SAY_AFTER) {
        this.#log.warn("worker does not answer: a step is at work without a pause", {
          worker,
          seconds: SAY_AFTER * ASK_MS / 1000,
        });
      }
    }
  }

  async #look(worker: WorkerIndex): Promise<void> {
    const state = await this.#host.stateOf(worker);
    if (state === "stopped" && this.#unanswered[worker] > LOOK_AFTER) this.#host.onStopped(worker);
  }
}

/**
 * Looks at a process: under Linux in `/proc`, else with `ps`. Nothing is known where that cannot be
 * done, or when the process goes meanwhile.
 */
export async function stateOfProcess(pid: number): Promise<ProcessState> {
  const look = Deno.build.os === "linux" ? letterInProc : letterByPs;
  const letter = await look(pid).catch(() => "");
  if (letter === "") return "unknown";
  return letter.toUpperCase() === "T" ? "stopped" : "running";
}

async function letterInProc(pid: number): Promise<string> {
  const stat = await Deno.readTextFile(`/proc/${pid}/stat`);
  return stat.charAt(stat.lastIndexOf(")") + 2); // the name before may hold anything
}

async function letterByPs(pid: number): Promise<string> {
  const args = ["-o", "stat=", "-p", String(pid)];
  const { stdout } = await new Deno.Command("ps", { args }).output();
  return new TextDecoder().decode(stdout).trim().charAt(0);
}
