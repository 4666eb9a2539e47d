/**
 * Requests to the operations port, and its answers.
 *
 * @module
 */
import { NoStepError, StateAccessError, StateError, StateUnavailableError } from "./errors.ts";

/** Options of {@linkcode stateClient}. */
export interface StateClientOptions {
  /** The port's token (`MILLRACE_API_TOKEN` of the run), if it has one. */
  readonly token?: string;
  /**
   * Used in place of `fetch`, for tests and proxies.
   *
   * @default {fetch}
   */
  readonly fetch?: (url: string, init: RequestInit) => Promise<Response>;
}

/** The header of an answer that says that only the key is missing. */
const MISSING = "millrace-missing";

/** The step is there, and has no state for the key. */
export class MissingKeyError extends StateError {}

/** The operations port of a run, at the address that a client was given. */
export class StatePort {
  readonly #base: string;
  readonly #token: string | undefined;
  readonly #fetch: (url: string, init: RequestInit) => Promise<Response>;

  /** Asks nothing yet. */
  constructor(url: string | URL, options: StateClientOptions) {
    const { href } = new URL(url);
    this.#base = href.endsWith("/") ? href : `${href}/`;
    this.#token = options.token;
    this.#fetch = options.fetch ?? ((url, init) => fetch(url, init));
  }

  /**
   * Asks, and returns the answer if it is not an error. Its body is still to be read.
   *
   * @throws {MissingKeyError} If only the key is missing.
   * @throws {StateError} If the port does not answer, or refuses.
   */
  async open(
    path: string,
    query: Readonly<Record<string, string>>,
    signal: AbortSignal | undefined,
  ): Promise<Response> {
    const url = new URL(path, this.#base);
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
    const headers: Record<string, string> = this.#token === undefined
      ? {}
      : { Authorization: `Bearer ${this.#token}` };
    let response: Response;
    try {
      response = await this.#fetch(url.href, {
        headers,
        ...signal === undefined ? {} : { signal },
      });
    } catch (cause) {
      if (signal?.aborted) throw cause;
      const message = cause instanceof Error ? cause.message : String(cause);
      throw new StateUnavailableError(`${this.#base} is not in reach: ${message}`, 0, { cause });
    }
    if (response.ok) return response;
    throw await errorOf(response);
  }

  /**
   * Asks, and returns the JSON of the answer.
   *
   * @throws {StateError} As `open`, and if the answer is cut off, or is not JSON.
   */
  async ask(
    path: string,
    query: Readonly<Record<string, string>>,
    signal: AbortSignal | undefined,
  ): Promise<unknown> {
    const response = await this.open(path, query, signal);
    let text: string;
    try {
      text = await response.text();
    } catch (cause) {
      if (signal?.aborted) throw cause;
      throw new StateUnavailableError(`${this.#base} has cut its answer off`, 0, { cause });
    }
    try {
      return JSON.parse(text);
    } catch (cause) {
      const message = `${this.#base} does not answer with JSON: is it the operations port?`;
      throw new StateError(message, response.status, { cause });
    }
  }
}

async function errorOf(response: Response): Promise<StateError> {
  const { status } = response;
  const text = (await response.text().catch(() => "")).trim();
  const message = text === "" || text.startsWith("<") ? `the port answered ${status}` : text;
  switch (status) {
    case 401:
    case 403:
    case 421:
      return new StateAccessError(message, status);
    case 404:
      return new (response.headers.has(MISSING) ? MissingKeyError : NoStepError)(message, status);
  }
  return new (status >= 500 ? StateUnavailableError : StateError)(message, status);
}
