/**
 * The ends of a flow's exchanges on one worker.
 *
 * There are two kinds: channels to other workers (`mesh_ends.ts`), and a log that tasks of a group
 * share (`../group/log_ends.ts`).
 *
 * @module
 */
import type { ExchangeNode } from "../../graph/nodes.ts";
import type { Incoming, Outgoing } from "../channel.ts";
import type { FailItem } from "./dealing.ts";

/** The ends of all exchanges, which have numbers. Each end is asked for once. */
export interface ExchangeEnds {
  /** Returns where a stage sends that feeds an exchange. `fail` makes errors of its items. */
  outgoing(exchange: number, route: ExchangeNode["route"], fail: FailItem): Outgoing;
  /** Returns where the stage of an exchange receives. */
  incoming(exchange: number): readonly Incoming[];
}
