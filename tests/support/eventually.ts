/** Lets the event loop run, until all that needs no outside help has happened. */
export async function idle(turns = 30): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setTimeout(resolve, 0));
}

/** Lets the event loop run until `condition` holds. After 5 s, throws an error with `what`. */
export async function eventually(condition: () => boolean, what: string): Promise<void> {
  const until = performance.now() + 5_000;
  while (!condition()) {
    if (performance.now() > until) throw new Error(`waited in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
}

/** How long `pollUntil` waits. */
export interface PollOptions {
  readonly withinMs: number;
  /** @default {20} */
  readonly everyMs?: number;
}

/**
 * Asks again and again until `condition` holds: for what other processes do, on a busy machine.
 * After `withinMs`, throws an error with `what`.
 */
export async function pollUntil(
  condition: () => boolean | Promise<boolean>,
  what: string | (() => string),
  { withinMs, everyMs = 20 }: PollOptions,
): Promise<void> {
  for (const deadline = performance.now() + withinMs; !await condition();) {
    if (performance.now() > deadline) {
      throw new Error(`waited in vain until ${typeof what === "string" ? what : what()}`);
    }
    await pass(everyMs);
  }
}

/** Waits. */
export function pass(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
