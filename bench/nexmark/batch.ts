/**
 * The queries by definition, on the list of all events, sorted by time. Each is a function that
 * returns the results that the flow must have, in any order.
 */
import { type Bid, type Event, isAuction, isBid, isPerson } from "./model.ts";
import {
  EUROS,
  HIGHEST_LENGTH,
  HOT_LENGTH,
  HOT_PERIOD,
  LOCAL_CATEGORY,
  LOCAL_STATES,
  NEW_LENGTH,
  type Q11Result,
  type Q1Result,
  type Q2Result,
  type Q3Result,
  type Q5Result,
  type Q7Result,
  type Q8Result,
  SELECTED,
  SESSION_GAP,
} from "./queries.ts";

/** A query's results. */
export type Batch = (events: readonly Event[]) => unknown[];

/** The queries by the number that Nexmark gives them. */
export const BATCHES: ReadonlyMap<string, Batch> = new Map<string, Batch>([
  ["1", q1],
  ["2", q2],
  ["3", q3],
  ["5", q5],
  ["7", q7],
  ["8", q8],
  ["11", q11],
]);

function q1(events: readonly Event[]): Q1Result[] {
  return events.filter(isBid).map(({ kind: _, ...bid }) => ({ ...bid, price: bid.price * EUROS }));
}

function q2(events: readonly Event[]): Q2Result[] {
  return events.filter(isBid).filter(({ auction }) => auction % SELECTED === 0)
    .map(({ auction, price }) => ({ auction, price }));
}

function q3(events: readonly Event[]): Q3Result[] {
  const people = new Map(events.filter(isPerson).map((person) => [person.id, person]));
  return events.filter(isAuction).flatMap(({ id, seller, category }) => {
    const person = people.get(seller);
    if (person === undefined || !LOCAL_STATES.includes(person.state)) return [];
    if (category !== LOCAL_CATEGORY) return [];
    return [{ name: person.name, city: person.city, state: person.state, auction: id }];
  });
}

function q5(events: readonly Event[]): Q5Result[] {
  const windows = new Map<number, Map<number, number>>();
  for (const { auction, dateTime } of events.filter(isBid)) {
    const newest = startOf(dateTime, HOT_PERIOD);
    for (let openAt = newest; openAt + HOT_LENGTH > dateTime; openAt -= HOT_PERIOD) {
      let counts = windows.get(openAt);
      if (counts === undefined) windows.set(openAt, counts = new Map());
      counts.set(auction, (counts.get(auction) ?? 0) + 1);
    }
  }
  return [...windows].flatMap(([openAt, counts]) => {
    const most = [...counts.values()].reduce((a, b) => Math.max(a, b));
    return [...counts].filter(([, bids]) => bids === most)
      .map(([auction, bids]) => ({ openAt, auction, bids }));
  });
}

function q7(events: readonly Event[]): Q7Result[] {
  const bids = events.filter(isBid);
  const windows = Map.groupBy(bids, ({ dateTime }) => startOf(dateTime, HIGHEST_LENGTH));
  return [...windows.values()].flatMap((bids) => {
    const highest = bids.reduce((price, bid) => Math.max(price, bid.price), 0);
    return bids.filter(({ price }) => price === highest).map(({ kind: _, ...bid }) => bid);
  });
}

function q8(events: readonly Event[]): Q8Result[] {
  const sold = new Set(
    events.filter(isAuction).map(({ seller, dateTime }) =>
      `${seller} ${startOf(dateTime, NEW_LENGTH)}`
    ),
  );
  return events.filter(isPerson)
    .map(({ id, name, dateTime }) => ({ openAt: startOf(dateTime, NEW_LENGTH), id, name }))
    .filter(({ id, openAt }) => sold.has(`${id} ${openAt}`));
}

function q11(events: readonly Event[]): Q11Result[] {
  const results: Q11Result[] = [];
  for (const [bidder, bids] of Map.groupBy(events.filter(isBid), ({ bidder }) => bidder)) {
    let session: Bid[] = [];
    const end = () => {
      const openAt = session[0].dateTime;
      const closeAt = session.at(-1)!.dateTime + SESSION_GAP;
      results.push({ bidder, openAt, closeAt, bids: session.length });
    };
    for (const bid of bids) {
      if (session.length > 0 && bid.dateTime >= session.at(-1)!.dateTime + SESSION_GAP) {
        end();
        session = [];
      }
      session.push(bid);
    }
    end();
  }
  return results;
}

/**
 * Returns where the window of this length begins that holds a time; windows are counted from 1970
 * on.
 */
function startOf(time: number, length: number): number {
  return time - time % length;
}
