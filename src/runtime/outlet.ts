/**
 * The sending side of a stage: its fused loop and the channels that it fills.
 *
 * @module
 */
import type { Epoch } from "../core/ids.ts";
import type { Chain } from "./chain.ts";
import type { Activity } from "./activity/activity.ts";
import { OutletActivity } from "./activity/outlet_activity.ts";
import type { EpochEnd, Outgoing } from "./channel.ts";
import type { TimeControl } from "./time/controls.ts";
import { Expansion } from "./expansion.ts";
import type { Pace } from "./pace.ts";

/** What {@linkcode Outlet.pump} found. */
export type OutletState =
  /** Nothing is left over and there is room: the stage may produce. */
  | "ready"
  /** It worked on what was left over; ask again. */
  | "worked"
  /** A channel is full. */
  | "blocked";

/** Runs batches through a stage's loop and into its channels, as far as those have room. */
export class Outlet {
  readonly #chain: Chain | null;
  readonly #channels: readonly Outgoing[];
  readonly #outs: unknown[][];
  readonly #onEmit: (items: number) => void;
  readonly #onSnapshot: (epoch: Epoch) => void;
  readonly #pace: Pace;
  #batch: readonly unknown[] = [];
  #from = 0;
  #epoch: Epoch = 0;
  #isBlocked = false;
  readonly #expansion = new Expansion(); // in the loop
  readonly #activity = new OutletActivity();

  /**
   * @param chain The stage's loop; `null` where batches pass as they are.
   * @param channels One for each port.
   * @param pace How much to do at once.
   * @param on `emit` is called with the number of items of each batch, `snapshot` when all items of
   * an epoch are through.
   */
  constructor(
    chain: Chain | null,
    channels: readonly Outgoing[],
    pace: Pace,
    on: { emit: (items: number) => void; snapshot: (epoch: Epoch) => void },
  ) {
    this.#chain = chain;
    this.#channels = channels;
    this.#outs = channels.map(() => []);
    this.#pace = pace;
    this.#onEmit = on.emit;
    this.#onSnapshot = on.snapshot;
  }

  /**
   * How many items to send at once now. There is room for what becomes of them, and the pace allows
   * them. All that are sent belong to the epoch, so its end waits for what becomes of them.
   */
  get room(): number {
    return Math.min(this.#pace.items, this.#expansion.itemsFor(this.#roomForOuts()));
  }

  #roomForOuts(): number {
    let room = Infinity;
    for (const channel of this.#channels) room = Math.min(room, channel.room);
    return room;
  }

  /** Items of the stage's last batch that its loop has not gone through. */
  get left(): number {
    return this.#batch.length - this.#from;
  }

  /** Whether a channel was full when the outlet was asked last. */
  get isBlocked(): boolean {
    return this.#isBlocked;
  }

  /** Works on what is left over, if there is room, and says where things stand. */
  pump(): OutletState {
    this.#isBlocked = false;
    for (const channel of this.#channels) {
      if (channel.room > 0) continue;
      this.#isBlocked = true;
      // Told or not, those downstream look at it before the worker sleeps.
      return this.#tell(this.#activity.onFull()) ? "worked" : "blocked";
    }
    if (this.#tell(this.#activity.onRoom())) return "worked";
    if (this.#from >= this.#batch.length) return "ready";
    this.takesLong();
    this.#advance();
    return "worked";
  }

  /** A batch is not done in one piece of work. */
  takesLong(): void {
    this.#tell(this.#activity.onLongWork());
  }

  /** The stage takes `items` now, and had room for `room`. */
  takes(items: number, room: number): void {
    this.#tell(this.#activity.onTaken(items, room));
  }

  /**
   * Sends a batch. Only when ready.
   *
   * @param through How many items the stage has gone through for it. Many of them may yield
   * nothing, and yet a stage that filled its room with them may want more.
   */
  emit(batch: readonly unknown[], epoch: Epoch, through: number = batch.length): void {
    if (batch.length === 0) {
      for (const channel of this.#channels) channel.offered(through);
      return;
    }
    this.#activity.onBatch();
    this.#onEmit(batch.length);
    if (this.#chain === null) {
      this.#pace.works(batch.length);
      this.#channels[0].offered(Math.max(batch.length, through));
      this.#channels[0].push(batch);
      return;
    }
    this.#batch = batch;
    this.#from = 0;
    this.#epoch = epoch;
    this.#advance(through);
  }

  /** Sends a control message, which ends an epoch, after all its data. Only when ready. */
  control(message: EpochEnd, epoch: Epoch): void {
    this.#onSnapshot(epoch);
    for (const channel of this.#channels) channel.push(message);
  }

  /** Sends whether there is anything to read. */
  activity(message: Activity): void {
    this.#activity.onActivity(message);
    this.#tell(message);
  }

  /** Sends where the next items come from, or what has passed. Only when ready. */
  time(message: TimeControl): void {
    for (const channel of this.#channels) channel.push(message);
  }

  /** Returns whether there was anything to tell. */
  #tell(message: Activity | null): boolean {
    if (message === null) return false;
    for (const channel of this.#channels) channel.push(message);
    return true;
  }

  #advance(through = 0): void {
    const from = this.#from;
    const room = Math.min(this.#pace.items, this.#roomForOuts());
    const to = Math.min(this.#batch.length, from + Math.max(1, room));
    this.#from = this.#chain!(this.#batch, from, to, this.#epoch, this.#outs, room);
    const worked = this.#from - from;
    if (this.#from >= this.#batch.length) {
      this.#batch = [];
      this.#from = 0;
    }
    // Channels count what comes for them, of as many items as there was room for.
    const offered = Math.ceil(Math.max(worked, through) * this.#expansion.each);
    let outs = worked;
    for (let port = 0; port < this.#channels.length; port++) {
      const items = this.#outs[port];
      if (items.length > outs) outs = items.length;
      this.#channels[port].offered(offered);
      if (items.length > 0) this.#channels[port].push(items);
    }
    // The loop pauses at as many of either. If only what it takes counted, one that makes many of
    // each would never be allowed more than a few.
    this.#pace.works(outs);
    this.#expansion.became(worked, outs);
  }
}
