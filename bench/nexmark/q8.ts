/** Query 8, monitor new users: who has come and put something up for auction in the same window? */
import { Dataflow, EventClockConfig, TumblingWindowConfig } from "millrace";
import { isAuction, isPerson } from "./model.ts";
import { NEW_LENGTH, type Q8Result } from "./queries.ts";
import { events, noneLate, results, WAIT } from "./stream.ts";

const all = new Dataflow("nexmark-8").input("events", events());

const people = all
  .filter(isPerson)
  .map(({ id, name, dateTime }) => [String(id), { name, dateTime }]);

const auctions = all
  .filter(isAuction)
  .map(({ seller, dateTime }) => [String(seller), { dateTime }]);

const sellers = people.joinWindow(
  "sellers",
  new EventClockConfig({
    getTime: ({ dateTime }: { dateTime: number }) => dateTime,
    wait: WAIT,
    watermark: "step",
  }),
  new TumblingWindowConfig({ length: NEW_LENGTH }),
  auctions,
  { mode: "complete" },
);
sellers.late.capture(noneLate());

export default sellers.windows
  .map(([id, [{ openAt }, [{ name }]]]): Q8Result => ({
    openAt: openAt.getTime(),
    id: Number(id),
    name,
  }))
  .capture(results());
