/**
 * Query 5, hot items: which auctions have had the most bids lately?
 *
 * The auctions of a key are compared with each other first, so few results change workers. All keys
 * share the watermark of the step, so an auction without bids holds nothing up.
 */
import { Dataflow, EventClockConfig, SlidingWindowConfig, TumblingWindowConfig } from "millrace";
import { isBid } from "./model.ts";
import { HOT_LENGTH, HOT_PERIOD, type Q5Result } from "./queries.ts";
import { events, noneLate, results, SHARDS, WAIT } from "./stream.ts";

/** The most bids that an auction of some had in a window, and the auctions that had as many. */
interface Hottest {
  openAt: number;
  bids: number;
  auctions: number[];
}

function hottest(openAt: number, counts: ReadonlyMap<number, number>): Hottest {
  const best: Hottest = { openAt, bids: 0, auctions: [] };
  for (const [auction, bids] of counts) {
    if (bids > best.bids) {
      best.bids = bids;
      best.auctions = [auction];
    } else if (bids === best.bids) {
      best.auctions.push(auction);
    }
  }
  return best;
}

function hotter(a: Hottest, b: Hottest): Hottest {
  if (a.bids !== b.bids) return a.bids > b.bids ? a : b;
  return { ...a, auctions: [...a.auctions, ...b.auctions] };
}

const counts = new Dataflow("nexmark-5")
  .input("events", events())
  .filter(isBid)
  .map(({ auction, dateTime }) => [String(auction % SHARDS), { auction, dateTime }])
  .foldWindow(
    "bids",
    new EventClockConfig({ getTime: ({ dateTime }) => dateTime, wait: WAIT, watermark: "step" }),
    new SlidingWindowConfig({ length: HOT_LENGTH, offset: HOT_PERIOD }),
    () => new Map<number, number>(),
    (counts, { auction }) => counts.set(auction, (counts.get(auction) ?? 0) + 1),
  );
counts.late.capture(noneLate());

// One window of the first step is one of these.
const all = counts.windows
  .map(([, [{ openAt }, counts]]) => ["all", hottest(openAt.getTime(), counts)])
  .reduceWindow(
    "hottest",
    new EventClockConfig({ getTime: ({ openAt }) => openAt, wait: 0, watermark: "step" }),
    new TumblingWindowConfig({ length: HOT_PERIOD }),
    hotter,
  );
all.late.capture(noneLate());

export default all
  .flatMap(([, { openAt, bids, auctions }]) =>
    auctions.map((auction): Q5Result => ({ openAt, auction, bids }))
  )
  .capture(results());
