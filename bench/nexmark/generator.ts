/**
 * Nexmark's events, by number. Event n depends only on the seed and on n, so each worker makes its
 * share.
 *
 * The benchmark is P. Tucker, K. Tufte, V. Papadimos and D. Maier, "NEXMark – A Benchmark for
 * Queries over Data Streams" (draft of 2002, revised in 2008).
 *
 * Proportions and constants are those of the generator in Apache Beam's Nexmark suite
 * (https://beam.apache.org/documentation/sdks/java/testing/nexmark/), which Flink's
 * (https://github.com/nexmark/nexmark) has taken over. Of 50 events, one is a person, three are
 * auctions, 46 are bids; 10,000 events are a second. The code and the random numbers are our own.
 *
 * @module
 */
import type { Auction, Bid, Event, Person } from "./model.ts";
import { Random } from "./random.ts";

/** When event 0 happened. */
export const BASE_TIME = Date.UTC(2015, 6, 15);
/** How many events happen in a millisecond. */
export const EVENTS_PER_MS = 10;

const CYCLE = 50;
const AUCTIONS = 3; // in a cycle: first comes one person, then these, then bids

const FIRST_ID = 1_000; // of people and of auctions
const FIRST_CATEGORY = 10;
const CATEGORIES = 5;

const AUCTIONS_IN_FLIGHT = 100;
const ACTIVE_PEOPLE = 1_000;
const LEAD = 10; // events name auctions and people up to this many ids before these appear

// For some time, one person in this many sells and bids often, and one auction in this many gets
// many bids.
const HOT_BATCH = 100;
// All choices but one in this many fall on those.
const HOT_AUCTIONS = 2;
const HOT_SELLERS = 4;
const HOT_BIDDERS = 4;

// Characters in the values of an event, about.
const PERSON_SIZE = 200;
const AUCTION_SIZE = 500;
const BID_SIZE = 100;

const STATES = ["AZ", "CA", "ID", "OR", "WA", "WY"];
const CITIES = [
  "Bend",
  "Boise",
  "Casper",
  "Eugene",
  "Fresno",
  "Oakland",
  "Spokane",
  "Tacoma",
  "Yuma",
];
const FIRST_NAMES = [
  "Ada",
  "Alan",
  "Barbara",
  "Edsger",
  "Grace",
  "John",
  "Leslie",
  "Niklaus",
  "Tony",
];
const LAST_NAMES = [
  "Dijkstra",
  "Hoare",
  "Hopper",
  "Lamport",
  "Liskov",
  "Lovelace",
  "Turing",
  "Wirth",
];

const random = new Random();

/**
 * Letters to cut strings from: making each of random letters would take longer than the queries.
 */
const LETTERS = ((): string => {
  random.start(0, 0);
  let letters = "";
  for (let i = 0; i < 4_096; i++) letters += String.fromCharCode(97 + random.below(26));
  return letters;
})();

/** Event n. */
export function eventAt(n: number, seed = 1): Event {
  random.start(seed, n);
  const place = n % CYCLE;
  if (place === 0) return person(n);
  return place <= AUCTIONS ? auction(n) : bid(n);
}

/** Event n's time. */
export function timeOf(n: number): number {
  return BASE_TIME + Math.floor(n / EVENTS_PER_MS);
}

/**
 * Returns the event that comes as the nth, if each `group` of events comes out of order. All of a
 * group comes before the next one. With a group of 500, an event is up to 50 ms older than the
 * newest one before it.
 *
 * @param group 1 for events in order, or a number that 7919 does not divide.
 */
export function shuffled(n: number, group: number): number {
  const start = n - n % group;
  return start + n % group * 7919 % group;
}

function person(n: number): Person {
  const name = `${oneOf(FIRST_NAMES)} ${oneOf(LAST_NAMES)}`;
  return {
    kind: "person",
    id: FIRST_ID + newestPerson(n),
    name,
    emailAddress: `${letters(7)}@${letters(5)}.com`,
    creditCard: `${digits()} ${digits()} ${digits()} ${digits()}`,
    city: oneOf(CITIES),
    state: oneOf(STATES),
    dateTime: timeOf(n),
    extra: filling(PERSON_SIZE - 75),
  };
}

function auction(n: number): Auction {
  const newest = newestPerson(n);
  const isHot = random.below(HOT_SELLERS) > 0;
  const initialBid = price();
  // As long, on average, as it takes until as many auctions as are in flight at a time have
  // followed.
  const length = AUCTIONS_IN_FLIGHT * CYCLE / AUCTIONS / EVENTS_PER_MS;
  return {
    kind: "auction",
    id: FIRST_ID + newestAuction(n),
    itemName: letters(20),
    description: letters(100),
    initialBid,
    reserve: initialBid + price(),
    dateTime: timeOf(n),
    expires: timeOf(n) + 1 + random.below(length * 2),
    seller: FIRST_ID + (isHot ? firstOfBatch(newest) : someone(newest)),
    category: FIRST_CATEGORY + random.below(CATEGORIES),
    extra: filling(AUCTION_SIZE - 168),
  };
}

function bid(n: number): Bid {
  const auction = newestAuction(n);
  const person = newestPerson(n);
  const isHotAuction = random.below(HOT_AUCTIONS) > 0;
  const isHotBidder = random.below(HOT_BIDDERS) > 0;
  const oldest = Math.max(0, auction - AUCTIONS_IN_FLIGHT);
  return {
    kind: "bid",
    auction: FIRST_ID +
      (isHotAuction ? firstOfBatch(auction) : oldest + random.below(auction - oldest + 1 + LEAD)),
    // The second of the batch, as the first one is the hot seller.
    bidder: FIRST_ID + (isHotBidder ? firstOfBatch(person) + 1 : someone(person)),
    price: price(),
    dateTime: timeOf(n),
    extra: filling(BID_SIZE - 32),
  };
}

/** The newest person at event n, counted from 0. */
function newestPerson(n: number): number {
  return Math.floor(n / CYCLE);
}

/** The newest auction at event n, an auction or a bid, counted from 0. */
function newestAuction(n: number): number {
  return Math.floor(n / CYCLE) * AUCTIONS + Math.min(n % CYCLE, AUCTIONS) - 1;
}

function firstOfBatch(index: number): number {
  return index - index % HOT_BATCH;
}

/** One of the people that are active, or of the next ones to come. */
function someone(newest: number): number {
  const active = Math.min(newest + 1, ACTIVE_PEOPLE);
  return newest + 1 - active + random.below(active + LEAD);
}

/** From 1 to a million dollars, in cents: each power of ten as likely as the next. */
function price(): number {
  return Math.round(100 * 10 ** (6 * random.fraction()));
}

function oneOf(choices: readonly string[]): string {
  return choices[random.below(choices.length)];
}

function letters(length: number): string {
  const at = random.below(LETTERS.length - length);
  return LETTERS.slice(at, at + length);
}

/** Letters of about this length: up to a fifth more or less. */
function filling(length: number): string {
  const least = Math.round(length * 0.8);
  return letters(least + random.below(2 * (length - least) + 1));
}

function digits(): string {
  return String(random.below(10_000)).padStart(4, "0");
}
