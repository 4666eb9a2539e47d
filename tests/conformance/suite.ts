/**
 * What the suites of this folder have in common. A suite is a list of checks that each
 * implementation of one contract has to pass.
 *
 * @module
 */

/** One thing that each implementation has to do. */
export interface Check<S> {
  readonly title: string;
  /** Rejects if the implementation does not do it. */
  run(subject: S): Promise<void>;
}

/** Why an implementation does not pass some checks, by the titles of these. */
export type Skips = Readonly<Record<string, string>>;

/**
 * Registers a test for each check.
 *
 * @param name Which implementation it is.
 * @param make Makes what is tested; it is disposed of after each check.
 * @param skips The checks to leave out, each with its reason.
 * @throws {TypeError} If a check to leave out is not in the suite.
 */
export function register<S extends AsyncDisposable>(
  name: string,
  checks: readonly Check<S>[],
  make: () => S | Promise<S>,
  skips: Skips = {},
): void {
  const titles = new Set(checks.map(({ title }) => title));
  for (const title of Object.keys(skips)) {
    if (!titles.has(title)) {
      throw new TypeError(`${name} skips a check that there is not: ${title}`);
    }
  }
  for (const { title, run } of checks) {
    const reason = skips[title];
    Deno.test({
      name: `${name}: ${title}${reason === undefined ? "" : ` (not this one: ${reason})`}`,
      ignore: reason !== undefined,
      fn: async () => {
        await using subject = await make();
        await run(subject);
      },
    });
  }
}

/** How long a call may take, unless the subject says otherwise. */
const PATIENCE_MS = 10_000;

/** Resolves with `promise`, or rejects if that takes too long. */
export async function inTime<R>(
  promise: Promise<R>,
  what: string,
  patienceMs: number = PATIENCE_MS,
): Promise<R> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => late.reject(new Error(`${what} has not resolved after ${patienceMs} ms`)),
    patienceMs,
  );
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** Returns what a check needs of its subject. */
export function needed<R>(value: R | undefined, name: string): R {
  if (value !== undefined) return value;
  throw new TypeError(`this check needs \`${name}\` of its subject; without it, skip the check`);
}
