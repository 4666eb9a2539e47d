import type { Activity } from "./activity.ts";

/**
 * What the channels of a stage were told, by what the stage says and by whether they are full. Each
 * method returns what they are to be told, if anything.
 *
 * ```text
 *   the stage says idle:    ─▶ idle ── a batch ──▶ mixed ── more, or a full channel ──▶ active
 *   while a channel is full:   idle ── full ─────▶ held ── room again ──▶ idle
 * ```
 */
export class OutletActivity {
  #state:
    | "active"
    | "idle"
    /** After a batch: channels that it did not reach still have `idle` as their last word. */
    | "mixed"
    /** The stage is idle, and its channels were told `active`, as one of them is full. */
    | "held" = "active";
  /** Whether the last items filled all the room that there was. */
  #filledRoom = false;

  /** There is something to read for the stage, or nothing. */
  onActivity({ kind }: Activity): void {
    this.#state = kind;
    this.#filledRoom = false;
  }

  /** A batch goes out. */
  onBatch(): void {
    if (this.#state === "idle") this.#state = "mixed";
    else if (this.#state === "held") this.#state = "active";
  }

  /**
   * A channel is full. Nothing is read then, so nothing is known to those that have the other
   * channels.
   */
  onFull(): Activity | null {
    if (!this.#isSomeIdle) return null;
    this.#state = this.#state === "idle" ? "held" : "active";
    return { kind: "active" };
  }

  /** All channels have room. */
  onRoom(): Activity | null {
    if (this.#state !== "held") return null;
    const idle = { kind: "idle" } as const;
    this.onActivity(idle);
    return idle;
  }

  /**
   * A batch is not done in one piece of work. It says by itself that there is something to read,
   * but only where it goes, and the others are told.
   */
  onLongWork(): Activity | null {
    if (!this.#isSomeIdle) return null;
    const active = { kind: "active" } as const;
    this.onActivity(active);
    return active;
  }

  /**
   * The stage takes `items`, and had room for `room`. If the last ones filled their room too, there
   * is much to do, although no batch is longer than its room.
   */
  onTaken(items: number, room: number): Activity | null {
    const message = this.#filledRoom ? this.onLongWork() : null;
    this.#filledRoom = items >= room;
    return message;
  }

  get #isSomeIdle(): boolean {
    return this.#state === "idle" || this.#state === "mixed";
  }
}
