/**
 * Numbers as people read them, on the dashboard and in its sentences.
 *
 * @module
 */

const STEPS: readonly (readonly [least: number, unit: string])[] = [
  [1e12, " T"],
  [1e9, " G"],
  [1e6, " M"],
  [1e3, " k"],
];

/** Returns a number of items with at most three digits, as in `1.24 M`. */
export function countText(count: number): string {
  for (const [least, unit] of STEPS) {
    if (count >= least * 0.9995) return threeDigits(count / least) + unit;
  }
  return count > 0 && count < 9.95 && !Number.isInteger(count)
    ? count.toFixed(1)
    : String(Math.round(count));
}

/** Returns a size in bytes, as in `24.6 MB`. */
export function bytesText(bytes: number): string {
  return bytes < 1_000 ? `${Math.round(bytes)} B` : `${countText(bytes).replace("k", "K")}B`;
}

/** Returns a duration in milliseconds in its one or two largest units, as in `3 min 5 s`. */
export function durationText(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 9_950) return `${(ms / 1_000).toFixed(1).replace(/\.0$/, "")} s`;
  const seconds = Math.round(ms / 1_000);
  if (seconds < 120) return `${seconds} s`;
  for (const [unit, name, inner, innerName] of UNITS) {
    if (seconds < unit) continue;
    const whole = Math.floor(seconds / unit);
    const rest = Math.floor((seconds % unit) / inner);
    return rest === 0 || whole >= 10 ? `${whole} ${name}` : `${whole} ${name} ${rest} ${innerName}`;
  }
  return `${seconds} s`;
}

const UNITS: readonly (readonly [unit: number, name: string, inner: number, innerName: string])[] =
  [
    [31_557_600, "y", 2_629_800, "mo"],
    [86_400, "d", 3_600, "h"],
    [3_600, "h", 60, "min"],
    [60, "min", 1, "s"],
  ];

/** Returns a share from 0 to 1 in percent. */
export function percentText(share: number): string {
  return `${Math.round(share * 100)} %`;
}

function threeDigits(number: number): string {
  if (number >= 99.95) return String(Math.round(number));
  return number >= 9.995 ? number.toFixed(1) : number.toFixed(2);
}
