/**
 * The members of one process, over links to the group's coordinator.
 *
 * @module
 */
import { type Clock, systemClock } from "../../../core/clock.ts";
import { MemberDriver } from "./driver.ts";
import type { Machine } from "./machine.ts";
import type { Member, MemberOptions, Membership } from "../../../group/membership.ts";

/** Carries requests to a group's coordinator. `Q` are the requests, `A` the answers. */
export interface GroupLink<Q, A> {
  /** Sends a request. Rejects if there is no answer. */
  send(request: Q): Promise<A>;
  /** A request got no answer in time: the next one goes over a new connection. */
  drop(): void;
  /** Whether another attempt is useless after this error. */
  isFatal(error: unknown): boolean;
  close(): Promise<void>;
}

/** How the members of a protocol work. */
export interface MembersOptions<Q, A> {
  /** After this time without an answer, the group gives a member's tasks away. */
  readonly sessionTimeoutMs: number;
  readonly machineFor: (member: MemberOptions) => Machine<Q, A>;
  /** The link of a new member. Several may share one. */
  readonly linkFor: (member: MemberOptions) => GroupLink<Q, A>;
  /** Whether each member has a link of its own, which is closed when the member is out. */
  readonly ownLinks?: boolean;
  readonly clock?: Clock;
  /** Closes what members have in common. */
  readonly close?: () => Promise<void>;
}

/** A {@linkcode Membership} of any protocol. */
export class Members<Q, A> implements Membership {
  readonly #options: MembersOptions<Q, A>;
  readonly #links = new Set<GroupLink<Q, A>>();
  readonly #closing = new Set<Promise<void>>();
  /** Those that are not out. The first one is the scout. */
  readonly #drivers = new Set<MemberDriver<Q, A>>();

  /** Connects to nothing yet. */
  constructor(options: MembersOptions<Q, A>) {
    this.#options = options;
  }

  get sessionTimeoutMs(): number {
    return this.#options.sessionTimeoutMs;
  }

  join(options: MemberOptions): Member {
    return this.#drive(options);
  }

  async dismiss(ids: Iterable<string>): Promise<void> {
    const drivers = Array.from(ids, (id) => this.#drive({ id, onEvent: () => {} }));
    await Promise.all(drivers.map((driver) => driver.dismiss()));
  }

  #drive(options: MemberOptions): MemberDriver<Q, A> {
    const { machineFor, linkFor, ownLinks = false, clock = systemClock } = this.#options;
    const link = linkFor(options);
    this.#links.add(link);
    const driver: MemberDriver<Q, A> = new MemberDriver({
      machine: machineFor(options),
      send: (request) => link.send(request),
      dropConnection: () => link.drop(),
      isFatal: (error) => link.isFatal(error),
      clock,
      onEvent: options.onEvent,
      onHeard: (heard) => this.#heard(heard, driver),
      onOver: () => {
        this.#drivers.delete(driver);
        if (ownLinks) this.#closeLink(link); // a worker may come and go many times
        this.#appoint();
        this.#heard(Infinity, driver); // its tasks go to others
      },
    });
    this.#drivers.add(driver);
    this.#appoint();
    return driver;
  }

  #heard(heard: number, by: MemberDriver<Q, A>): void {
    for (const driver of this.#drivers) if (driver !== by) driver.hurry(heard);
  }

  #closeLink(link: GroupLink<Q, A>): void {
    this.#links.delete(link);
    const closing = link.close().finally(() => this.#closing.delete(closing));
    this.#closing.add(closing);
  }

  #appoint(): void {
    let isScout = true;
    for (const driver of this.#drivers) {
      driver.isScout = isScout;
      isScout = false;
    }
  }

  async close(): Promise<void> {
    await Promise.all(Array.from(this.#drivers, (driver) => driver.stop()));
    await Promise.all([...Array.from(this.#links, (link) => link.close()), ...this.#closing]);
    await this.#options.close?.();
  }
}
