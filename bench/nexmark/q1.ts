/** Query 1, currency conversion: what is each bid in euros? */
import { Dataflow } from "millrace";
import { isBid } from "./model.ts";
import { EUROS, type Q1Result } from "./queries.ts";
import { events, results } from "./stream.ts";

export default new Dataflow("nexmark-1")
  .input("events", events())
  .filter(isBid)
  .map(({ auction, bidder, price, dateTime, extra }): Q1Result => ({
    auction,
    bidder,
    price: price * EUROS,
    dateTime,
    extra,
  }))
  .capture(results());
