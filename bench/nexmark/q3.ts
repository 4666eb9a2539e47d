/** Query 3, local item suggestion: who sells in some states things of a category, and in which auctions? */
import { Dataflow, type Keyed } from "millrace";
import { isAuction, isPerson, type Person } from "./model.ts";
import { LOCAL_CATEGORY, LOCAL_STATES, type Q3Result } from "./queries.ts";
import { events, results } from "./stream.ts";

type Seller = Pick<Person, "name" | "city" | "state">;

/** What is known of a seller: who it is, or, before they come, their auctions. */
interface Known {
  seller: Seller | null;
  waiting: number[];
}

const all = new Dataflow("nexmark-3").input("events", events());

const sellers = all
  .filter(isPerson)
  .filter(({ state }) => LOCAL_STATES.includes(state))
  .map(({ id, name, city, state }): Keyed<Seller | number> => [String(id), { name, city, state }]);

const auctions = all
  .filter(isAuction)
  .filter(({ category }) => category === LOCAL_CATEGORY)
  .map(({ id, seller }): Keyed<Seller | number> => [String(seller), id]);

function row({ name, city, state }: Seller, auction: number): Q3Result {
  return { name, city, state, auction };
}

export default sellers
  .merge(auctions)
  .statefulFlatMap(
    "join",
    (): Known => ({ seller: null, waiting: [] }),
    (known, value): [Known, Q3Result[]] => {
      if (typeof value === "number") {
        if (known.seller !== null) return [known, [row(known.seller, value)]];
        known.waiting.push(value);
        return [known, []];
      }
      const rows = known.waiting.map((auction) => row(value, auction));
      return [{ seller: value, waiting: [] }, rows];
    },
  )
  .map(([, result]) => result)
  .capture(results());
