/**
 * Joins the workers of one process: what sockets do between processes.
 *
 * @module
 */
import type { WorkerIndex } from "../../core/ids.ts";
import type { Transport } from "../exchange/transport.ts";
import { type Schedule, workerPeer } from "./schedule.ts";

/** A frame on its way. */
export interface SentFrame {
  readonly from: WorkerIndex;
  readonly to: WorkerIndex;
  readonly bytes: Uint8Array;
}

/** How a {@linkcode MemoryNetwork} delivers. */
export interface NetworkOptions {
  /**
   * Decides when each frame arrives. Without it, frames arrive in a later turn of the event loop.
   */
  readonly schedule?: Schedule;
  /** Sees every frame when it is sent. */
  readonly onFrame?: (frame: SentFrame) => void;
}

/** The transports of the workers of one run. */
export class MemoryNetwork {
  readonly #options: NetworkOptions;
  readonly #ends = new Map<WorkerIndex, NetworkEnd>();

  /** No worker has a transport yet. */
  constructor(options: NetworkOptions = {}) {
    this.#options = options;
  }

  /** The transport of one worker. */
  transport(worker: WorkerIndex): Transport {
    return this.#end(worker);
  }

  #end(worker: WorkerIndex): NetworkEnd {
    let end = this.#ends.get(worker);
    if (end === undefined) {
      end = new NetworkEnd(worker, this.#options, (frame) => this.#end(frame.to).arrive(frame));
      this.#ends.set(worker, end);
    }
    return end;
  }
}

/** One worker's end. */
class NetworkEnd implements Transport {
  readonly #worker: WorkerIndex;
  readonly #options: NetworkOptions;
  readonly #deliver: (frame: SentFrame) => void;
  readonly #timers = new Set<ReturnType<typeof setTimeout>>();
  #outgoing: SentFrame[] = [];
  #early: SentFrame[] = []; // came before anybody took them
  #take: ((from: WorkerIndex, frame: Uint8Array) => void) | null = null;
  #isClosed = false;

  constructor(
    worker: WorkerIndex,
    options: NetworkOptions,
    deliver: (frame: SentFrame) => void,
  ) {
    this.#worker = worker;
    this.#options = options;
    this.#deliver = deliver;
  }

  send(to: WorkerIndex, bytes: Uint8Array): void {
    const frame = { from: this.#worker, to, bytes };
    this.#options.onFrame?.(frame);
    this.#outgoing.push(frame);
  }

  flush(): void {
    const frames = this.#outgoing;
    this.#outgoing = [];
    if (frames.length === 0 || this.#isClosed) return;
    const { schedule } = this.#options;
    if (schedule === undefined) return this.#deliverLater(frames);
    for (const frame of frames) {
      const route = `${workerPeer(this.#worker)} to ${workerPeer(frame.to)}` as const;
      schedule(route, () => this.#deliver(frame));
    }
  }

  receive(take: (from: WorkerIndex, frame: Uint8Array) => void): void {
    this.#take = take;
    for (const { from, bytes } of this.#early.splice(0)) take(from, bytes);
  }

  /** Receives a frame of another worker. */
  arrive(frame: SentFrame): void {
    if (this.#isClosed) return;
    if (this.#take === null) this.#early.push(frame);
    else this.#take(frame.from, frame.bytes);
  }

  close(): void {
    this.#isClosed = true;
    this.#early = [];
    this.#outgoing = [];
    for (const timer of this.#timers) clearTimeout(timer);
  }

  #deliverLater(frames: readonly SentFrame[]): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      for (const frame of frames) this.#deliver(frame);
    }, 0);
    this.#timers.add(timer);
  }
}
