/** Query 11, user sessions: how often did a person bid before they paused? */
import { Dataflow, EventClockConfig, SessionWindowConfig } from "millrace";
import { isBid } from "./model.ts";
import { type Q11Result, SESSION_GAP } from "./queries.ts";
import { events, noneLate, results, WAIT } from "./stream.ts";

const sessions = new Dataflow("nexmark-11")
  .input("events", events())
  .filter(isBid)
  .map(({ bidder, dateTime }) => [String(bidder), dateTime])
  .countWindow(
    "sessions",
    new EventClockConfig({ getTime: (dateTime) => dateTime, wait: WAIT, watermark: "step" }),
    new SessionWindowConfig({ gap: SESSION_GAP }),
  );
sessions.late.capture(noneLate());

export default sessions.windows
  .map(([bidder, [{ openAt, closeAt }, bids]]): Q11Result => ({
    bidder: Number(bidder),
    openAt: openAt.getTime(),
    closeAt: closeAt.getTime(),
    bids,
  }))
  .capture(results());
