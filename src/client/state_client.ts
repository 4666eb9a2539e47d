/**
 * Asks the operations port of a run about the state of its keys.
 *
 * @module
 */
import type { AsJson } from "./as_json.ts";
import { StateError, StateUnavailableError } from "./errors.ts";
import { eventData } from "./event_reader.ts";
import { MissingKeyError, type StateClientOptions, StatePort } from "./state_port.ts";

/** Options of a request. */
export interface RequestOptions {
  /** Ends the request. */
  readonly signal?: AbortSignal;
}

/** A stateful step. */
export interface StepInfo {
  /** The step's id. */
  readonly step: string;
  /** How many keys it has, over all workers. */
  readonly keys: number;
}

/** A key with its state. */
export interface KeyState<V> {
  /** The key. */
  readonly key: string;
  /** The worker that owns it. */
  readonly worker: number;
  /** The state in one line, shortened. */
  readonly text: string;
  /** The state as JSON; `null` if it cannot be shown. */
  readonly value: AsJson<V>;
  /** Why it cannot be shown; absent if it is. */
  readonly error?: string;
}

/** Questions about a run. */
export interface StateClient {
  /**
   * Returns the stateful steps.
   *
   * @throws {StateError} If the port does not answer, or refuses.
   */
  steps(options?: RequestOptions): Promise<readonly StepInfo[]>;
  /**
   * Returns what can be asked about a step. Nothing is asked yet.
   *
   * `V` is the type of the step's state; it is not checked. {@linkcode AsJson} says how it arrives.
   */
  step<V = unknown>(name: string): StepState<V>;
}

/** Questions about the keys of a step. */
export interface StepState<V> {
  /**
   * Returns the state of a key as JSON; `undefined` if it has none.
   *
   * @throws {TypeError} If the key has half a character (a lone surrogate).
   * @throws {NoStepError} If the flow has no such stateful step.
   * @throws {StateError} If the port does not answer, or refuses, or the state cannot be shown.
   */
  get(key: string, options?: RequestOptions): Promise<AsJson<V> | undefined>;
  /**
   * Returns the keys, a page at a time, while the flow runs. Keys that come or go meanwhile may be
   * missing, or come twice.
   *
   * @param options.limit How many keys a page has, from 1 to 1,000. 100 by default.
   * @throws {NoStepError} If the flow has no such stateful step.
   * @throws {StateError} If the port does not answer, or refuses.
   */
  keys(
    options?: RequestOptions & { readonly limit?: number },
  ): AsyncIterable<readonly KeyState<V>[]>;
  /**
   * Returns the state of a key now, and after each change; `undefined` while it has none. The port
   * looks four times a second, so states in between may be left out, but never the last one.
   *
   * When the connection ends or the flow is started again, it connects again, for as long as it
   * takes. It ends when the signal is aborted, or the loop is left. A browser keeps a connection
   * open for each, and allows six to a host.
   *
   * @throws {TypeError} If the key has half a character (a lone surrogate).
   * @throws {NoStepError} If the flow has no such stateful step.
   * @throws {StateError} If the port refuses, or the state cannot be shown.
   */
  watch(key: string, options?: RequestOptions): AsyncIterable<AsJson<V> | undefined>;
}

/** Pauses between attempts, in milliseconds: the first, and the longest. */
const RETRY_MS = { first: 250, most: 5_000 };

/** The port sends a comment every 15 seconds. */
const SILENT_MS = 45_000;

