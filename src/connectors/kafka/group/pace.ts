/**
 * How often a member asks. A broker bears some thousands of heartbeats a second, for all members of
 * all groups that it keeps. So members ask often only while their group changes.
 *
 * While nothing happens, one member of each process is the scout, and asks about once a second. The
 * others ask just often enough to stay in the group. A member that hears of a change tells the
 * others of its process (`members.ts`), and all of them ask often until it should be over.
 *
 * @module
 */

/** How often a member asks, in milliseconds. */
export interface PaceOptions {
  /** While the group changes. */
  readonly heartbeatMs: number;
  /** While nothing happens, if the member is the scout of its process. */
  readonly scoutMs: number;
}

/**
 * How long a group is thought to change after the last sign of it, in milliseconds. A member that
 * gives up tasks first commits, and its transaction may last as long.
 */
const CHANGES_MS = 10_000;

/** The pace of one member. */
export class Pace {
  /** Whether it is the scout of its process. */
  isScout = true;
  readonly #options: PaceOptions;
  #changesUntil = -Infinity;

  constructor(options: PaceOptions) {
    this.#options = options;
  }

  /** There is a sign that the group changes. */
  changes(now: number): void {
    this.#changesUntil = now + CHANGES_MS;
  }

  /**
   * How long to wait until the next heartbeat.
   *
   * @param restMs How long a member may be silent at most.
   */
  intervalMs(now: number, restMs: number): number {
    const { heartbeatMs, scoutMs } = this.#options;
    if (now < this.#changesUntil) return Math.min(heartbeatMs, restMs);
    return this.isScout ? Math.min(scoutMs, restMs) : restMs;
  }
}
