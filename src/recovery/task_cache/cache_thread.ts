/**
 * The process's end of the thread that writes the files of tasks.
 *
 * @module
 */
import { type Clock, wakeAfter } from "../../core/clock.ts";
import type { CacheAnswers, CacheReply, CacheRequest, NumberedRequest } from "./messages.ts";

/** The thread, as a `Worker` or in memory. */
export interface ThreadHandle {
  postMessage(message: NumberedRequest, transfer: Transferable[]): void;
  onmessage: ((event: MessageEvent<CacheReply>) => void) | null;
  onerror?: ((event: ErrorEvent) => void) | null;
  terminate(): void;
}

/** Changes on their way to the thread, in bytes. They hold copies. */
const IN_FLIGHT_BYTES = 16 << 20;

/** How long the thread may give no sign before it counts as stuck, in milliseconds. */
export const STUCK_MS = 30_000;

/** A request has failed. */
export class CacheFailure extends Error {
  override readonly name = "CacheFailure";
  readonly isDamage: boolean;

  constructor(reason: string, isDamage = false) {
    super(reason);
    this.isDamage = isDamage;
  }
}

interface Waiting {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

/** Starts the thread. */
export function startThread(): ThreadHandle {
  return new Worker(new URL("./thread.ts", import.meta.url), { type: "module" });
}

/** Asks the thread. */
export class CacheThread {
  readonly #clock: Clock;
  readonly #handle: ThreadHandle;
  readonly #waiting = new Map<number, Waiting>();
  readonly #roomWaiters = new Set<() => void>();
  #lastId = 0;
  #inFlight = 0;
  #signs = 0;
  #dead: string | null = null;

  constructor(clock: Clock, handle: ThreadHandle) {
    this.#clock = clock;
    this.#handle = handle;
    handle.onmessage = ({ data }) => this.#receive(data);
    handle.onerror = (event) => {
      event.preventDefault();
      this.#die(`its thread has ended: ${event.message}`);
    };
  }

  /**
   * Asks the thread, and waits for the answer.
   *
   * @param bytes How much the request counts as changes on their way.
   * @throws {CacheFailure} If it fails, or the thread gives no sign.
   */
  async ask<Kind extends CacheRequest["kind"]>(
    file: number,
    request: CacheRequest & { kind: Kind },
    transfer: Transferable[] = [],
  ): Promise<CacheAnswers[Kind]> {
    return await this.#whileAlive(this.#post(file, request, transfer)) as CacheAnswers[Kind];
  }

  /**
   * Sends changes. It resolves when they are on their way, and there is room for more.
   *
   * @param onFailure Called when they cannot be accepted.
   * @throws {CacheFailure} If the thread gives no sign.
   */
  async send(
    file: number,
    request: CacheRequest & { kind: "changes" },
    bytes: number,
    onFailure: (error: CacheFailure) => void,
  ): Promise<void> {
    this.#inFlight += bytes;
    const { states, lengths } = request;
    this.#post(file, request, [states.buffer, lengths.buffer]).catch(onFailure).finally(() => {
      this.#inFlight -= bytes;
      for (const wake of this.#roomWaiters) wake();
    });
    while (this.#inFlight > IN_FLIGHT_BYTES) {
      await this.#whileAlive(
        new Promise<void>((resolve) => {
          const wake = () => {
            this.#roomWaiters.delete(wake);
            resolve();
          };
          this.#roomWaiters.add(wake);
        }),
      );
    }
  }

  /** Changes on their way, in bytes. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** Ends the thread, whatever it is doing. */
  terminate(): void {
    this.#die("its thread has been closed");
    this.#handle.terminate();
  }

  #post(file: number, request: CacheRequest, transfer: Transferable[]): Promise<unknown> {
    if (this.#dead !== null) return Promise.reject(new CacheFailure(this.#dead));
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#handle.postMessage({ id, file, request }, transfer);
    });
  }

  #receive(reply: CacheReply): void {
    this.#signs++;
    if ("alive" in reply) return;
    const waiting = this.#waiting.get(reply.id);
    this.#waiting.delete(reply.id);
    if ("value" in reply) waiting?.resolve(reply.value);
    else waiting?.reject(new CacheFailure(reply.failure, reply.isDamage));
  }

  #die(reason: string): void {
    this.#dead ??= reason;
    for (const { reject } of this.#waiting.values()) reject(new CacheFailure(this.#dead));
    this.#waiting.clear();
  }

  /** Waits, as long as the thread gives signs. */
  async #whileAlive<T>(work: Promise<T>): Promise<T> {
    let cancel = (): void => {};
    const stuck = new Promise<never>((_, reject) => {
      const watch = (): void => {
        const signs = this.#signs;
        cancel = wakeAfter(this.#clock, STUCK_MS, () => {
          if (this.#signs !== signs) return watch();
          reject(new CacheFailure(`the disk has not answered for ${STUCK_MS / 1000} s`));
        });
      };
      watch();
    });
    try {
      return await Promise.race([work, stuck]);
    } finally {
      cancel();
    }
  }
}
