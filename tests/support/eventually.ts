/** Lets the event loop go round: all that can happen without outside help has happened after it. */
export async function idle(turns = 30): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setTimeout(resolve, 0));
}

/** Goes round the event loop until `condition` holds; an error that says `what` after 5 s. */
export async function eventually(condition: () => boolean, what: string): Promise<void> {
  const until = performance.now() + 5_000;
  while (!condition()) {
    if (performance.now() > until) throw new Error(`waited in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
}
