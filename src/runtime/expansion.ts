/**
 * How many items become of one, so that a stage takes no more than it has room for.
 *
 * @module
 */

/** Where one item becomes many, about this goes into a batch: larger ones are slower. */
const MANY_OUTS = 2048;

/** Follows how many items one has become of late. */
export class Expansion {
  /** The items that one has become of late, rather too many; 1 where fewer. */
  each = 1;

  /** How many items to take, where there is room for `outs` of what they become. */
  itemsFor(outs: number): number {
    const { each } = this;
    return each === 1 ? outs : Math.ceil(Math.min(outs, MANY_OUTS) / each);
  }

  /** `items`, more than none, have become `outs`. */
  became(items: number, outs: number): void {
    this.each = Math.max(outs / items, this.each * 0.875, 1);
  }
}
