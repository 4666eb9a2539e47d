/**
 * Combines the values of windows before they change workers: the windows that many values of a key
 * make go as one partial result.
 *
 * A late value has to be given out as it is. Whether it is late is decided by the time of the step
 * on the worker that has the key, which differs from the time here. So only those values are
 * combined that cannot be late there:
 *
 * ```text
 *   source ── tick 7: p0 is behind ──▶ all workers hold their time back for p0, and report 7:
 *                                      "windows have closed up to 12:00"
 *   source ── a value of p0, 12:03 ──▶ combined. Its window ends after 12:00, and not before the
 *                                      newest time of p0 less the wait: none can have closed it
 *   source ── tick 8: p0 is current ─▶ values of p0 go as they come, as time may go on without it
 * ```
 *
 * Time that passes in silence closes windows too. So after the input was idle, it takes another
 * tick that all have reported.
 *
 * @module
 */
import { BatchSizes } from "../../core/value_size.ts";
import { chainChecks, isKeyed } from "../../graph/chain_checks.ts";
import type { WindowCombiner } from "../../graph/nodes.ts";
import { isActivity } from "../activity/activity.ts";
import { type Control, isBatch, type Message, type Outgoing } from "../channel.ts";
import {
  type From,
  isSameFrom,
  isTimeControl,
  type OriginName,
  type SourceName,
  type Tick,
} from "../time/controls.ts";
import { CombinedAmount } from "./combined_amount.ts";
import type { FailItem } from "./dealing.ts";

/** Fewer values, or bytes of values, for each that is sent are not worth it. */
const WORTH_IT = 2;

/** Whether it is worth it is judged by this many values. */
const JUDGED = 4_096;

/** This many values then go as they come, before it is tried again. */
const TRY_AGAIN = 1 << 19;

/** What the workers of the step have agreed on. */
export interface Agreed {
  /** Returns the last tick of an origin that all workers have reported. */
  through(origin: OriginName): number;
  /** Returns up to where windows may have closed on any worker when it reported that. */
  closedTo(origin: OriginName): number;
  /** Returns the newest time of a source that counts. */
  newestOf(source: SourceName): number;
}

/** A source that is behind. */
interface Source {
  readonly origin: OriginName;
  /** Its values are combined once all workers have reported this tick. */
  from: number;
  /** The newest time of its values that came after the ticks before that. */
  newest: number;
  isAgreed: boolean;
}

/**
 * Stands before the sending side of an exchange. It holds partial results back, but nothing beyond
 * the next message about time, activity or an epoch.
 */
export class WindowCombining implements Outgoing {
  readonly #combiner: WindowCombiner;
  readonly #target: Outgoing;
  readonly #agreed: Agreed;
  readonly #origins: ReadonlySet<OriginName>;
  readonly #fail: FailItem;
  readonly #sources = new Map<SourceName, Source>();
  readonly #ticks = new Map<OriginName, number>();
  #isIdle = false;
  #direct = 0; // values that are still to go as they come
  #from: From | null = null;
  #told: From | null = null; // what the target knows
  #growing = new Map<string, unknown>();
  #closedTo = -Infinity; // for what is held back
  #newest = -Infinity; // when a value was combined last, the newest time of the source
  #single: unknown[] = []; // values that may be late, and came after those that are held back
  readonly #amount = new CombinedAmount();
  readonly #sizes = new BatchSizes();
  #judged = { values: 0, bytes: 0, sent: 0, sentBytes: 0 };

  /**
   * @param origins Those whose items come in order, and to this worker's part of the step only by
   * this way.
   */
  constructor(
    combiner: WindowCombiner,
    target: Outgoing,
    agreed: Agreed,
    origins: ReadonlySet<OriginName>,
    fail: FailItem,
  ) {
    this.#combiner = combiner;
    this.#target = target;
    this.#agreed = agreed;
    this.#origins = origins;
    this.#fail = fail;
  }

  /** What is combined takes no room until it goes on. */
  get room(): number {
    const { room } = this.#target;
    return room === 0 || this.#agreedSource() === null ? room : Infinity;
  }

  offered(items: number): void {
    if (this.#agreedSource() === null) this.#target.offered(items);
  }

  push(message: Message): void {
    if (isBatch(message)) this.#batch(message);
    else if (isTimeControl(message) && message.kind === "from") this.#onFrom(message);
    else this.#onControl(message);
  }

  #onFrom(from: From): void {
    if (from.source !== this.#from?.source || from.tick !== this.#from.tick) this.#flush();
    this.#from = from;
  }

  #onControl(message: Control): void {
    this.#flush();
    if (isActivity(message)) this.#onActivity(message.kind === "idle");
    else if (isTimeControl(message) && message.kind === "tick") this.#onTick(message);
    this.#target.push(message);
  }

  #onActivity(isIdle: boolean): void {
    if (this.#isIdle && !isIdle) this.#beginAgain();
    this.#isIdle = isIdle;
  }

