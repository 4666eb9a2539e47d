/** Query 8, monitor new users: who has come and put something up for auction in the same window? */
import { Dataflow, EventClockConfig, type Keyed, TumblingWindowConfig } from "millrace";
import { isAuction, isPerson } from "./model.ts";
import { NEW_LENGTH, type Q8Result } from "./queries.ts";
import { events, noneLate, results, WAIT } from "./stream.ts";

/** That a person has come, or, without a name, has put something up. */
interface Deed {
  readonly name: string | null;
  readonly dateTime: number;
}

/** What a person has done in a window. */
interface Deeds {
  name: string | null;
  sold: boolean;
}

const all = new Dataflow("nexmark-8").input("events", events({ timely: true }));

const people = all
  .filter(isPerson)
  .map(({ id, name, dateTime }): Keyed<Deed> => [String(id), { name, dateTime }]);

const auctions = all
  .filter(isAuction)
  .map(({ seller, dateTime }): Keyed<Deed> => [String(seller), { name: null, dateTime }]);

const deeds = people.merge(auctions).foldWindow(
  "deeds",
  new EventClockConfig({ getTime: ({ dateTime }) => dateTime, wait: WAIT }),
  new TumblingWindowConfig({ length: NEW_LENGTH }),
  (): Deeds => ({ name: null, sold: false }),
  (deeds, { name }) => {
    if (name === null) deeds.sold = true;
    else deeds.name = name;
    return deeds;
  },
);
deeds.late.capture(noneLate());

export default deeds.windows
  .filterMap(([id, [{ openAt }, { name, sold }]]): Q8Result | null =>
    name === null || !sold ? null : { openAt: openAt.getTime(), id: Number(id), name }
  )
  .capture(results());
