/**
 * When an input that waits counts as having nothing to read.
 *
 * @module
 */

/**
 * How long an input gives nothing before it counts as idle, in milliseconds, where it does not know better.
 * What it waits for may be a page of old items, and those must not come late.
 */
export const IDLE_AFTER_MS = 10_000;
