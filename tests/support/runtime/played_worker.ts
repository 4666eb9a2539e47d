import type { Instruction, Report } from "../../../src/runtime/run/messages.ts";
import type { WorkerPort, WorkerStatus } from "../../../src/runtime/run/worker_port.ts";

/** A worker that the test plays: it notes what it is told, and says what the test has it say. */
export class PlayedWorker implements WorkerPort {
  /** What it was told, by kind; `start` and `abort` too. */
  readonly told: string[] = [];
  /** The same, whole. */
  readonly instructions: Instruction[] = [];
  status: WorkerStatus | null = null;
  readonly #gone = Promise.withResolvers<void>();
  #take: (report: Report) => void = () => {};

  constructor(readonly index: number) {}

  get gone(): Promise<void> {
    return this.#gone.promise;
  }

  start(take: (report: Report) => void): void {
    this.told.push("start");
    this.#take = take;
  }

  send(instruction: Instruction): void {
    this.told.push(instruction.kind);
    this.instructions.push(instruction);
  }

  flushed(): Promise<void> {
    return Promise.resolve();
  }

  abort(): void {
    this.told.push("abort");
    this.leave();
  }

  /** It says something. */
  say(report: Report): void {
    this.#take(report);
  }

  /** It says that it has loaded a flow of these steps. */
  load(steps: readonly string[] = ["in", "out"]): void {
    const stored = { keyed: [], inputs: ["in"], outputs: ["out"] };
    this.say({ kind: "loaded", flow: "played", written: steps.length, steps, stored });
  }

  /** Nothing is open any more. */
  leave(): void {
    this.#gone.resolve();
  }
}
