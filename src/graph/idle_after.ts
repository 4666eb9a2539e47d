/**
 * When an input that waits counts as having nothing to read.
 *
 * @module
 */

/**
 * How many milliseconds without items make an input idle, if the input cannot know better. What it
 * waits for may be a page of old items, and those must not be late.
 */
export const IDLE_AFTER_MS = 10_000;
