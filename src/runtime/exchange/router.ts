/**
 * The sending side of an exchange: which worker each item goes to.
 *
 * @module
 */
import type { WorkerIndex } from "../../core/ids.ts";
import type { ExchangeNode } from "../../graph/nodes.ts";
import { type Channel, isBatch, type Message, type Outgoing } from "../channel.ts";
import { BatchWriter } from "./batch_writer.ts";
import { type Deal, dealing, type FailItem } from "./dealing.ts";
import { LONGEST_ITEM } from "./frames.ts";
import type { RemoteSender } from "./mesh.ts";

/**
 * A batch of this many bytes is sent, though there is more: a frame must fit into memory a few
 * times.
 */
const BATCH_BYTES = 1 << 20;

/** The ends of an exchange's channels: this worker's own, and those to the others. */
export interface RouterTargets {
  /** For what stays here, and is never encoded. */
  readonly local: Channel;
  readonly localIndex: WorkerIndex;
  /** By worker; nothing at this one's own index. */
  readonly remote: readonly (RemoteSender | undefined)[];
}

/**
 * Deals items out over the workers.
 *
 * It has the room of the target that has least: all that comes may be for that one.
 */
export class Router implements Outgoing {
  readonly #targets: RouterTargets;
  readonly #deal: Deal;
  readonly #writer: BatchWriter;

  /** `longest`: the most bytes that an item may have, for tests. */
  constructor(
    route: ExchangeNode["route"],
    targets: RouterTargets,
    fail: FailItem,
    longest: number = LONGEST_ITEM,
  ) {
    this.#targets = targets;
    this.#deal = dealing(route, targets.remote.length, fail);
    this.#writer = new BatchWriter(
      { longest, batchBytes: BATCH_BYTES, to: "to another worker" },
      fail,
    );
  }

  get room(): number {
    const { local, remote } = this.#targets;
    let { room } = local;
    for (const sender of remote) if (sender !== undefined) room = Math.min(room, sender.room);
    return room;
  }

  offered(items: number): void {
    const { local, remote } = this.#targets;
    local.offered(items);
    for (const sender of remote) sender?.offered(items);
  }

  push(message: Message): void {
    const { local, localIndex, remote } = this.#targets;
    if (!isBatch(message)) {
      local.push(message);
      for (const sender of remote) sender?.control(message);
      return;
    }
    this.#deal(message).forEach((items, worker) => {
      if (items.length === 0) return;
      if (worker === localIndex) local.push(items);
      else this.#writer.write(items, remote[worker]!);
    });
  }
}
