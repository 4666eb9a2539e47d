/**
 * The broker that keeps a transactional id.
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

/** Asks the coordinator of one transactional id. It is found again after an error. */
export class Coordinator {
  readonly #connection: Brokers;
  readonly #transactionalId: string;
  #nodeId: number | null = null;

  /** Asks nothing yet. */
  constructor(connection: Brokers, transactionalId: string) {
    this.#connection = connection;
    this.#transactionalId = transactionalId;
  }

  /** Sends a request to the coordinator. */
  async ask<T>(request: (broker: KafkaBroker) => Promise<T>): Promise<T> {
    try {
      this.#nodeId ??= await this.#connection.coordinatorId({
        kind: "transaction",
        id: this.#transactionalId,
      });
      return await request(await this.#connection.broker(this.#nodeId));
    } catch (error) {
      if (errorKind(error) !== "transactionPending") this.#nodeId = null;
      throw error;
    }
  }
}
