/**
 * Opens the outputs of a group's tasks. What goes to Kafka is part of the process's transactions.
 *
 * @module
 */
import { FlowDefinitionError } from "../../core/errors.ts";
import type { ConnectionReading } from "../../core/connection_reading.ts";
import type { Epoch } from "../../core/ids.ts";
import type { OutputConfig, OutputWriter, Place, Positions } from "../../graph/contracts.ts";
import type { WaitingForCommit } from "../../group/log.ts";
import type { Guarantee } from "../../group/log_module.ts";
import { knownOutput, requireOwnCopy } from "../kafka/known_configs.ts";
import type { KafkaOutputItem } from "../kafka/output_item.ts";
import { OUTPUT } from "../kafka/properties/property_table.ts";
import type { KafkaOutputSettings } from "../kafka/properties/settings.ts";
import type { PendingOutput } from "./pending_output.ts";
import type { PendingOutputs } from "./pending_outputs.ts";

/** The transactions of a process, for its outputs. */
export interface OutputTransactions {
  /** The outputs in them. */
  readonly outputs: PendingOutputs;
  /** Is told how much waits for each. */
  readonly waiting: WaitingForCommit;
}

/**
 * Starts writing to an output.
 *
 * What is written to a Kafka output is handed to the next transaction of the process. Other outputs
 * are opened as they are, and write at least once.
 *
 * @param transactions `null` if there are none, as the group guarantees at-least-once only. Kafka
 * outputs are then opened as they are, too.
 * @throws {FlowDefinitionError} If the output contradicts the group's guarantee. The message
 * names the step.
 */
export async function openTaskOutput(
  config: OutputConfig<unknown>,
  at: Place,
  resume: Positions,
  transactions: OutputTransactions | null,
): Promise<OutputWriter<unknown>> {
  requireTaskOutput(config, at.stepId, transactions === null ? "at-least-once" : "exactly-once");
  const settings = knownOutput(config);
  if (settings === null || transactions === null) return await config.open(at, resume);
  const output = await transactions.outputs.open(settings, at);
  return new TaskWriter(transactions, output, at) as OutputWriter<unknown>;
}

/**
 * Makes sure that an output can keep what a group guarantees. It connects to nothing.
 *
 * @throws {FlowDefinitionError} If it cannot. The message names the step and the cure.
 */
export function requireTaskOutput(
  config: object,
  stepId: string,
  guarantee: Guarantee,
): void {
  requireOwnCopy(config, "output", stepId);
  const settings = knownOutput(config);
  if (settings === null) return;
  if (guarantee === "at-least-once") {
    if (settings.output.transactions === null) return;
    throw new FlowDefinitionError(
      `output "${stepId}" has delivery: "exactly-once", but the group runs with --guarantee ` +
        "at-least-once: leave out one of the two",
    );
  }
  const own = ownTransactions(settings);
  if (own !== null) {
    throw new FlowDefinitionError(
      `output "${stepId}" has ${own}, but a group names, times and recovers its transactions ` +
        "itself: leave it out",
    );
  }
  const reason = withoutTransactions(settings);
  if (reason === null) return;
  throw new FlowDefinitionError(
    `output "${stepId}" has ${reason}, but a group writes in transactions, which need all ` +
      "acknowledgements and idempotence: leave out the property, or run the group with " +
      "--guarantee at-least-once",
  );
}

/** What the output says about transactions of its own, which it does not have in a group. */
function ownTransactions({ output, acceptLostEpoch }: KafkaOutputSettings): string | null {
  const { idPrefix = null, timeoutMs = DEFAULT_TIMEOUT_MS } = output.transactions ?? {};
  if (idPrefix !== null) return `"transactional.id"`;
  if (timeoutMs !== DEFAULT_TIMEOUT_MS) return `"transaction.timeout.ms"`;
  return acceptLostEpoch === undefined ? null : "acceptLostEpoch";
}

function withoutTransactions({ output: { acks, idempotent } }: KafkaOutputSettings): string | null {
  if (acks !== "all") return `"acks" of 1`;
  return idempotent ? null : `"enable.idempotence" of false`;
}

/** What outputs have whose properties do not say. */
const DEFAULT_TIMEOUT_MS = Number(OUTPUT["transaction.timeout.ms"].default);

/** What a task writes to an output that it shares with other tasks of the process. */
class TaskWriter implements OutputWriter<KafkaOutputItem> {
  readonly writesAhead = true;
  readonly #outputs: PendingOutputs;
  readonly #waiting: WaitingForCommit;
  readonly #output: PendingOutput;
  readonly #at: Place;
  #unprepared = new Set<Epoch>(); // epochs with records, which have not ended
  #isClosed = false;

  constructor({ outputs, waiting }: OutputTransactions, output: PendingOutput, at: Place) {
    this.#outputs = outputs;
    this.#waiting = waiting;
    this.#output = output;
    this.#at = at;
  }

  write(batch: readonly KafkaOutputItem[], epoch: Epoch): void | Promise<void> {
    this.#outputs.throwFailure();
    if (batch.length === 0) return;
    this.#outputs.requireOpen(epoch);
    this.#unprepared.add(epoch);
    const added = this.#add(batch, epoch, true);
    if (added < batch.length) return this.#writeOn(batch.slice(added), epoch);
    return this.#outputs.added(epoch);
  }

  /** The first record is for an unknown partition, which may just have been added. */
  async #writeOn(rest: readonly KafkaOutputItem[], epoch: Epoch): Promise<void> {
    await this.#output.refreshPartitions();
    this.#outputs.throwFailure();
    this.#add(rest.slice(0, 1), epoch, false);
    await this.#outputs.added(epoch);
    await this.write(rest.slice(1), epoch);
  }

  /** Adds items as `PendingOutput.add` does, and tells how much came. */
  #add(items: readonly KafkaOutputItem[], epoch: Epoch, mayAsk: boolean): number {
    const before = this.#output.bytesIn(epoch);
    const added = this.#output.add(items, epoch, mayAsk);
    this.#waiting.add(epoch, this.#output.bytesIn(epoch) - before);
    return added;
  }

  // deno-lint-ignore require-await -- an error is a rejection
  async prepare(epoch: Epoch): Promise<Positions> {
    this.#outputs.throwFailure();
    // A task begins with the end of an epoch in which it was not there.
    if (epoch >= 0) this.#outputs.prepared(epoch);
    this.#unprepared.delete(epoch);
    return new Map();
  }

  // deno-lint-ignore require-await -- an error is a rejection
  async commit(epoch: Epoch): Promise<void> {
    this.#outputs.over(epoch);
  }

  waitingFor(): string | null {
    return this.#output.waitingFor;
  }

  connections(): ConnectionReading[] {
    return this.#output.connections();
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const { stepId } = this.#at;
    // Other tasks' records are in the same batches, so these cannot be taken out.
    if (this.#unprepared.size > 0) {
      this.#outputs.fail(new Error(`output "${stepId}" was closed in the middle of an epoch`));
    }
    await this.#outputs.leave(stepId);
  }
}
