/**
 * Watches the state of keys while a flow runs.
 *
 * Workers do not tell of changes: that would cost something for each item. So the worker that owns
 * a key is asked a few times a second, for as long as anybody watches that key. All who watch a key
 * share the questions. Who is slow misses states in between, but never the last one.
 *
 * @module
 */
import type { StepId } from "../core/ids.ts";
import { sleep } from "../core/promises.ts";
import { eventText } from "./event_stream.ts";
import type { RunSource } from "./run_view.ts";
import type { ShownKey } from "./shown_state.ts";
import { keyOf } from "./state_routes.ts";

/** How often a key is asked for, in milliseconds. */
const INTERVAL_MS = 250;

/** How many keys can be watched at once. */
const MOST_WATCHED = 200;

/** How many watchers there can be, as each takes a connection and some memory. */
const MOST_WATCHERS = 1_000;

/** Too many keys are watched, or by too many. */
export class TooManyWatchedError extends Error {
  override name = "TooManyWatchedError";
}

/** What is known of a watched key. */
interface Watched {
  watchers: number;
  /** The last state, as an event; `null` before the first answer. */
  event: string | null;
  /** The value in it, by which changes are noticed. */
  value: string;
  /** Resolves at the next change. */
  changed: PromiseWithResolvers<void>;
  readonly ended: AbortController;
}

/** The keys that are watched. */
export class StateWatches {
  readonly #source: RunSource;
  readonly #pause: typeof sleep;
  readonly #watched = new Map<string, Watched>();

  /** `pause` is for tests. */
  constructor(source: RunSource, pause: typeof sleep = sleep) {
    this.#source = source;
    this.#pause = pause;
  }

  /** How many keys are watched. */
  get size(): number {
    return this.#watched.size;
  }

  /**
   * Begins to watch a key.
   *
   * @returns The events of one watcher: the state now, then the state after each change. The data
   * is `null` for a key without state. They end with the signal.
   * @throws {TooManyWatchedError} If too many keys are watched, or by too many.
   */
  watch(step: StepId, key: string): (signal: AbortSignal) => AsyncGenerator<string, void> {
    const id = JSON.stringify([step, key]);
    if (!this.#watched.has(id) && this.#watched.size >= MOST_WATCHED) {
      throw new TooManyWatchedError(
        `${MOST_WATCHED} keys are watched already: end some of that, or ask for lists of keys`,
      );
    }
    const watchers = this.#watched.values().reduce((sum, { watchers }) => sum + watchers, 0);
    if (watchers >= MOST_WATCHERS) {
      throw new TooManyWatchedError(
        `there are ${MOST_WATCHERS} watchers already: end some of them, or share what one sees`,
      );
    }
    return (signal) => this.#events(id, step, key, signal);
  }

  async *#events(
    id: string,
    step: StepId,
    key: string,
    signal: AbortSignal,
  ): AsyncGenerator<string, void> {
    const watched = this.#watched.get(id) ?? this.#begin(id, step, key);
    watched.watchers++;
    const aborted = new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      else signal.addEventListener("abort", () => resolve(), { once: true });
    });
    try {
      for (let sent: string | null = null; !signal.aborted;) {
        const { event, changed } = watched;
        if (event !== null && event !== sent) yield sent = event;
        else await Promise.race([changed.promise, aborted]);
      }
    } finally {
      watched.watchers--;
      if (watched.watchers === 0) {
        watched.ended.abort();
        this.#watched.delete(id);
      }
    }
  }

  #begin(id: string, step: StepId, key: string): Watched {
    const watched: Watched = {
      watchers: 0,
      event: null,
      value: "",
      changed: Promise.withResolvers(),
      ended: new AbortController(),
    };
    this.#watched.set(id, watched);
    void this.#ask(watched, step, key);
    return watched;
  }

  async #ask(watched: Watched, step: StepId, key: string): Promise<void> {
    const { ended: { signal } } = watched;
    while (!signal.aborted) {
      const found = await this.#stateOf(step, key);
      if (found !== undefined) {
        // Not the worker: a key that moves has not changed.
        const value = JSON.stringify(found && [found.value, found.error ?? null]);
        if (watched.event === null || value !== watched.value) {
          watched.value = value;
          watched.event = eventText(found, "state");
          watched.changed.resolve();
          watched.changed = Promise.withResolvers();
        }
      }
      await this.#pause(INTERVAL_MS, signal);
    }
  }

  /** Returns a key; `undefined` if no worker answers, such as between two restarts. */
  async #stateOf(step: StepId, key: string): Promise<ShownKey | null | undefined> {
    try {
      return await keyOf(this.#source, step, key);
    } catch {
      return undefined; // it is asked again
    }
  }
}
