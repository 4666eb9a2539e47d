/**
 * Combines values before they change workers: one partial result goes instead of many values of a
 * key.
 *
 * @module
 */
import { chainChecks, isKeyed } from "../../graph/chain_checks.ts";
import type { Combiner } from "../../graph/nodes.ts";
import { isTimeControl } from "../time/controls.ts";
import { isBatch, type Message, type Outgoing } from "../channel.ts";
import { CombinedAmount, MOST_KEYS } from "./combined_amount.ts";
import type { FailItem } from "./dealing.ts";

/** Fewer values a key than this are not worth it. */
const WORTH_IT = 2;

/** This many values then go as they come, before it is tried again. */
const TRY_AGAIN = 1 << 19;

/** A partial result that grows. */
interface Growing {
  partial: unknown;
}

/**
 * Stands before the sending side of an exchange. All that it sends is partial results, those of one
 * value too. It holds some back, but nothing beyond the next control message: an epoch's values are
 * in it.
 */
export class Combining implements Outgoing {
  readonly #combiner: Combiner;
  readonly #target: Outgoing;
  readonly #fail: FailItem;
  #growing = new Map<string, Growing>();
  readonly #amount = new CombinedAmount(); // in `growing`
  #direct = 0; // that are still to go as they come

  constructor(combiner: Combiner, target: Outgoing, fail: FailItem) {
    this.#combiner = combiner;
    this.#target = target;
    this.#fail = fail;
  }

  /** What is combined takes no room until it goes on. */
  get room(): number {
    const { room } = this.#target;
    return room === 0 || this.#direct > 0 ? room : Infinity;
  }

  offered(items: number): void {
    if (this.#direct > 0) this.#target.offered(items);
  }

  push(message: Message): void {
    if (!isBatch(message)) {
      // What is combined is of several sources. The step downstream emits at the end only: nothing
      // of it is on its way when a tick passes.
      if (isTimeControl(message)) {
        if (message.kind === "tick") this.#target.push(message);
        return;
      }
      this.#flush();
      this.#target.push(message);
    } else if (this.#direct > 0) {
      this.#direct -= message.length;
      this.#target.push(this.#each(message));
    } else this.#combine(message);
  }

  #combine(batch: readonly unknown[]): void {
    const combiner = this.#combiner;
    let pair: unknown;
    try {
      for (pair of batch) {
        if (!isKeyed(pair)) throw chainChecks.notKeyed("a stateful step", pair);
        const growing = this.#growing.get(pair[0]);
        if (growing !== undefined) growing.partial = combiner.add(growing.partial, pair[1]);
        else this.#growing.set(pair[0], { partial: combiner.start(pair[0], pair[1]) });
      }
    } catch (thrown) {
      throw this.#fail(pair, thrown);
    }
    this.#amount.add(batch);
    const keys = this.#growing.size;
    if (!this.#amount.isFull(keys, this.#target.room)) return;
    // Fewer keys are sent for lack of room: that they have not come twice yet says nothing.
    if (keys >= MOST_KEYS && this.#amount.values < keys * WORTH_IT) this.#direct = TRY_AGAIN;
    this.#flush();
  }

  #each(batch: readonly unknown[]): unknown[] {
    const partials: unknown[] = new Array(batch.length);
    let at = 0;
    try {
      for (; at < batch.length; at++) {
        const pair = batch[at];
        if (!isKeyed(pair)) throw chainChecks.notKeyed("a stateful step", pair);
        partials[at] = [pair[0], this.#combiner.start(pair[0], pair[1])];
      }
    } catch (thrown) {
      throw this.#fail(batch[at], thrown);
    }
    return partials;
  }

  #flush(): void {
    if (this.#growing.size === 0) return;
    const partials = Array.from(this.#growing, ([key, { partial }]) => [key, partial]);
    this.#growing = new Map();
    this.#amount.reset();
    this.#target.offered(partials.length);
    this.#target.push(partials);
  }
}
