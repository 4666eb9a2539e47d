/**
 * The events of Nexmark's auction house: people come, put things up for auction, and bid for them.
 */

/** Somebody who sells or bids, or both. */
export interface Person {
  readonly kind: "person";
  readonly id: number;
  readonly name: string;
  readonly emailAddress: string;
  readonly creditCard: string;
  readonly city: string;
  readonly state: string;
  /** When, in milliseconds since 1970, like all times here. */
  readonly dateTime: number;
  /** Fills the event up to its usual size. */
  readonly extra: string;
}

/** A thing that a person sells. */
export interface Auction {
  readonly kind: "auction";
  readonly id: number;
  readonly itemName: string;
  readonly description: string;
  /** In cents, like all prices here. */
  readonly initialBid: number;
  readonly reserve: number;
  readonly dateTime: number;
  readonly expires: number;
  /** The person who sells it, who may come a little later than the auction. */
  readonly seller: number;
  readonly category: number;
  readonly extra: string;
}

/** What a person would pay in an auction. */
export interface Bid {
  readonly kind: "bid";
  readonly auction: number;
  readonly bidder: number;
  readonly price: number;
  readonly dateTime: number;
  readonly extra: string;
}

export type Event = Person | Auction | Bid;

export const isPerson = (event: Event): event is Person => event.kind === "person";
export const isAuction = (event: Event): event is Auction => event.kind === "auction";
export const isBid = (event: Event): event is Bid => event.kind === "bid";
