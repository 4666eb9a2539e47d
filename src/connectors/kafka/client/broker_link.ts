/**
 * The connection to one broker: made within a limit, and closed without waiting for the broker.
 *
 * @module
 */
import type { Socket } from "node:net";
import type { Log } from "../../../core/log.ts";
import { within } from "../../../core/promises.ts";
import { createBroker, type KafkaBroker, type OnThrottled } from "./kafkajs.ts";
import type { ConnectionSettings } from "../properties/connection_settings.ts";
import { refusalOf } from "./security.ts";
import { limited } from "./concurrency.ts";

/** How long closing a socket may take, in milliseconds. It does not wait for the broker. */
const CLOSE_MS = 500;

/** Where a broker listens. */
export interface BrokerAddress {
  readonly host: string;
  readonly port: number;
}

/** Connects when its broker is first asked for, and again once the connection has been lost. */
export class BrokerLink {
  readonly #at: BrokerAddress;
  readonly #settings: ConnectionSettings;
  readonly #log: Log;
  readonly #onThrottled: OnThrottled;
  readonly #onConnected: () => void;
  readonly #sockets = new Set<Socket>();
  readonly #closed = new AbortController();
  #broker: Promise<KafkaBroker> | null = null;
  #connected: KafkaBroker | null = null;
  #connecting: Promise<KafkaBroker> | null = null;
  #socketError: Error | null = null; // the first of an attempt, as KafkaJS may report a later one
  /**
   * Whether the broker has accepted the connection that is being made, and has not answered yet.
   */
  isUnanswered = false;

  /** Connects to nothing yet. */
  constructor(
    at: BrokerAddress,
    settings: ConnectionSettings,
    { log, onThrottled, onConnected = () => {} }: {
      readonly log: Log;
      readonly onThrottled: OnThrottled;
      readonly onConnected?: () => void;
    },
  ) {
    this.#at = at;
    this.#settings = settings;
    this.#log = log;
    this.#onThrottled = onThrottled;
    this.#onConnected = onConnected;
  }

  /** Whether requests can be sent at once. */
  get isConnected(): boolean {
    return this.#connected?.isConnected() ?? false;
  }

  /**
   * The broker, connected.
   *
   * @throws {Error} If it is not in reach in time, it refuses us, or the link has been closed.
   */
  broker(): Promise<KafkaBroker> {
    if (this.isConnected) return Promise.resolve(this.#connected!);
    this.#connecting ??= this.#connect().finally(() => this.#connecting = null);
    return this.#connecting;
  }

  /** Ends the connection at once. Requests that are under way fail. */
  async close(): Promise<void> {
    if (this.#closed.signal.aborted) return;
    this.#closed.abort();
    const closed = Array.from(this.#sockets, (socket) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      socket.once("close", () => resolve());
      // With an error, so that KafkaJS clears its timers and rejects the requests under way.
      socket.destroy(new Error("the connection was closed"));
      return promise;
    });
    try {
      await within(Promise.all(closed), CLOSE_MS);
      // KafkaJS waits for outstanding answers here, if any are still to come.
      const broker = await this.#broker;
      if (broker !== null) await within(broker.disconnect(), CLOSE_MS);
    } catch (error) {
      this.#log.debug(`kafka connection did not close cleanly: ${error}`);
    }
  }

  async #connect(): Promise<KafkaBroker> {
    const ms = this.#settings.connectionTimeoutMs;
    const { signal } = this.#closed;
    this.#socketError = null;
    this.isUnanswered = false;
    try {
      this.#broker ??= createBroker(this.#at, this.#settings, {
        log: this.#log,
        onSocket: (socket) => this.#watch(socket),
        onThrottled: this.#onThrottled,
      });
      const broker = await this.#broker;
      await limited(broker.connect(), { ms, signal, cut: () => this.#cutOff(ms) });
      this.isUnanswered = false;
      this.#onConnected();
      return this.#connected = broker;
    } catch (error) {
      void this.close(); // KafkaJS does not recover from every state
      const first = this.#socketError;
      const isCause = first !== null && refusalOf(error, this.#settings) === null &&
        refusalOf(first, this.#settings) !== null;
      throw isCause ? first : error;
    }
  }

  #watch(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on("connect", () => this.isUnanswered = true);
    socket.on("error", (error) => this.#socketError ??= error);
    socket.on("close", () => this.#sockets.delete(socket));
    if (this.#closed.signal.aborted) {
      queueMicrotask(() => socket.destroy(new Error("the connection was closed")));
    }
  }

  #cutOff(ms: number): Error {
    if (this.#closed.signal.aborted) {
      return new Error("the connection was closed while it was being made");
    }
    const { host, port } = this.#at;
    return new Error(
      `${host}:${port} accepts connections, but did not answer within ${ms / 1000} s`,
    );
  }
}
