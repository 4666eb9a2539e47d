/**
 * The broker that keeps a transactional id or a consumer group.
 *
 * @module
 */
import { errorKind } from "../client/errors.ts";
import type { KafkaBroker } from "../client/kafkajs.ts";
import type { Coordinated } from "../wire/find_coordinator.ts";

/** Finds brokers. */
export interface Brokers {
  coordinatorId(of: Coordinated): Promise<number>;
  broker(nodeId: number): Promise<KafkaBroker>;
}

/** Asks the coordinator of one transactional id or group. It is found again after an error. */
export class Coordinator {
  readonly #connection: Brokers;
  readonly #of: Coordinated;
  #nodeId: number | null = null;

  /** Asks nothing yet. */
  constructor(connection: Brokers, of: Coordinated) {
    this.#connection = connection;
    this.#of = of;
  }

  /** Finds the coordinator and connects to it. Sends it nothing. */
  async find(): Promise<void> {
    await this.ask(() => Promise.resolve());
  }

  /** Sends a request to the coordinator. */
  async ask<T>(request: (broker: KafkaBroker) => Promise<T>): Promise<T> {
    try {
      this.#nodeId ??= await this.#connection.coordinatorId(this.#of);
      return await request(await this.#connection.broker(this.#nodeId));
    } catch (error) {
      if (errorKind(error) !== "transactionPending") this.#nodeId = null;
      throw error;
    }
  }
}

/** The coordinator of a transactional id. */
export function transactionCoordinator(connection: Brokers, id: string): Coordinator {
  return new Coordinator(connection, { kind: "transaction", id });
}
