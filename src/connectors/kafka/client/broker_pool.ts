/**
 * The brokers of a cluster: those in the config, and those that the brokers name.
 *
 * @module
 */
import type { Log } from "../../../core/log.ts";
import { BrokerLink } from "./broker_link.ts";
import type { KafkaBroker, OnThrottled } from "./kafkajs.ts";
import type { MetadataBroker } from "../wire/metadata.ts";
import type { Brokers } from "../properties/options.ts";
import type { ConnectionSettings } from "../properties/connection_settings.ts";
import { firstOf } from "./concurrency.ts";

/** How long to wait for one broker before another is asked too, in milliseconds. */
const STAGGER_MS = 500;

/** The known metadata of the cluster has no broker with this number. */
export class UnknownBrokerError extends Error {
  override readonly name = "UnknownBrokerError";
}

/** Links to brokers, by their addresses. */
export class BrokerPool {
  readonly #bootstrap: Brokers;
  readonly #settings: ConnectionSettings;
  readonly #log: Log;
  readonly #onThrottled: OnThrottled;
  readonly #onConnected: (address: string) => void;
  readonly #choose: (errors: readonly unknown[]) => unknown;
  readonly #links = new Map<string, BrokerLink>();
  readonly #closing = new Set<Promise<void>>();
  #addresses: ReadonlyMap<number, string> = new Map(); // by the broker's number
  #answered: string | null = null; // the address of the broker that answered last
  #rotations = 0;
  #isClosed = false;

  /**
   * Connects to nothing yet.
   *
   * @param on.choose Picks the error to throw if no broker succeeds.
   * @param on.onConnected Called when a connection to a broker has been made.
   */
  constructor(
    bootstrap: Brokers,
    settings: ConnectionSettings,
    { log, choose, onThrottled, onConnected = () => {} }: {
      readonly log: Log;
      readonly onThrottled: OnThrottled;
      readonly onConnected?: (address: string) => void;
      readonly choose: (errors: readonly unknown[]) => unknown;
    },
  ) {
    this.#bootstrap = bootstrap;
    this.#settings = settings;
    this.#log = log;
    this.#onThrottled = onThrottled;
    this.#onConnected = onConnected;
    this.#choose = choose;
  }

  /**
   * Asks any broker. If it does not answer soon, others are asked too.
   *
   * @throws The most helpful of the errors, if none answers.
   */
  async ask<R>(request: (broker: KafkaBroker) => Promise<R>): Promise<R> {
    return await firstOf(this.#candidates(), async (address) => {
      const link = this.#link(address);
      try {
        const answer = await request(await link.broker());
        this.#answered = address;
        return answer;
      } catch (error) {
        this.#discard(address, link);
        throw error;
      }
    }, { staggerMs: STAGGER_MS, choose: this.#choose });
  }

  /** A connected broker: the one that answered last, if its connection still exists. */
  async any(): Promise<KafkaBroker> {
    const link = this.#answered === null ? undefined : this.#links.get(this.#answered);
    if (link?.isConnected) return await link.broker();
    return await this.ask((broker) => Promise.resolve(broker));
  }

  /**
   * A broker by its number, connected.
   *
   * @throws {UnknownBrokerError} If no broker has named it.
   */
  async node(nodeId: number): Promise<KafkaBroker> {
    const address = this.#addresses.get(nodeId);
    if (address === undefined) {
      throw new UnknownBrokerError(`the brokers do not tell where broker ${nodeId} is`);
    }
    const link = this.#link(address);
    try {
      return await link.broker();
    } catch (error) {
      this.#discard(address, link);
      throw error;
    }
  }

  /** Stores the addresses of brokers. Closes links to addresses that no broker has any more. */
  learn(brokers: readonly MetadataBroker[]): void {
    this.#addresses = new Map(brokers.map(({ nodeId, host, port }) => [nodeId, `${host}:${port}`]));
    const known = new Set([...this.#addresses.values(), ...this.#bootstrap]);
    for (const [address, link] of this.#links) {
      if (!known.has(address)) this.#discard(address, link);
    }
  }

  /** The addresses that accepted a connection, and have not answered yet. */
  get unanswered(): string[] {
    return [...this.#links].flatMap(([address, link]) => link.isUnanswered ? [address] : []);
  }

  /** The addresses with a connection. */
  get connected(): string[] {
    return [...this.#links].flatMap(([address, link]) => link.isConnected ? [address] : []);
  }

  /** Ends the connection to one broker. The next request makes a new one. */
  dropNode(nodeId: number): void {
    const address = this.#addresses.get(nodeId);
    const link = address === undefined ? undefined : this.#links.get(address);
    if (link !== undefined) this.#discard(address!, link);
  }

  /** Ends all connections. The next request makes new ones. */
  drop(): void {
    for (const [address, link] of this.#links) this.#discard(address, link);
  }

  /** Ends all connections, and waits until they are closed. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.drop();
    await Promise.all(this.#closing);
  }

  /**
   * Connected ones first. Then those that brokers named and those in the config, from a different
   * start each time.
   */
  #candidates(): string[] {
    const isReady = (address: string) => this.#links.get(address)?.isConnected ? 0 : 1;
    const told = [...this.#addresses.values()];
    const rotated = (all: readonly string[], by: number) => {
      const first = all.length === 0 ? 0 : by % all.length;
      return [...all.slice(first), ...all.slice(0, first)];
    };
    const by = this.#rotations++;
    const all = new Set([...rotated(told, by), ...rotated(this.#bootstrap, by)]);
    return [...all].sort((a, b) => isReady(a) - isReady(b));
  }

  #link(address: string): BrokerLink {
    const known = this.#links.get(address);
    if (known !== undefined) return known;
    if (this.#isClosed) throw new Error("the connection has been closed");
    const colon = address.lastIndexOf(":"); // a host may be an IPv6 address
    const at = { host: address.slice(0, colon), port: Number(address.slice(colon + 1)) };
    const link = new BrokerLink(at, this.#settings, {
      log: this.#log,
      onThrottled: this.#onThrottled,
      onConnected: () => this.#onConnected(address),
    });
    this.#links.set(address, link);
    return link;
  }

  #discard(address: string, link: BrokerLink): void {
    if (this.#links.get(address) === link) this.#links.delete(address);
    const closing = link.close();
    this.#closing.add(closing);
    void closing.then(() => this.#closing.delete(closing));
  }
}
