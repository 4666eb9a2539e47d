import { type From, isSameFrom, NO_SOURCE, type OriginName, type Tick } from "./controls.ts";

/** What to say before items of a channel that has told of no source yet. */
const FROM_NOBODY: From = { kind: "from", source: NO_SOURCE, origin: "", tick: 0 };

/** What is known of an origin's ticks. */
interface Origin {
  /** By channel: the number of the last tick; infinity if none can come any more. */
  readonly ticks: number[];
  /** The last tick that has gone on. */
  through: number;
  waiting: Tick[];
}

/**
 * Where several channels come together: whose items go on, and when a tick does. A tick of an
 * origin goes on once every channel has brought it that can carry items of the origin.
 */
export class MergedTime {
  readonly #carries: (channel: number, origin: OriginName) => boolean;
  readonly #ended: boolean[];
  readonly #froms: (From | null)[];
  readonly #origins = new Map<OriginName, Origin>();
  #told: From | null = null;

  /**
   * Nothing has come yet.
   *
   * @param channels How many channels there are. Others may come, with higher numbers.
   * @param carries Returns whether a channel can bring items of an origin.
   */
  constructor(channels: number, carries: (channel: number, origin: OriginName) => boolean) {
    this.#carries = carries;
    this.#ended = new Array(channels).fill(false);
    this.#froms = new Array(channels).fill(null);
  }

  /** A channel says where its next items come from. */
  onFrom(channel: number, from: From): void {
    this.#froms[channel] = from;
  }

  /** A batch goes on. Returns what to say before it, if that differs from what was said last. */
  onBatch(channel: number): From | null {
    const told = this.#told;
    // A step that had kept items may send them before anything has come to it.
    const from = this.#froms[channel] ?? (told === null ? null : FROM_NOBODY);
    if (from === null || from === told) return null;
    this.#told = from;
    return told !== null && isSameFrom(told, from) ? null : from;
  }

  /** A channel has brought a tick. Returns those that go on. */
  onTick(channel: number, tick: Tick): Tick[] {
    while (this.#ended.length <= channel) this.#addChannel();
    const origin = this.#originOf(tick.origin);
    if (!origin.waiting.some(({ number }) => number === tick.number)) origin.waiting.push(tick);
    origin.ticks[channel] = tick.number;
    return this.#pass(origin);
  }

  /** A channel has ended. Returns the ticks that waited for it only. */
  onEnd(channel: number): Tick[] {
    this.#ended[channel] = true;
    return [...this.#origins.values()].flatMap((origin) => {
      origin.ticks[channel] = Infinity;
      return this.#pass(origin);
    });
  }

  /** Another task sends from now on, as partitions have been added. */
  #addChannel(): void {
    const channel = this.#ended.push(false) - 1;
    for (const [name, { ticks }] of this.#origins) {
      ticks.push(this.#carries(channel, name) ? 0 : Infinity);
    }
  }

  #originOf(name: OriginName): Origin {
    let origin = this.#origins.get(name);
    if (origin === undefined) {
      const ticks = this.#ended.map((ended, channel) =>
        ended || !this.#carries(channel, name) ? Infinity : 0
      );
      origin = { ticks, through: 0, waiting: [] };
      this.#origins.set(name, origin);
    }
    return origin;
  }

  #pass(origin: Origin): Tick[] {
    origin.through = Math.min(...origin.ticks);
    const due = origin.waiting.filter(({ number }) => number <= origin.through);
    if (due.length === 0) return due;
    origin.waiting = origin.waiting.filter(({ number }) => number > origin.through);
    return due.sort((a, b) => a.number - b.number);
  }
}
