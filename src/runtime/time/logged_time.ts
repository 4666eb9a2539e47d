/**
 * What is known of sources whose ticks come through the log of a group.
 *
 * Sender and receiver are on different machines, and each may stop at any time. So silence proves
 * nothing. What counts is what each origin has said, and *as of when*:
 *
 * ```text
 *   in on worker 0   ── items ── tick(at 12:00:07, idle since 12:00:03) ── tick(at 12:00:08, …) ─▶
 *   in on worker 1   ── items ── tick(at 12:00:06, not idle) ──  ✗  the machine is dead
 * ```
 *
 * - A source that has been read up to its end holds time back at the newest time that any source
 *   had by then. It has nothing as old as that. What others have sent since may be younger than
 *   what it has got since.
 * - Quiet time counts where all origins have been idle together, and only as far as all have said
 *   so. So nothing counts while one of them is dead, is slow to commit, or has a backlog.
 *
 * The clocks of the machines should agree as well as `wait` covers. If one is ahead, others seem to
 * have confirmed less. That holds time back a little, and makes nothing late.
 *
 * All of this depends on what has been read from the log, and not on when. A task that is behind
 * gets the same results as one that is not.
 *
 * @module
 */
import type { LoggedTick, OriginName } from "./controls.ts";

/** How many times are kept for an origin that has said nothing for long. */
const MOST = 1_024;

/** The newest time that any source had at some moment. */
interface Newest {
  readonly at: number;
  readonly time: number;
}

/** What the origins of a step have said, as a snapshot has it. */
export interface SaidInLog {
  /** What each of them has said last. */
  readonly told: readonly (readonly [OriginName, LoggedTick])[];
  /** The newest time that any source had by some moments. */
  readonly newest: readonly (readonly [at: number, time: number])[];
  /** Up to where quiet time has counted. */
  readonly quietTo: number;
}

/** What the origins of a step have said. */
export class LoggedTime {
  readonly #told: Map<OriginName, LoggedTick>;
  #newest: Newest[]; // ascending in both
  #quietTo: number;
  #quietMs = 0; // that has not been taken

  /** Continues from what had been said by a snapshot. */
  constructor({ told, newest, quietTo }: SaidInLog = { told: [], newest: [], quietTo: -Infinity }) {
    this.#told = new Map(told);
    this.#newest = newest.map(([at, time]) => ({ at, time }));
    this.#quietTo = quietTo;
  }

  /** Returns what has been said, for a snapshot. */
  said(): SaidInLog {
    return {
      told: [...this.#told],
      newest: this.#newest.map(({ at, time }) => [at, time]),
      quietTo: this.#quietTo,
    };
  }

  /** An origin has said something. */
  onTick(origin: OriginName, tick: LoggedTick): void {
    this.#told.set(origin, tick);
  }

  /** When an origin has said something last; negative infinity if it never has. */
  at(origin: OriginName): number {
    return this.#told.get(origin)?.at ?? -Infinity;
  }

  /** What all origins together have said; at negative infinity until each of them has. */
  together(origins: Iterable<OriginName>): LoggedTick {
    let at = Infinity;
    let idleSince: number | null = -Infinity;
    for (const origin of origins) {
      const told = this.#told.get(origin) ?? { at: -Infinity, idleSince: null };
      at = Math.min(at, told.at);
      idleSince = idleSince === null || told.idleSince === null
        ? null
        : Math.max(idleSince, told.idleSince);
    }
    return { at, idleSince };
  }

  /** By this moment, a source had values of this time. */
  note(at: number, time: number): void {
    let index = this.#newest.length;
    while (index > 0 && this.#newest[index - 1].at > at) index--;
    if (index > 0 && this.#newest[index - 1].time >= time) return;
    let over = index;
    while (over < this.#newest.length && this.#newest[over].time <= time) over++;
    this.#newest.splice(index, over - index, { at, time });
    // With fewer times, a source that is silent holds time back at an earlier one.
    if (this.#newest.length > MOST) this.#newest = this.#newest.filter((_, each) => each % 2 === 0);
  }

  /** The newest time that any source had by this moment; negative infinity for none. */
  newestBy(at: number): number {
    return this.#newest.findLast((each) => each.at <= at)?.time ?? -Infinity;
  }

  /** Forgets what nobody asks for any more: all origins have said something since this moment. */
  forget(before: number): void {
    const last = this.#newest.findLastIndex((each) => each.at <= before);
    if (last > 0) this.#newest.splice(0, last);
  }

  /** All origins have been idle together, as they have said. */
  passIdle({ at, idleSince }: LoggedTick): void {
    if (idleSince === null) return;
    const from = Math.max(idleSince, this.#quietTo);
    if (at <= from) return;
    this.#quietMs += at - from;
    this.#quietTo = at;
  }

  /** Returns the quiet time since the last call, in milliseconds. */
  takeQuiet(): number {
    const ms = this.#quietMs;
    this.#quietMs = 0;
    return ms;
  }
}
