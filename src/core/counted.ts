/**
 * Numbers of things in words.
 *
 * @module
 */

/** A number of things as text: `1 worker`, `2 workers`. */
export function counted(count: number, one: string, more = `${one}s`): string {
  return `${count} ${count === 1 ? one : more}`;
}
