/**
 * How a member decides: a machine without a clock, timers or a connection. The driver
 * (`driver.ts`) does what it says and reports back.
 *
 * @module
 */
import type { Holding } from "./holding.ts";
import type { Pace } from "./pace.ts";
import type { Tasks } from "../../../core/task_id.ts";

/** What a member does next. Times are milliseconds on the driver's clock. */
export type Step<Q> =
  /** Sends a request, and waits for the answer until then at most. */
  | { readonly kind: "send"; readonly request: Q; readonly until: number }
  /** Does nothing until then, unless something happens. */
  | { readonly kind: "wait"; readonly until: number }
  /** Nothing is left to do. */
  | { readonly kind: "over" };

/** What the machines of both protocols have in common. `Q` are its requests, `A` the answers. */
export interface Machine<Q, A> {
  readonly holding: Holding;

  /** What to do now. Called after each event, and once the wait is over. */
  decide(now: number): Step<Q>;

  /** The group has answered a request. */
  answered(request: Q, answer: A, sentAt: number, now: number): void;

  /**
   * A request has no answer: the group may have done what it asked, or not.
   *
   * @param fatal Why another attempt is useless; `null` if it is not.
   */
  unanswered(request: Q, fatal: Error | null, now: number): void;

  /** The member has given up tasks. */
  acknowledged(released: boolean, now: number): void;

  /** Which of its standbys have caught up. */
  caughtUp(standbys: Tasks, now: number): void;

  /** Whether it has given up tasks that the group does not know to be free yet. */
  readonly isReleasing: boolean;

  /** How a commit identifies the member now; `null` while it has to wait. */
  token(): { memberId: string; epoch: number; instanceId: string | null } | null;

  /** How many commits use a token. */
  leases: number;

  /** The member wants to leave. */
  leave(): void;

  /** Another process with its id has gone without leaving, and this one leaves for it. */
  dismiss(): void;

  /** The member wants to end the group, and leaves then. */
  shutDown(now: number): void;

  /** How often it asks. */
  readonly pace: Pace;

  /** The newest epoch or generation of the group that it has heard of. */
  readonly heard: number;

  /** Another member of the process has heard of an epoch. If it is news, this one asks at once. */
  hurry(heard: number, now: number): void;
}

/** How long a member waits before it repeats a request, in milliseconds. */
export const RETRY_MS = 100;

/** Why a member that hears nothing drops its tasks. */
export function silentFor(ms: number): string {
  return `the group has not answered for ${ms / 1000} s, and may have given the tasks away`;
}
