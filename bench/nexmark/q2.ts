/** Query 2, selection: what has been bid in some auctions? */
import { Dataflow } from "millrace";
import { isBid } from "./model.ts";
import { type Q2Result, SELECTED } from "./queries.ts";
import { events, results } from "./stream.ts";

export default new Dataflow("nexmark-2")
  .input("events", events())
  .filter(isBid)
  .filter((bid) => bid.auction % SELECTED === 0)
  .map(({ auction, price }): Q2Result => ({ auction, price }))
  .capture(results());
