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
