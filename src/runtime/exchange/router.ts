/**
 * The sending side of an exchange: which worker each item goes to.
 *
 * @module
 */
import type { WorkerIndex } from "../../core/ids.ts";
import { keyGroupOf, ownersOf } from "../../core/key_groups.ts";
import { BatchEncoder } from "../../core/value_codec.ts";
import { chainChecks, isKeyed } from "../../graph/chain_checks.ts";
import type { ExchangeNode } from "../../graph/nodes.ts";
import { type Channel, isBatch, type Message, type Outgoing } from "../channel.ts";
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

/** Makes an error of the step that the items go to. */
export type FailItem = (item: unknown, thrown: unknown) => Error;

/**
 * Deals items out over the workers.
 *
 * It has the room of the target that has least: all that comes may be for that one.
 */
export class Router implements Outgoing {
  readonly #targets: RouterTargets;
  readonly #fail: FailItem;
  readonly #deal: (batch: readonly unknown[]) => unknown[][];
  readonly #encoder = new BatchEncoder();
  readonly #longest: number;

  /** `longest`: the most bytes that an item may have, for tests. */
  constructor(
    route: ExchangeNode["route"],
    targets: RouterTargets,
    fail: FailItem,
    longest: number = LONGEST_ITEM,
  ) {
    this.#longest = longest;
    const { remote } = targets;
    this.#targets = targets;
    this.#fail = fail;
    this.#deal = route === "key" ? dealByKey(remote.length, fail) : dealEvenly(remote.length);
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
      else this.#send(remote[worker]!, items);
    });
  }

  #send(sender: RemoteSender, items: readonly unknown[]): void {
    const encoder = this.#encoder;
    let before = 0;
    for (const item of items) {
      try {
        encoder.write(item);
      } catch (thrown) {
        throw this.#fail(item, thrown);
      }
      const { bytes } = encoder;
      if (bytes - before > this.#longest) {
        throw this.#fail(item, tooLarge(bytes - before, this.#longest));
      }
      before = bytes;
      if (bytes < BATCH_BYTES) continue;
      before = 0;
      sender.batch(encoder.count, encoder.take());
    }
    if (encoder.count > 0) sender.batch(encoder.count, encoder.take());
  }
}

function tooLarge(bytes: number, longest: number): Error {
  return new RangeError(
    `the item takes ${Math.ceil(bytes / 2 ** 20)} MiB, and no more than ` +
      `${
        Math.floor(longest / 2 ** 20)
      } MiB can be sent to another worker: make items smaller before ` +
      `this step`,
  );
}

/** Each item to the owner of its key. */
function dealByKey(
  workers: number,
  fail: FailItem,
): (batch: readonly unknown[]) => unknown[][] {
  const owners = ownersOf(workers);
  return (batch) => {
    const shares: unknown[][] = Array.from({ length: workers }, () => []);
    for (const pair of batch) {
      if (!isKeyed(pair)) throw fail(pair, chainChecks.notKeyed("a stateful step", pair));
      shares[owners[keyGroupOf(pair[0])]].push(pair);
    }
    return shares;
  };
}

/** Each batch in equal shares, the larger ones to each worker in turn. */
function dealEvenly(workers: number): (batch: readonly unknown[]) => unknown[][] {
  let first = 0;
  return (batch) => {
    const shares: unknown[][] = Array.from({ length: workers }, () => []);
    for (let turn = 0, from = 0; turn < workers; turn++) {
      const to = Math.ceil(batch.length * (turn + 1) / workers);
      shares[(first + turn) % workers] = batch.slice(from, to);
      from = to;
    }
    first = (first + batch.length) % workers;
    return shares;
  };
}
