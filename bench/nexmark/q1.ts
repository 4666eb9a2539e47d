/** Query 1, currency conversion: what is each bid in euros? */
import { Dataflow } from "millrace";
import { type Bid, isBid } from "./model.ts";
import { events, results } from "./stream.ts";

/** What a dollar is worth. */
export const EUROS = 0.908;

export default new Dataflow("nexmark-1")
  .input("events", events())
  .filter(isBid)
  .map(({ auction, bidder, price, dateTime, extra }): Omit<Bid, "kind"> => ({
    auction,
    bidder,
    price: price * EUROS,
    dateTime,
    extra,
  }))
  .capture(results());
