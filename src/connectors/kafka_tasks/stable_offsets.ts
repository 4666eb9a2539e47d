/**
 * Asks for positions that no open transaction can change any more.
 *
 * @module
 */
import { sleep } from "../../core/promises.ts";
import type { KafkaConnection } from "../kafka/client/connection.ts";
import { errorName } from "../kafka/client/errors.ts";
import type { KafkaBroker } from "../kafka/client/kafkajs.ts";
import { Coordinator } from "../kafka/transactions/coordinator.ts";
import { persist } from "../kafka/transactions/persist.ts";
import { PATIENCE_MS } from "./persisting.ts";

/** How long to wait before an open transaction is looked at again, in milliseconds. */
const UNSTABLE_MS = 20;

/** Asks the coordinator of one group. */
export class StableOffsets {
  readonly #connection: KafkaConnection;
  readonly #signal: AbortSignal;
  readonly #coordinator: Coordinator;
  #waiting = 0;

  /** Asks nothing yet. `signal` ends all waiting. */
  constructor(connection: KafkaConnection, groupId: string, signal: AbortSignal) {
    this.#connection = connection;
    this.#signal = signal;
    this.#coordinator = new Coordinator(connection, { kind: "group", id: groupId });
  }

  /** Whether somebody waits until a transaction is over. */
  get isWaiting(): boolean {
    return this.#waiting > 0;
  }

  /** Asks until no open transaction can change the answer. */
  async ask<R>(request: (broker: KafkaBroker) => Promise<R>): Promise<R> {
    let isWaiting = false;
    try {
      for (;;) {
        this.#signal.throwIfAborted();
        const answer = await persist(this.#connection, PATIENCE_MS, async () => {
          try {
            return { done: await this.#coordinator.ask(request) };
          } catch (error) {
            if (errorName(error) === "UNSTABLE_OFFSET_COMMIT") return null;
            throw error;
          }
        });
        if (answer !== null) return answer.done;
        if (!isWaiting) this.#waiting++;
        isWaiting = true;
        await sleep(UNSTABLE_MS, this.#signal);
      }
    } finally {
      if (isWaiting) this.#waiting--;
    }
  }
}
