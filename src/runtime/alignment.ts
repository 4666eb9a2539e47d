/**
 * When an epoch has ended for a step with several upstream channels.
 *
 * A channel that has delivered its barrier is held until every other one has. Otherwise items of
 * the next epoch would reach a stateful step before its snapshot is taken. They would count twice
 * after a crash. (Carbone et al. 2015, "Lightweight Asynchronous Snapshots for Distributed
 * Dataflows", the aligned variant.)
 *
 * @module
 */
import type { Epoch } from "../core/ids.ts";

/** What a step does after the last barrier or end. */
export type Alignment =
  /** Nothing yet: some channel has not delivered its barrier. */
  | { readonly kind: "open" }
  /** All have: the epoch is over, and all are read again. */
  | { readonly kind: "aligned"; readonly epoch: Epoch }
  /** All channels have ended. */
  | { readonly kind: "ended" };

/** Follows the barriers and ends of a step's channels, which are numbered from zero. */
export class EpochAlignment {
  readonly #channels: ("open" | "held" | "ended")[];
  #epoch: Epoch;

  /** `epoch` is the one that all channels start in. */
  constructor(channels: number, epoch: Epoch) {
    this.#channels = Array.from({ length: channels }, () => "open");
    this.#epoch = epoch;
  }

  /** The epoch that items belong to now. */
  get epoch(): Epoch {
    return this.#epoch;
  }

  /** Whether channels are held until all others have delivered their barrier. */
  get isAligning(): boolean {
    return this.#channels.includes("held");
  }

  /** Whether a channel must not be read now. */
  isHeld(channel: number): boolean {
    return this.#channels[channel] !== "open";
  }

  /**
   * Notes the barrier that ends `epoch` on a channel.
   *
   * @throws {Error} If the barrier is of another epoch or its channel is held: going on would lose
   * data.
   */
  barrier(channel: number, epoch: Epoch): void {
    if (epoch !== this.#epoch || this.#channels[channel] !== "open") {
      throw new Error(
        `barrier of epoch ${epoch} on ${this.#channels[channel]} channel ${channel} ` +
          `in epoch ${this.#epoch}`,
      );
    }
    this.#channels[channel] = "held";
  }

  /** A channel has ended: it counts as having delivered every barrier to come. */
  end(channel: number): void {
    this.#channels[channel] = "ended";
  }

  /** Returns what the step does now. If the epoch is over, the next one has begun afterwards. */
  align(): Alignment {
    if (this.#channels.every((channel) => channel === "ended")) return { kind: "ended" };
    if (this.#channels.includes("open")) return { kind: "open" };
    this.#channels.forEach((channel, index) => {
      if (channel === "held") this.#channels[index] = "open";
    });
    return { kind: "aligned", epoch: this.#epoch++ };
  }
}
