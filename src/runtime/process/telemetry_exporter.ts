/**
 * The coordinator's side of the process that exports its telemetry.
 *
 * @module
 */
import { environmentVariable } from "../../core/environment.ts";
import { messageOf } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import type { TelemetryMessage } from "../../ops/telemetry/messages.ts";

/** Exports what it is told. */
export interface TelemetryExporter {
  /** Accepts something to export. Never waits, and never fails. */
  tell(message: TelemetryMessage): void;
  /** Exports what is left. Resolves when that is out, or cannot be. */
  end(): Promise<void>;
  /** Gives up. */
  kill(): void;
}

/** The most text that waits for the process, in characters. What comes beyond it is dropped. */
const MOST_WAITING = 16 << 20;

/** Starts the process, with `env` added to its environment. */
export function startExporter(env: Readonly<Record<string, string>>, log: Log): TelemetryExporter {
  const main = import.meta.resolve("../../ops/telemetry/exporter_main.ts");
  try {
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "--no-prompt", main],
      env: { ...env, ...consoleEnv() },
      stdin: "piped",
      stdout: "null",
    }).spawn();
    return new ExporterProcess(child, log);
  } catch (error) {
    log.warn(`nothing is exported by OTLP: ${messageOf(error)}`);
    return { tell: () => {}, end: () => Promise.resolve(), kill: () => {} };
  }
}

/** Lines are to be exported only, unless they are not to be exported at all. */
function consoleEnv(): Record<string, string> {
  const name = "OTEL_DENO_CONSOLE";
  return environmentVariable(name) === "ignore" ? {} : { [name]: "replace" };
}

/** What is needed of the process. */
export type ExporterChild = Pick<Deno.ChildProcess, "stdin" | "status" | "kill">;

/** The process, and what waits for it. */
export class ExporterProcess implements TelemetryExporter {
  readonly #child: ExporterChild;
  readonly #log: Log;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  #waiting: string[] = [];
  #length = 0;
  #isWriting = false;
  #written: Promise<void> = Promise.resolve();
  #hasFailed = false;
  #hasDropped = false;

  constructor(child: ExporterChild, log: Log) {
    this.#child = child;
    this.#log = log;
    this.#writer = child.stdin.getWriter();
  }

  tell(message: TelemetryMessage): void {
    if (this.#hasFailed) return;
    const line = JSON.stringify(message) + "\n";
    if (this.#length + line.length > MOST_WAITING) {
      if (!this.#hasDropped) this.#log.warn("telemetry is dropped: it is exported too slowly");
      this.#hasDropped = true;
      return;
    }
    this.#waiting.push(line);
    this.#length += line.length;
    if (!this.#isWriting) this.#written = this.#write();
  }

  async end(): Promise<void> {
    await this.#written;
    await this.#writer.close().catch(() => {}); // it has gone
    await this.#child.status;
  }

  kill(): void {
    try {
      this.#child.kill("SIGKILL");
    } catch (error) {
      if (!(error instanceof TypeError)) throw error; // else it has exited already
    }
  }

  async #write(): Promise<void> {
    this.#isWriting = true;
    try {
      while (this.#waiting.length > 0) {
        const text = this.#waiting.join("");
        this.#waiting = [];
        await this.#writer.write(new TextEncoder().encode(text));
        this.#length -= text.length;
      }
    } catch (error) {
      this.#hasFailed = true;
      this.#waiting = [];
      this.#log.warn("nothing is exported by OTLP any more: the process that does it has gone", {
        error: messageOf(error),
      });
    } finally {
      this.#isWriting = false;
    }
  }
}
