/**
 * Query 7, highest bid: what are the highest bids of each window?
 *
 * First each worker finds those of a share of the bids, so that all take part; then those of all
 * are found.
 */
import { Dataflow, EventClockConfig, TumblingWindowConfig } from "millrace";
import { type Bid, isBid } from "./model.ts";
import { HIGHEST_LENGTH, type Q7Result } from "./queries.ts";
import { events, noneLate, results, SHARDS, WAIT } from "./stream.ts";

/** The highest bids of two lists, in each of which all are as high. */
function highest(a: Bid[], b: Bid[]): Bid[] {
  if (a.length === 0 || b.length === 0) return a.length === 0 ? b : a;
  if (a[0].price !== b[0].price) return a[0].price > b[0].price ? a : b;
  return [...a, ...b];
}

/** The highest bids of a list and one more. */
function withBid(bids: Bid[], bid: Bid): Bid[] {
  if (bids.length > 0 && bids[0].price > bid.price) return bids;
  return bids.length > 0 && bids[0].price === bid.price ? [...bids, bid] : [bid];
}

const getTime = ([{ dateTime }]: Bid[]): number => dateTime;
const windows = new TumblingWindowConfig({ length: HIGHEST_LENGTH });

const shares = new Dataflow("nexmark-7")
  .input("events", events())
  .filter(isBid)
  .map((bid) => [String(bid.dateTime % SHARDS), bid])
  .foldWindow(
    "of-share",
    new EventClockConfig({ getTime: (bid) => bid.dateTime, wait: WAIT, watermark: "step" }),
    windows,
    (): Bid[] => [],
    withBid,
    highest, // so that only the highest bids change workers
  );
shares.late.capture(noneLate());

const all = shares
  .map(([, bids]) => ["all", bids])
  .reduceWindow(
    "of-all",
    new EventClockConfig({ getTime, wait: 0, watermark: "step" }),
    windows,
    highest,
  );
all.late.capture(noneLate());

export default all
  .flatMap(([, bids]) =>
    bids.map(({ auction, bidder, price, dateTime, extra }): Q7Result => ({
      auction,
      bidder,
      price,
      dateTime,
      extra,
    }))
  )
  .capture(results());
