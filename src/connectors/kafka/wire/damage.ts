/**
 * What is thrown where a broker sends bytes that nobody can have meant.
 *
 * @module
 */

/** Bytes are damaged: asking for them again brings the same. */
export class DamageError extends RangeError {
  override readonly name = "DamageError";
}

/** The same, for a batch of records. */
export function damagedBatch(baseOffset: number, why: string): DamageError {
  return new DamageError(`the batch at offset ${baseOffset} is damaged: ${why}`);
}

/** What to do about a batch that cannot be read, for the end of an error. */
export const PAST_DAMAGE =
  "What comes before it has been handed out. To go on behind it, delete the partition's records " +
  'up to and with it (kafka-delete-records.sh), and set the property "auto.offset.reset" to ' +
  "earliest";
