/**
 * The constants of the queries, and their results. Nexmark's paper has windows of hours and
 * minutes. Unless noted otherwise, they are as in Beam's and Flink's suites here, which both have
 * 10,000 events a second.
 */
import type { Bid } from "./model.ts";

/** Query 1: what a dollar is worth in euros. */
export const EUROS = 0.908;

/** Query 2: one auction in this many is selected. */
export const SELECTED = 123;

/** Query 3: where sellers live, and what they sell. */
export const LOCAL_STATES: readonly string[] = ["OR", "ID", "CA"];
export const LOCAL_CATEGORY = 10;

/** Query 5: 10 s every 2 s, as in Flink's (in Beam's every 5 s). */
export const HOT_LENGTH = 10_000;
export const HOT_PERIOD = 2_000;

/** Query 7. */
export const HIGHEST_LENGTH = 10_000;

/** Query 8. */
export const NEW_LENGTH = 10_000;

/**
 * Query 11: not 10 s as elsewhere. People never pause that long in the 5 s that they exist. A pause
 * of 1 s is one in ten that they make.
 */
export const SESSION_GAP = 1_000;

export type Q1Result = Omit<Bid, "kind">;
export type Q2Result = Pick<Bid, "auction" | "price">;

/** A seller and their auction. */
export interface Q3Result {
  readonly name: string;
  readonly city: string;
  readonly state: string;
  readonly auction: number;
}

/** An auction with the most bids in a window; several may have the same number. */
export interface Q5Result {
  readonly openAt: number;
  readonly auction: number;
  readonly bids: number;
}

/** A bid of the highest price in its window; several may have the same price. */
export type Q7Result = Omit<Bid, "kind">;

/** A person who came and sold in the same window. */
export interface Q8Result {
  readonly openAt: number;
  readonly id: number;
  readonly name: string;
}

/** How often a person bid in a session. */
export interface Q11Result {
  readonly bidder: number;
  readonly openAt: number;
  readonly closeAt: number;
  readonly bids: number;
}
