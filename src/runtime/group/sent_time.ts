import { isKeyed } from "../../graph/chain_checks.ts";
import type { FailItem } from "../exchange/dealing.ts";
import { encodeFrame } from "../exchange/frames.ts";
import {
  type From,
  type Newest,
  NO_SOURCE,
  type OriginName,
  type Tick,
  type TimeControl,
} from "../time/controls.ts";

/** The step that goes by the time of what is sent to it. */
export interface TimedReceiver {
  /** Returns the time of a value, in milliseconds since the Unix epoch. */
  readonly timeOf: (value: unknown) => number;
  /** Makes errors of items whose time cannot be told. */
  readonly fail: FailItem;
  /** The window steps whose results are sent. Their ticks tell how far they have come. */
  readonly steps: ReadonlySet<OriginName>;
}

/**
 * What one exchange tells the shards of event time, as frames.
 *
 * A shard gets the items of its own keys only. So at the end of an epoch each of them is told the
 * newest time of each source. Of the ticks of an origin, it gets the last.
 */
export class SentTime {
  readonly #exchange: number;
  readonly #receiver: TimedReceiver | null;
  #from: From | null = null;
  #frame: Uint8Array | null = null; // of that
  readonly #newest = new Map<string, Newest>(); // by source and tick
  readonly #ticks = new Map<OriginName, Tick>();

  /** `receiver`: `null` if a step further on goes by time, which does not need to know values. */
  constructor(exchange: number, receiver: TimedReceiver | null) {
    this.#exchange = exchange;
    this.#receiver = receiver;
  }

  /** The frame that says where the items that are sent now come from; `null` if nobody knows. */
  get from(): Uint8Array | null {
    if (this.#from !== null) this.#frame ??= this.#encode(this.#from);
    return this.#frame;
  }

  /** Something about the sources has come. */
  onControl(message: TimeControl): void {
    if (message.kind === "from") {
      this.#from = message;
      this.#frame = null;
    } else if (message.kind === "newest") this.#addNewest(message);
    else if (message.kind === "tick") this.#ticks.set(message.origin, message);
  }

  /** Items are sent. */
  onBatch(batch: readonly unknown[]): void {
    const from = this.#from;
    if (this.#receiver === null || from === null || from.source === NO_SOURCE) return;
    const { timeOf, fail, steps } = this.#receiver;
    if (steps.has(from.origin)) return;
    let newest = -Infinity;
    let pair: unknown;
    try {
      for (pair of batch) {
        if (!isKeyed(pair)) continue; // it has been refused, or is
        const time = timeOf(pair[1]);
        if (time > newest) newest = time;
      }
    } catch (thrown) {
      throw fail(pair, thrown);
    }
    const { source, origin, tick } = from;
    this.#addNewest({ kind: "newest", source, origin, tick, time: newest });
  }

  #addNewest(newest: Newest): void {
    const name = `${newest.tick} ${newest.source}`;
    const before = this.#newest.get(name);
    if (before === undefined || before.time < newest.time) this.#newest.set(name, newest);
  }

  /** Returns the frames that all shards get at the end of an epoch. */
  take(): Uint8Array[] {
    const messages = [...this.#newest.values(), ...this.#ticks.values()];
    this.#newest.clear();
    this.#ticks.clear();
    return messages.map((message) => this.#encode(message));
  }

  #encode(message: TimeControl): Uint8Array {
    return encodeFrame({ kind: "time", exchange: this.#exchange, message });
  }
}
