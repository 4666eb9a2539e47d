/**
 * Sizes in errors about limits.
 *
 * @module
 */

const KIB = 2 ** 10;
const MIB = 2 ** 20;

/** Names a size that is too large, rounded up: `1.1 MiB`. */
export function sizeUp(bytes: number): string {
  return named(bytes, Math.ceil);
}

/** Names the most that is possible, rounded down: `1 MiB`. */
export function sizeDown(bytes: number): string {
  return named(bytes, Math.floor);
}

function named(bytes: number, round: (value: number) => number): string {
  if (bytes < MIB) return `${round(bytes / KIB)} KiB`;
  return `${round(bytes / MIB * 10) / 10} MiB`;
}
