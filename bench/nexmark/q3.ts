/**
 * Query 3, local item suggestion: who sells things of a category in some states, in which auctions?
 */
import { Dataflow } from "millrace";
import { isAuction, isPerson } from "./model.ts";
import { LOCAL_CATEGORY, LOCAL_STATES, type Q3Result } from "./queries.ts";
import { events, results } from "./stream.ts";

const all = new Dataflow("nexmark-3").input("events", events());

const sellers = all
  .filter(isPerson)
  .filter(({ state }) => LOCAL_STATES.includes(state))
  .map(({ id, name, city, state }) => [String(id), { name, city, state }]);

const auctions = all
  .filter(isAuction)
  .filter(({ category }) => category === LOCAL_CATEGORY)
  .map(({ id, seller }) => [String(seller), id]);

export default sellers
  .join("sellers", auctions, { mode: "product" })
  .map(([, [{ name, city, state }, auction]]): Q3Result => ({ name, city, state, auction }))
  .capture(results());
