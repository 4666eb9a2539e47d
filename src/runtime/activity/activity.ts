/**
 * Whether there is anything to read: how the steps of a flow learn that they may let time go on.
 *
 * Windows of event time close by the time of values. If no more values come, they close by system
 * time, and only then. A backlog that is read slowly, a slow output or a broker that is away must
 * not make anything late. So inputs say when they have nothing to read, and it travels like an
 * epoch's barrier, in the channels and in order with the data:
 *
 * ```text
 *    input ── SourceActivity ──▶ channel ──▶ mapAsync, merge, stateful step ──▶ channel ──▶ …
 *              says idle or       │             RelayedActivity: idle once all its channels
 *              active             │             are idle and it has nothing left itself
 *                                 │                        └──▶ QuietTime: a window step lets
 *              OutletActivity ────┘                             time go on while it is idle
 *              corrects what channels were told while another one is full
 * ```
 *
 * The rules:
 *
 * 1. A channel is active at first. A batch makes it active without a word. `active` is said only
 *    where something is read and nothing of it arrives: it was filtered, or went to other workers.
 * 2. An input is idle if it has nothing to read, as opposed to what is under way or cannot be read
 *    yet. It is active again with the first batch, or 10 ms after it began to read without one.
 * 3. A step with several channels is idle once all of them are. One that has ended counts as idle.
 *    While a channel is held for a barrier, something may wait in it: then the step is active.
 * 4. A step is idle only once all that it has taken is done and sent on, also what it awaits.
 * 5. While one channel of a stage is full, nothing is read for the others either. So they are told
 *    `active`, and `idle` again once there is room.
 * 6. Between workers, `idle` and `active` are frames of the exchange's channel, like barriers.
 * 7. Nothing is said twice: {@linkcode ActivityFilter} keeps it off a channel.
 *
 * A watermark of event time has the same way to go. It travels in order with the data, is merged
 * where channels come together, and goes to all workers at an exchange. Its place is another kind
 * of `Control` (see `channel.ts`).
 *
 * @module
 */
/** Whether the inputs upstream of a channel have anything to read. */
export type Activity = { readonly kind: "idle" } | { readonly kind: "active" };

/** Returns whether a message is one of activity. */
export function isActivity(message: { readonly kind: string }): message is Activity {
  return message.kind === "idle" || message.kind === "active";
}

/** Keeps activity off a channel if it would say nothing new. */
export class ActivityFilter {
  #last: Activity["kind"] = "active";

  /** A batch is sent. */
  onBatch(): void {
    this.#last = "active";
  }

  /** Returns whether the message has to be sent. */
  passes({ kind }: Activity): boolean {
    const isNews = kind !== this.#last;
    this.#last = kind;
    return isNews;
  }
}
