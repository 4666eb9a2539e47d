/**
 * Which of the streams that tasks send to a shard goes on, so that none gets far ahead of others in
 * event time.
 *
 * On one machine, an input does not read a source that is far ahead; see `source_alignment.ts`. In
 * a group, the tasks of inputs do not know of one another. So the shard that they send to waits
 * instead. It delivers nothing of a stream that is far ahead until the others have come up:
 *
 * ```text
 *   in_0   ── 10:00 ── 10:10 ──│── 11:00 ── 11:20 ─▶   is held
 *   in_1   ── 10:02 ── 10:05 ── ?                      has more to read: it is waited for
 * ```
 *
 * It goes by what the senders say, and not by when that is read. So what a step gets does not
 * depend on how much of the log is still to be read. A stream is waited for if, by its last tick,
 * it has more to read. If its machine is dead, others wait until another machine goes on with it.
 * Event time stands still without it anyway.
 *
 * Of the streams that are waited for, the one that is least far is not held. So something can
 * always go on.
 *
 * @module
 */
import type { StepId } from "../../core/ids.ts";
import { type OriginName, partsOfOrigin, type SourceName, type Tick } from "../time/controls.ts";
import type { KnownSources } from "../time/source_times.ts";

/** An exchange to a step by the time of values. */
export interface OrderOptions {
  /** How far a stream may be ahead of the one that is least far, in milliseconds. */
  readonly driftMs: number;
  /**
   * What reads the sources, where their items come straight from there. Others pass through more
   * tasks, each of which sends items of all sources: no stream can wait for another then.
   */
  readonly origins: ReadonlySet<OriginName>;
}

/** What is known of a source. */
interface Source {
  readonly origin: OriginName;
  /** The newest time of what has been delivered, in milliseconds since the Unix epoch. */
  newest: number;
  isBehind: boolean;
}

/** The next thing of a stream that moves the time of a source. */
interface Head {
  readonly source: SourceName;
  readonly origin: OriginName;
  /** How far the source is then, in milliseconds since the Unix epoch. */
  readonly time: number;
}

/** Keeps the streams of one exchange together. */
export class StreamOrder {
  readonly #driftMs: number;
  readonly #inputs: ReadonlySet<StepId>;
  readonly #unnamed: Set<OriginName>;
  readonly #sources = new Map<SourceName, Source>();
  readonly #bySender = new Map<number, SourceName[]>();
  readonly #heads = new Map<number, Head>(); // by sender
  /** No stream that is waited for is less far. It may have come further since. */
  #least = -Infinity;

  /** Nothing has been delivered yet. */
  constructor({ driftMs, origins }: OrderOptions) {
    this.#driftMs = driftMs;
    this.#unnamed = new Set(origins);
    this.#inputs = new Set(Array.from(origins, (origin) => partsOfOrigin(origin).step));
  }

  /** Continues from what the step had been delivered. */
  resume({ named, sources }: KnownSources): void {
    for (const origin of named) this.#unnamed.delete(origin);
    for (const [name, origin, newest, state] of sources) {
      if (!this.#has(origin)) continue;
      const source = this.#sourceOf(name, origin);
      source.newest = Math.max(source.newest, newest);
      source.isBehind = state === "behind";
    }
  }

  /** Returns whether sources of an origin are kept together with others. */
  #has(origin: OriginName): boolean {
    return this.#inputs.has(partsOfOrigin(origin).step);
  }

  /** A stream will be this far once its next frame has been delivered. */
  setHead(sender: number, origin: OriginName, source: SourceName, time: number): void {
    if (time > -Infinity && this.#has(origin)) this.#heads.set(sender, { source, origin, time });
  }

  /** What comes next in a stream has been delivered. */
  pass(sender: number): void {
    const head = this.#heads.get(sender);
    if (head === undefined) return;
    this.#heads.delete(sender);
    const source = this.#sourceOf(head.source, head.origin);
    if (head.time > source.newest) source.newest = head.time;
  }

  /** A tick of an input has been delivered. It has all sources of it. */
  onTick({ origin, states }: Tick): void {
    if (!this.#has(origin)) return;
    this.#unnamed.delete(origin);
    const { worker: sender } = partsOfOrigin(origin);
    for (const name of this.#bySender.get(sender)?.slice() ?? []) {
      if (this.#sources.get(name)!.origin === origin && !states.some(([each]) => each === name)) {
        this.#remove(name, sender);
      }
    }
    for (const [name, state] of states) {
      this.#sourceOf(name, origin).isBehind = state === "behind";
    }
    this.#least = -Infinity;
  }

  /** Whether a stream has sources here. */
  feeds(sender: number): boolean {
    return this.#bySender.has(sender) || this.#heads.has(sender);
  }

  /** Whether a stream has to wait for others. */
  isAhead(sender: number): boolean {
    // Otherwise it would depend on who begins first whether the first values can be late. What a
    // sender has still to name comes later in its stream, which must not wait for itself.
    if (this.#unnamed.size > 0) return this.#heads.has(sender) && !this.#hasUnnamed(sender);
    const time = this.timeOf(sender);
    if (time <= this.#least + this.#driftMs) return false;
    this.#least = this.#leastNow();
    return time > this.#least + this.#driftMs;
  }

  /**
   * Returns how far a stream has come: its source that is least far. What comes next does not count
   * yet. A sparse stream may go far with that, and time waits for it until then. It is negative
   * infinity where nothing is known: others learn so at once that it is far away.
   */
  timeOf(sender: number): number {
    const behind = this.#behindOf(sender);
    if (behind < Infinity) return behind;
    const head = this.#heads.get(sender);
    return head === undefined ? -Infinity : this.#sources.get(head.source)?.newest ?? -Infinity;
  }

  #hasUnnamed(sender: number): boolean {
    for (const origin of this.#unnamed) if (partsOfOrigin(origin).worker === sender) return true;
    return false;
  }

  /** The same of the sources that others wait for; infinity if there are none. */
  #behindOf(sender: number): number {
    let least = Infinity;
    for (const name of this.#bySender.get(sender) ?? []) {
      const { isBehind, newest } = this.#sources.get(name)!;
      if (isBehind && newest < least) least = newest;
    }
    return least;
  }

  #leastNow(): number {
    let least = Infinity;
    for (const sender of this.#bySender.keys()) least = Math.min(least, this.#behindOf(sender));
    return least;
  }

  #sourceOf(name: SourceName, origin: OriginName): Source {
    let source = this.#sources.get(name);
    if (source === undefined) {
      const { worker: sender } = partsOfOrigin(origin);
      source = { origin, newest: -Infinity, isBehind: true };
      this.#sources.set(name, source);
      const names = this.#bySender.get(sender);
      if (names === undefined) this.#bySender.set(sender, [name]);
      else names.push(name);
      this.#least = -Infinity;
    }
    return source;
  }

  #remove(name: SourceName, sender: number): void {
    this.#sources.delete(name);
    const names = this.#bySender.get(sender)!.filter((each) => each !== name);
    if (names.length > 0) this.#bySender.set(sender, names);
    else this.#bySender.delete(sender);
  }
}
