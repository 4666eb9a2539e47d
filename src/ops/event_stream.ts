/**
 * Server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html).
 *
 * A client asks for the next event by reading, so one that does not read holds up nothing. The
 * events that it misses are up to the source, which may leave out older ones.
 *
 * @module
 */
import { within } from "../core/promises.ts";

/** How often a quiet stream sends a comment, in milliseconds: proxies close what is silent. */
const HEARTBEAT_MS = 15_000;

/** How long streams may take to end once they are told to, in milliseconds. */
const CLOSE_MS = 1_000;

const HEARTBEAT = ":\n\n";

/** The headers of an answer with events. */
export const EVENT_STREAM = { "Content-Type": "text/event-stream" } as const;

/** Returns an event as text. */
export function eventText(data: unknown, event?: string): string {
  // JSON has no line ends, which would be the end of the data.
  return `${event === undefined ? "" : `event: ${event}\n`}data: ${JSON.stringify(data)}\n\n`;
}

/** The streams that a server has open. */
export class EventStreams {
  readonly #heartbeatMs: number;
  readonly #closing = new AbortController();
  readonly #open = new Set<Promise<void>>();

  /** `heartbeatMs` is for tests. */
  constructor(heartbeatMs = HEARTBEAT_MS) {
    this.#heartbeatMs = heartbeatMs;
  }

  /** How many streams are open. */
  get size(): number {
    return this.#open.size;
  }

  /**
   * Returns a stream as the body of an answer with the headers {@linkcode EVENT_STREAM}.
   *
   * @param events Returns the events, each as {@linkcode eventText} writes it. The signal is
   * aborted when the client has left, or the server ends. Then the iteration must end soon.
   */
  open(events: (signal: AbortSignal) => AsyncIterable<string>): ReadableStream<Uint8Array> {
    const left = new AbortController();
    const signal = AbortSignal.any([left.signal, this.#closing.signal]);
    const iterator = events(signal)[Symbol.asyncIterator]();
    const { promise, resolve } = Promise.withResolvers<void>();
    const end = () => {
      left.abort();
      this.#open.delete(promise);
      resolve();
    };
    const encoder = new TextEncoder();
    let next: Promise<IteratorResult<string>> | null = null;
    return new ReadableStream<Uint8Array>({
      pull: async (controller) => {
        if (!left.signal.aborted) this.#open.add(promise); // not for HEAD, which reads nothing
        next ??= iterator.next();
        const text = await this.#orHeartbeat(next);
        if (text !== HEARTBEAT) next = null;
        if (text !== null) return controller.enqueue(encoder.encode(text));
        end();
        controller.close();
      },
      cancel: async () => {
        end();
        await next?.catch(() => {});
        await iterator.return?.();
      },
    }, { highWaterMark: 0 });
  }

  /** Returns the next text; `null` at the end. An error ends a stream: the client comes back. */
  async #orHeartbeat(next: Promise<IteratorResult<string>>): Promise<string | null> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const quiet = new Promise<string>((resolve) => {
      timer = setTimeout(() => resolve(HEARTBEAT), this.#heartbeatMs);
    });
    const text = next.then(({ done, value }) => done ? null : value, () => null);
    try {
      return await Promise.race([text, quiet]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Tells all streams to end, and gives them a second. */
  async close(): Promise<void> {
    this.#closing.abort();
    await within(Promise.all(this.#open), CLOSE_MS);
  }
}
