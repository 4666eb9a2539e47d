import type { Epoch } from "../../core/ids.ts";
import type { ExchangeNode, StepNode } from "../../graph/nodes.ts";
import type { TaskId } from "../../core/task_id.ts";
import type { Channel, Incoming, Outgoing } from "../channel.ts";
import type { FailItem } from "../exchange/dealing.ts";
import type { ExchangeEnds } from "../exchange/ends.ts";
import type { StreamPosition } from "./held_records.ts";
import type { SentTime } from "./sent_time.ts";
import type { ShuffleOut } from "./shuffle_out.ts";
import type { ShardReader } from "./shuffle_task.ts";

/** How a task reaches others. */
export interface TaskShuffle {
  /** What it sends. */
  readonly out: ShuffleOut;
  /** Reads what it is sent; `null` if its sub-topology has no shuffle. */
  readonly reader: ShardReader | null;
  /** The offset that the reader begins with; `null` for the beginning. */
  readonly from: bigint | null;
  /** Tasks of which more has been delivered than is before that. */
  readonly resume: ReadonlyMap<TaskId, StreamPosition>;
  /** How many bytes may wait in the shard; absent for the default. */
  readonly mostHeld?: number;
  /** An output of the task is given items of an epoch. */
  readonly onWrite: (epoch: Epoch) => void;
  /** Returns how many tasks run the part of a step. */
  readonly tasksOf: (node: StepNode) => number;
}

/** Exchanges through the log. */
export class LogEnds implements ExchangeEnds {
  /** What comes in, by the number of the exchange. */
  readonly channels = new Map<number, Channel>();
  readonly #out: ShuffleOut;
  readonly #epoch: Epoch;
  readonly #newChannel: () => Channel;
  readonly #timeOf: (exchange: number, fail: FailItem) => SentTime | null;

  /**
   * @param epoch The one that the task starts in.
   * @param timeOf Returns what an exchange tells of event time; `null` for nothing.
   */
  constructor(
    out: ShuffleOut,
    epoch: Epoch,
    newChannel: () => Channel,
    timeOf: (exchange: number, fail: FailItem) => SentTime | null,
  ) {
    this.#out = out;
    this.#epoch = epoch;
    this.#newChannel = newChannel;
    this.#timeOf = timeOf;
  }

  outgoing(exchange: number, route: ExchangeNode["route"], fail: FailItem): Outgoing {
    const time = this.#timeOf(exchange, fail);
    return this.#out.sender(exchange, { route, fail, epoch: this.#epoch, time });
  }

  incoming(exchange: number): readonly Incoming[] {
    const channel = this.#newChannel();
    this.channels.set(exchange, channel);
    return [channel];
  }
}
