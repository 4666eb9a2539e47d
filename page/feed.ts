/** Hears what happens in the run, and keeps the last minute of it. */
import type { LogLine, RunError } from "../src/ops/run_view.ts";
import type { History, News, Point, Status } from "../src/ops/status.ts";

/** How the page hears from the run. */
export type Link =
  | { readonly kind: "connecting" }
  | { readonly kind: "live" }
  /** The run is over, and said so. */
  | { readonly kind: "ended" }
  /** There is no answer any more. */
  | { readonly kind: "lost"; readonly since: number };

/** All that is known. */
export interface Known {
  readonly link: Link;
  readonly version: string;
  /** `null` until the first one. */
  readonly status: Status | null;
  /** The last minute, oldest first. */
  readonly points: readonly Point[];
  readonly lines: readonly LogLine[];
  readonly errors: readonly RunError[];
}

/** How many points and lines are kept. */
const MOST_POINTS = 60;
const MOST_LINES = 200;

/** After which time another attempt is made to connect, in milliseconds. */
const RETRY_MS = 1_000;

/** Hears. A tab that nobody sees hears nothing: a browser has six connections to a server. */
export class Feed {
  #known: Known = {
    link: { kind: "connecting" },
    version: "",
    status: null,
    points: [],
    lines: [],
    errors: [],
  };
  #source: EventSource | null = null;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #listener: (known: Known) => void = () => {};

  /** What is known now. */
  get known(): Known {
    return this.#known;
  }

  /** Begins to hear, and tells what it hears. */
  start(listener: (known: Known) => void): void {
    this.#listener = listener;
    document.addEventListener("visibilitychange", () => this.#onVisibility());
    this.#onVisibility();
  }

  #onVisibility(): void {
    if (document.hidden) this.#close();
    else if (this.#source === null) this.#open();
  }

  #close(): void {
    clearTimeout(this.#retry);
    this.#source?.close();
    this.#source = null;
  }

  #open(): void {
    this.#close();
    const source = this.#source = new EventSource("/events");
    const on = (name: string, take: (data: string) => void) =>
      source.addEventListener(name, ({ data }: MessageEvent<string>) => take(data));
    on("history", (data) => {
      const { version, points, lines, errors } = JSON.parse(data) as History;
      // The last one comes with the status that follows.
      this.#set({ version, points: points.slice(0, -1), lines: lines.toReversed(), errors });
    });
    on("status", (data) => {
      const status = JSON.parse(data) as Status;
      const isOther = this.#known.status !== null && this.#known.status.graph !== status.graph;
      const points = isOther ? [] : this.#known.points.slice(-(MOST_POINTS - 1));
      this.#set({ link: { kind: "live" }, status, points: [...points, status.point] });
    });
    on("news", (data) => {
      const { lines, errors } = JSON.parse(data) as News;
      const all = [...lines.toReversed(), ...this.#known.lines].slice(0, MOST_LINES);
      this.#set({ lines: all, errors });
    });
    on("end", () => {
      this.#set({ link: { kind: "ended" } });
      this.#tryLater();
    });
    source.addEventListener("error", () => {
      void this.#onLost();
    });
  }

  async #onLost(): Promise<void> {
    this.#tryLater();
    const { link } = this.#known;
    if (link.kind === "live" || link.kind === "connecting") {
      this.#set({ link: { kind: "lost", since: Date.now() } });
    }
    // An EventSource does not tell that it was refused.
    const answer = await fetch("/graph").catch(() => null);
    if (answer?.status === 401) location.reload();
  }

  #tryLater(): void {
    this.#close();
    this.#retry = setTimeout(() => this.#open(), RETRY_MS);
  }

  #set(change: Partial<Known>): void {
    this.#known = { ...this.#known, ...change };
    this.#listener(this.#known);
  }
}
