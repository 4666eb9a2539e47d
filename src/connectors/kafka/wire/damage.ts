/**
 * What is thrown if a broker sends bytes that cannot be valid.
 *
 * @module
 */

/** Bytes are damaged. Requesting them again returns the same. */
export class DamageError extends RangeError {
  override readonly name = "DamageError";
}

/** The same for a batch of records. */
export function damagedBatch(baseOffset: number, why: string): DamageError {
  return new DamageError(`the batch at offset ${baseOffset} is damaged: ${why}`);
}

/** What to do about an unreadable batch, as the end of an error. */
export const PAST_DAMAGE =
  "What comes before it has been handed out. To continue after it, delete the partition's records " +
  'up to and with it (kafka-delete-records.sh), and set the property "auto.offset.reset" to ' +
  "earliest";
