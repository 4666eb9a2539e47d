/**
 * Which receiver of an exchange gets each item.
 *
 * @module
 */
import { keyGroupOf, ownersOf } from "../../core/key_groups.ts";
import { chainChecks, isKeyed } from "../../graph/chain_checks.ts";
import type { ExchangeNode } from "../../graph/nodes.ts";

/** Makes an error of the step that the items go to. */
export type FailItem = (item: unknown, thrown: unknown) => Error;

/** Returns the items of a batch by receiver. */
export type Deal = (batch: readonly unknown[]) => unknown[][];

/** Returns how an exchange deals items out over a number of receivers. */
export function dealing(route: ExchangeNode["route"], receivers: number, fail: FailItem): Deal {
  return route === "key" ? dealByKey(receivers, fail) : dealEvenly(receivers);
}

/** Each item to the owner of its key. */
function dealByKey(receivers: number, fail: FailItem): Deal {
  const owners = ownersOf(receivers);
  return (batch) => {
    const shares: unknown[][] = Array.from({ length: receivers }, () => []);
    for (const pair of batch) {
      if (!isKeyed(pair)) throw fail(pair, chainChecks.notKeyed("a stateful step", pair));
      shares[owners[keyGroupOf(pair[0])]].push(pair);
    }
    return shares;
  };
}

/** Each batch in equal shares, the larger ones to each receiver in turn. */
function dealEvenly(receivers: number): Deal {
  let first = 0;
  return (batch) => {
    const shares: unknown[][] = Array.from({ length: receivers }, () => []);
    for (let turn = 0, from = 0; turn < receivers; turn++) {
      const to = Math.ceil(batch.length * (turn + 1) / receivers);
      shares[(first + turn) % receivers] = batch.slice(from, to);
      from = to;
    }
    first = (first + batch.length) % receivers;
    return shares;
  };
}
