/** Query 2, selection: what has been bid in some auctions? */
import { Dataflow } from "millrace";
import { type Bid, isBid } from "./model.ts";
import { events, results } from "./stream.ts";

/** One auction of so many is looked at. */
export const SELECTED = 123;

export default new Dataflow("nexmark-2")
  .input("events", events())
  .filter(isBid)
  .filter((bid) => bid.auction % SELECTED === 0)
  .map(({ auction, price }): Pick<Bid, "auction" | "price"> => ({ auction, price }))
  .capture(results());
