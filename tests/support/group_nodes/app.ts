import { assertEquals } from "@std/assert";
import type { CliProcess } from "../cli.ts";
import { deleteTopicsOf } from "../kafka/delete_topics.ts";
import { type NewRecord, produce } from "../kafka/kafka.ts";

/**
 * An app that machines run, with topics of its own, by what they are for. They are deleted at the
 * end.
 */
export class GroupApp<Topics extends { readonly from: string }> implements AsyncDisposable {
  readonly name = `app-${crypto.randomUUID()}`;
  readonly brokers: string[];
  readonly topics: Topics;
  #written = 0;

  protected constructor(brokers: string[], topics: Topics) {
    this.brokers = brokers;
    this.topics = topics;
  }

  /** How many records the input has got, each of which has one result. */
  protected get written(): number {
    return this.#written;
  }

  /** Writes records to the input. */
  protected async write(records: readonly NewRecord[]): Promise<void> {
    await produce(this.brokers, this.topics.from, records);
    this.#written += records.length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await deleteTopicsOf(this.brokers, this.name, Object.values(this.topics));
  }
}

/** Stops a machine as an operator does. */
export async function stop(machine: CliProcess): Promise<void> {
  machine.kill("SIGTERM");
  const { code, stderr } = await machine.finished();
  assertEquals(code, 0, stderr);
}
