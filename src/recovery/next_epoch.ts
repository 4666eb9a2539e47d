import type { Epoch } from "../core/ids.ts";

/** The epoch before the first: what a first run begins with. */
const BEFORE_ALL = -1;

/**
 * The epoch, if it does not come before the last one: written out of order, a store would hold a mixture.
 *
 * @throws {RangeError} If it does not.
 */
export function nextEpoch(last: Epoch | null, epoch: Epoch): Epoch {
  if (Number.isSafeInteger(epoch) && epoch >= (last ?? BEFORE_ALL)) return epoch;
  throw new RangeError(
    `epoch ${epoch} cannot be committed: ` +
      (last === null ? `it is no whole number from ${BEFORE_ALL} on` : `the last one was ${last}`),
  );
}