  #onTick({ origin, number, states }: Tick): void {
    if (!this.#origins.has(origin)) return;
    this.#ticks.set(origin, number);
    for (const [name, state] of states) {
      if (state !== "behind") this.#sources.delete(name);
      else if (!this.#sources.has(name)) {
        this.#sources.set(name, { origin, from: number, newest: -Infinity, isAgreed: false });
      }
    }
  }

  /** What the workers had agreed on may be true no more, or some times have not been seen. */
  #beginAgain(): void {
    for (const source of this.#sources.values()) {
      source.from = this.#ticks.get(source.origin)! + 1;
      source.newest = -Infinity;
      source.isAgreed = false;
    }
  }

  /** The source whose values come now, if they are to be looked at. */
  #source(): Source | null {
    const from = this.#from;
    if (from === null || this.#isIdle || this.#direct > 0) return null;
    return this.#origins.has(from.origin) ? this.#sources.get(from.source) ?? null : null;
  }

  /** The same, if they may be combined. */
  #agreedSource(): Source | null {
    const source = this.#source();
    if (source === null || source.isAgreed) return source;
    if (this.#agreed.through(source.origin) < source.from) return null;
    source.newest = Math.max(source.newest, this.#agreed.newestOf(this.#from!.source));
    source.isAgreed = true;
    return source;
  }

  #batch(batch: readonly unknown[]): void {
    const source = this.#agreedSource();
    if (source !== null) {
      this.#combine(batch, source);
      return;
    }
    const learnt = this.#source();
    if (learnt !== null) this.#learn(batch, learnt);
    if (this.#direct > 0) {
      this.#direct -= batch.length;
      if (this.#direct <= 0) this.#beginAgain();
    }
    this.#send(batch);
  }

  /** Notes the newest time of values that go as they come. */
  #learn(batch: readonly unknown[], source: Source): void {
    this.#each(batch, (_key, value) => {
      const time = this.#combiner.timeOf(value);
      if (time > source.newest) source.newest = time;
    });
  }

  #combine(batch: readonly unknown[], source: Source): void {
    const combiner = this.#combiner;
    this.#closedTo = this.#agreed.closedTo(source.origin);
    this.#each(batch, (key, value, pair) => {
      const time = combiner.timeOf(value);
      if (time > source.newest) source.newest = time;
      if (this.#mayBeLate(time, source)) {
        this.#single.push(pair);
        return;
      }
      if (this.#single.length > 0) this.#flush();
      let partial = this.#growing.get(key);
      if (partial === undefined) this.#growing.set(key, partial = combiner.start());
      combiner.add(partial, value, time);
      this.#newest = source.newest;
    });
    this.#amount.add(batch);
    const held = this.#growing.size + this.#single.length;
    if (this.#amount.isFull(held, this.#target.room)) this.#flush();
  }

  #mayBeLate(time: number, { newest }: Source): boolean {
    const { waitMs } = this.#combiner;
    const closedTo = Math.max(this.#closedTo, newest - waitMs);
    // A window ends after each of its values.
    return time < closedTo && !(this.#combiner.endOf(time) > closedTo);
  }

  #each(
    batch: readonly unknown[],
    work: (key: string, value: unknown, pair: unknown) => void,
  ): void {
    let pair: unknown;
    try {
      for (pair of batch) {
        if (!isKeyed(pair)) throw chainChecks.notKeyed("a stateful step", pair);
        work(pair[0], pair[1], pair);
      }
    } catch (thrown) {
      throw this.#fail(pair, thrown);
    }
  }

  #flush(): void {
    const partials = Array.from(
      this.#growing,
      ([key, partial]) => [key, this.#combiner.take(partial)],
    );
    const single = this.#single;
    if (partials.length + single.length === 0) return;
    this.#growing = new Map();
    this.#single = [];
    if (partials.length > 0) this.#sendPartials(partials);
    if (single.length > 0) this.#send(single);
    this.#judge([...partials, ...single]);
    this.#amount.reset();
  }

  #sendPartials(partials: readonly unknown[]): void {
    const from = this.#from!;
    const { source, origin, tick } = from;
    this.#tell({ ...from, isCombined: true });
    this.#target.offered(partials.length);
    this.#target.push(partials);
    this.#target.push({ kind: "newest", source, origin, tick, time: this.#newest });
  }

  /** Stops to combine for a while if it saves too little. */
  #judge(sent: readonly unknown[]): void {
    const judged = this.#judged;
    judged.values += this.#amount.values;
    judged.bytes += this.#amount.bytes;
    judged.sent += sent.length;
    judged.sentBytes += sent.length * this.#sizes.itemBytes(sent);
    if (judged.values < JUDGED) return;
    const saves = judged.values >= judged.sent * WORTH_IT &&
      judged.bytes >= judged.sentBytes * WORTH_IT;
    if (!saves) this.#direct = TRY_AGAIN;
    this.#judged = { values: 0, bytes: 0, sent: 0, sentBytes: 0 };
  }

  #send(batch: readonly unknown[]): void {
    if (this.#from !== null) this.#tell(this.#from);
    this.#target.push(batch);
  }

  #tell(from: From): void {
    if (this.#told !== null && isSameFrom(this.#told, from)) return;
    this.#told = from;
    this.#target.push(from);
  }
}
