import type { Epoch } from "../core/ids.ts";

/**
 * The epoch, if it comes after the last one: written out of order, a store would hold a mixture.
 *
 * @throws {RangeError} If it does not.
 */
export function nextEpoch(last: Epoch | null, epoch: Epoch): Epoch {
  if (Number.isSafeInteger(epoch) && epoch > (last ?? -1)) return epoch;
  throw new RangeError(
    `epoch ${epoch} cannot be committed: ` +
      (last === null ? "it is no whole number from 0 on" : `the last one was ${last}`),
  );
}
