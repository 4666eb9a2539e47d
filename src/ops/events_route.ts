/**
 * `/events`: what happens in a run, as server-sent events.
 *
 * @module
 */
import type { Context } from "hono";
import { type SSEStreamingApi, streamSSE } from "hono/streaming";
import { EVENT_STREAM } from "./event_stream.ts";
import type { StatusFeed } from "./status_feed.ts";

/** How many clients are told at once. One that does not read holds some MiB. */
const MOST_CLIENTS = 100;

/** How long clients may take to leave when the port closes, in milliseconds. */
const LEAVE_MS = 1_000;

/**
 * Tells clients. A new one gets `history`, then a `status` each second, `news` when there are some,
 * and at last `end`.
 *
 * A write is awaited before the next one. So a client that does not read costs nothing but what is
 * on its way, and one that is slow misses some of them.
 */
export class EventsRoute {
  readonly #feed: StatusFeed;
  readonly #clients = new Set<Promise<void>>();

  constructor(feed: StatusFeed) {
    this.#feed = feed;
  }

  /** Answers a client. */
  answer(context: Context): Response {
    if (this.#clients.size >= MOST_CLIENTS) {
      return context.text(`there are ${MOST_CLIENTS} clients already\n`, 503);
    }
    // It reads nothing, so nobody would notice when it leaves.
    if (context.req.method === "HEAD") return context.body(null, 200, EVENT_STREAM);
    return streamSSE(context, async (stream) => {
      const gone = Promise.withResolvers<void>();
      this.#clients.add(gone.promise);
      stream.onAbort(() => gone.resolve());
      try {
        await this.#tell(stream, gone.promise);
      } finally {
        gone.resolve();
        this.#clients.delete(gone.promise);
      }
    });
  }

  /**
   * Resolves when all clients have left, which they do when they are told the end. Waits a second
   * at most.
   */
  async left(): Promise<void> {
    const timeout = Promise.withResolvers<void>();
    const timer = setTimeout(timeout.resolve, LEAVE_MS);
    await Promise.race([timeout.promise, Promise.all(this.#clients)]);
    clearTimeout(timer);
  }

  async #tell(stream: SSEStreamingApi, gone: Promise<void>): Promise<void> {
    const feed = this.#feed;
    const send = (event: string, data: string) =>
      Promise.race([stream.writeSSE({ event, data }), gone]);
    const history = feed.history();
    let line = history.lines.at(-1)?.number ?? 0;
    let errorAt = history.errors.at(-1)?.at ?? 0;
    await send("history", JSON.stringify(history));
    await send("status", feed.statusText);
    while (!stream.aborted && !feed.isOver) {
      await Promise.race([feed.next(), gone]);
      if (stream.aborted) return;
      const news = feed.newsSince(line, errorAt);
      if (news !== null) {
        line = news.lines.at(-1)?.number ?? line;
        errorAt = news.errors.at(-1)?.at ?? errorAt;
        await send("news", JSON.stringify(news));
      }
      await send("status", feed.statusText);
    }
    await send("end", "{}");
    await gone;
  }
}
