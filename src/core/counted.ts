/**
 * Counts of things as words.
 *
 * @module
 */

/** Returns a count as text: `1 worker`, `2 workers`. */
export function counted(count: number, one: string, more = `${one}s`): string {
  return `${count} ${count === 1 ? one : more}`;
}