/**
 * Returns a client of a run's operations port (`--api`). It needs nothing but `fetch`, so it runs
 * in Deno, Node and browsers. The port answers browsers only on pages of its own address: let one
 * proxy serve both.
 *
 * @param url The port's address, such as `http://127.0.0.1:8080`.
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { stateClient } from "@millrace/millrace/client";
 *
 * interface Totals {
 *   count: number;
 *   byDay: Map<string, number>;
 * }
 * // Instead of a port: for one, leave `fetch` out.
 * const value = { count: 3, byDay: [["mon", 2], ["tue", 1]] };
 * const fetch = () => Promise.resolve(Response.json({ key: "ada", worker: 0, text: "…", value }));
 *
 * const client = stateClient("http://127.0.0.1:8080", { token: "secret", fetch });
 * const totals = await client.step<Totals>("total").get("ada");
 * assertEquals(totals?.count, 3);
 * assertEquals(new Map(totals?.byDay).get("mon"), 2); // a Map arrives as pairs
 * ```
 * @example Follow a key until it has come far enough
 * ```ts
 * import { stateClient } from "@millrace/millrace/client";
 *
 * async function untilTen(): Promise<void> {
 *   const step = stateClient("http://127.0.0.1:8080").step<number>("count");
 *   for await (const count of step.watch("ada")) {
 *     if (count !== undefined && count >= 10) break;
 *   }
 * }
 * ```
 */
export function stateClient(url: string | URL, options: StateClientOptions = {}): StateClient {
  const port = new StatePort(url, options);
  return {
    steps: async ({ signal } = {}) => {
      const { steps } = await port.ask("state", {}, signal) as { steps: StepInfo[] };
      return steps;
    },
    step: <V>(name: string) => new Step<V>(port, name),
  };
}

/** A step, as its keys are asked for. */
class Step<V> implements StepState<V> {
  readonly #port: StatePort;
  readonly #name: string;
  readonly #path: string;

  constructor(port: StatePort, name: string) {
    this.#port = port;
    this.#name = name;
    this.#path = `state/${encodeURIComponent(name)}`;
  }

  async get(key: string, { signal }: RequestOptions = {}): Promise<AsJson<V> | undefined> {
    try {
      const found = await this.#port.ask(this.#path, { key: requireKey(key) }, signal);
      return this.#valueOf(found as KeyState<V>);
    } catch (error) {
      if (error instanceof MissingKeyError) return undefined;
      throw error;
    }
  }

  async *keys(
    { limit = 100, signal }: RequestOptions & { readonly limit?: number } = {},
  ): AsyncGenerator<readonly KeyState<V>[], void> {
    let after: string | null = null;
    do {
      const query: Record<string, string> = { limit: String(limit) };
      if (after !== null) query.after = after;
      const page = await this.#port.ask(this.#path, query, signal) as {
        readonly keys: readonly KeyState<V>[];
        readonly next: string | null;
      };
      if (page.keys.length > 0) yield page.keys;
      after = page.next;
    } while (after !== null);
  }

  async *watch(
    key: string,
    { signal }: RequestOptions = {},
  ): AsyncGenerator<AsJson<V> | undefined, void> {
    requireKey(key);
    let last: string | null = null;
    let pause = RETRY_MS.first;
    while (!signal?.aborted) {
      try {
        const response = await this.#port.open(this.#path, { key, watch: "" }, signal);
        for await (const data of eventData(response.body!, SILENT_MS, signal)) {
          if (signal?.aborted) return;
          pause = RETRY_MS.first;
          const found = JSON.parse(data) as KeyState<V> | null;
          const value = JSON.stringify(found && [found.value, found.error ?? null]);
          if (value === last) continue; // it was the last one before the connection ended
          last = value;
          yield found === null ? undefined : this.#valueOf(found);
        }
      } catch (error) {
        if (signal?.aborted) return;
        const isFinal = error instanceof StateError && !(error instanceof StateUnavailableError);
        if (isFinal) throw error;
      }
      await sleep(pause, signal);
      pause = Math.min(2 * pause, RETRY_MS.most);
    }
  }

  #valueOf({ key, value, error }: KeyState<V>): AsJson<V> {
    if (error === undefined) return value;
    throw new StateError(`the state of key "${key}" of step "${this.#name}": ${error}`, 200);
  }
}

/** A URL would have another character in place of half of one: that is another key. */
function requireKey(key: string): string {
  if (key.isWellFormed()) return key;
  throw new TypeError(
    `the key ${JSON.stringify(key)} has half a character (a lone surrogate), which cannot be ` +
      `asked for: list the keys of the step instead`,
  );
}

function sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    if (signal?.aborted) done();
    else signal?.addEventListener("abort", done);
  });
}
