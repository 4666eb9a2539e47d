/**
 * The queries by definition, on the list of all events, sorted by time: each a function that gives the
 * results that the flow must have, in whatever order.
 */
import {
  type Auction,
  type Bid,
  type Event,
  isAuction,
  isBid,
  isPerson,
  type Person,
} from "./model.ts";
import { EUROS } from "./q1.ts";
import { SELECTED } from "./q2.ts";

/** A query's results. */
export type Batch = (events: readonly Event[]) => unknown[];

/** The queries by the number that Nexmark gives them. */
export const BATCHES: Readonly<Record<number, Batch>> = {
  1: (events) =>
    events.filter(isBid).map(({ auction, bidder, price, dateTime, extra }) => ({
      auction,
      bidder,
      price: price * EUROS,
      dateTime,
      extra,
    })),

  2: (events) =>
    events.filter(isBid).filter(({ auction }) => auction % SELECTED === 0)
      .map(({ auction, price }) => ({ auction, price })),
};
