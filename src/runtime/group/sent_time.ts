import { isKeyed } from "../../graph/chain_checks.ts";
import type { FailItem } from "../exchange/dealing.ts";
import { encodeFrame } from "../exchange/frames.ts";
import {
  type From,
  type Newest,
  NO_SOURCE,
  type OriginName,
  type SourceName,
  type Tick,
  type TimeControl,
} from "../time/controls.ts";

/** The step that goes by the time of what is sent to it. */
export interface TimedReceiver {
  /** Returns the time of a value, in milliseconds since the Unix epoch. */
  readonly timeOf: (value: unknown) => number;
  /**
   * How long windows wait, in milliseconds; infinity where values of a source may overtake others.
   * Their times count at ticks only, and what is told before does not matter.
   */
  readonly waitMs: number;
  /** How far a source may be ahead of the one that is least far, in milliseconds. */
  readonly driftMs: number;
  /** Makes errors of items whose time cannot be told. */
  readonly fail: FailItem;
  /** Is told when a source may have come further. */
  readonly onNewest?: () => void;
  /** The window steps whose results are sent. Their ticks tell how far they have come. */
  readonly steps: ReadonlySet<OriginName>;
}

/** A shard is told before items how far they reach, at most this many times in a drift. */
const MARKS = 8;

/** The fewest items of a piece, however far apart their times are. */
const FEWEST = 256;

/** How far a source has come. */
interface SentSource {
  newest: number;
  /** How far all shards have been told. */
  toldAll: number;
  /** By shard: how far that has been told since. */
  told: number[];
}

/**
 * What one exchange tells the shards of event time, as frames.
 *
 * A shard gets the items of its own keys only. So at the end of an epoch each of them is told the
 * newest time of each source. Of the ticks of an origin, it gets the last.
 *
 * Whether an item is late must not depend on where epochs end. So a shard is also told before each
 * item that may be late: one that is older than its source by more than windows wait.
 *
 * ```text
 *   shard 0   from(p0) 12:00 12:02 ───────────────── newest(p0 → 12:09) 12:01 ─▶
 *   shard 1   from(p0) ──────────── 12:05 12:09 ───────────────────────────────▶
 * ```
 */
export class SentTime {
  readonly #exchange: number;
  readonly #receiver: TimedReceiver | null;
  #from: From | null = null;
  #frame: Uint8Array | null = null; // of that
  #reaches = -Infinity; // what the frame says
  readonly #newest = new Map<string, Newest>(); // by source and tick
  readonly #ticks = new Map<OriginName, Tick>();
  readonly #sources = new Map<SourceName, SentSource>();
  /** Of items that may be late: how far their source had come. */
  #old = new Map<unknown, number>();
  /** What has come since the last piece, and the time from which on that is far. */
  #piece = { items: 0, reached: -Infinity, farFrom: Infinity };

  /** `receiver`: `null` if a step further on goes by time, which does not need to know values. */
  constructor(exchange: number, receiver: TimedReceiver | null) {
    this.#exchange = exchange;
    this.#receiver = receiver;
  }

  /**
   * The frame that says where the items that are sent now come from, and how far they reach; `null`
   * if nobody knows. A shard does not deliver what is far ahead of others; see `stream_order.ts`.
   */
  get from(): Uint8Array | null {
    const from = this.#from;
    if (from === null) return null;
    const reached = this.newestOf(from.source);
    const { driftMs = Infinity } = this.#receiver ?? {};
    const isFar = reached - this.#reaches > driftMs / MARKS;
    if (this.#frame === null || isFar) {
      this.#reaches = reached;
      this.#frame = this.#encode(reached === -Infinity ? from : { ...from, reaches: reached });
    }
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

  /**
   * Returns the frame that all shards get at once for a message; `null` if they learn of it at the
   * end of the epoch. The first tick of an input comes before its items: it names the sources.
   */
  atOnce(message: TimeControl): Uint8Array | null {
    return message.kind === "tick" && message.number === 1 ? this.#encode(message) : null;
  }

  /**
   * Whether what has come since the last piece takes its source far ahead. It is to be sent then,
   * so that a shard can deliver others in between.
   */
  get isFar(): boolean {
    return this.#piece.items >= FEWEST && this.#piece.reached > this.#piece.farFrom;
  }

  /** What comes next is a piece of its own. */
  endPiece(): void {
    this.#piece = { items: 0, reached: -Infinity, farFrom: Infinity };
  }

  /** Whether shards have to be told before some of the items that are about to be sent. */
  get hasOld(): boolean {
    return this.#old.size > 0;
  }

  /**
   * Items are about to be sent: those of a batch from `start` on. Returns where to end: at the
   * latest where the piece does.
   */
  onBatch(batch: readonly unknown[], start: number): number {
    this.#old.clear();
    const from = this.#from;
    const { length } = batch;
    if (this.#receiver === null || from === null || from.source === NO_SOURCE) return length;
    const { timeOf, waitMs, driftMs, fail, steps } = this.#receiver;
    if (steps.has(from.origin)) return length;
    const sent = this.#sentOf(from.source);
    let newest = -Infinity;
    let reached = sent.newest;
    const piece = this.#piece;
    if (piece.items === 0 && reached > -Infinity) piece.farFrom = reached + driftMs;
    let at = start;
    let pair: unknown;
    try {
      while (at < length) {
        pair = batch[at++];
        piece.items++;
        if (!isKeyed(pair)) continue; // it has been refused, or is
        const time = timeOf(pair[1]);
        if (time > newest) newest = time;
        if (time > reached) {
          reached = time;
          if (piece.farFrom === Infinity) piece.farFrom = time + driftMs;
          piece.reached = time;
          if (this.isFar) break;
        } // Of a pair that is sent twice, the first is not to be late for what follows it.
        else if (time < reached - waitMs && !this.#old.has(pair)) this.#old.set(pair, reached);
      }
    } catch (thrown) {
      throw fail(pair, thrown);
    }
    const { source, origin, tick } = from;
    this.#addNewest({ kind: "newest", source, origin, tick, time: newest });
    if (reached > sent.newest) {
      sent.newest = reached;
      this.#receiver.onNewest?.();
    }
    return at;
  }

  /** Returns the frame that a shard gets before an item of this batch; `null` for none. */
  before(item: unknown, shard: number): Uint8Array | null {
    const time = this.#old.get(item);
    if (time === undefined) return null;
    const { source, origin, tick } = this.#from!;
    const { told, toldAll } = this.#sentOf(source);
    if (Math.max(toldAll, told[shard] ?? -Infinity) >= time) return null;
    told[shard] = time;
    return this.#encode({ kind: "newest", source, origin, tick, time });
  }

  /** Returns the newest time that has been sent of a source; negative infinity if there is none. */
  newestOf(source: SourceName): number {
    return this.#sources.get(source)?.newest ?? -Infinity;
  }

  #sentOf(source: SourceName): SentSource {
    let sent = this.#sources.get(source);
    if (sent === undefined) {
      sent = { newest: -Infinity, toldAll: -Infinity, told: [] };
      this.#sources.set(source, sent);
    }
    return sent;
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
    for (const sent of this.#sources.values()) {
      sent.toldAll = sent.newest;
      sent.told = [];
    }
    return messages.map((message) => this.#encode(message));
  }

  #encode(message: TimeControl): Uint8Array {
    return encodeFrame({ kind: "time", exchange: this.#exchange, message });
  }
}
