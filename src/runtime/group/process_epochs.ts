/**
 * Outputs of a task, by the epochs of its process.
 *
 * @module
 */
import type { OutputWriter } from "../../graph/contracts.ts";

/**
 * A task counts its own epochs, from 0. Its outputs share the transactions of the process, so they
 * get the numbers that epochs have there.
 *
 * @param first Returns the epoch of the process that is the task's epoch 0. Before that is known,
 * the task has only ended epoch -1, in which it was not there: that stays -1.
 */
export function withProcessEpochs(
  writer: OutputWriter<unknown>,
  first: () => number | null,
): OutputWriter<unknown> {
  const own = (epoch: number) => epoch < 0 ? epoch : first()! + epoch;
  const { writesAhead, commit, settled, openTransactions, waitingFor, connections } = writer;
  return {
    ...writesAhead === undefined ? {} : { writesAhead },
    write: (batch, epoch) => writer.write(batch, own(epoch)),
    prepare: (epoch, inputs) => writer.prepare(own(epoch), inputs),
    ...commit === undefined ? {} : { commit: (epoch) => commit.call(writer, own(epoch)) },
    ...settled === undefined ? {} : { settled: () => settled.call(writer) },
    ...openTransactions === undefined
      ? {}
      : { openTransactions: () => openTransactions.call(writer) },
    ...waitingFor === undefined ? {} : { waitingFor: () => waitingFor.call(writer) },
    ...connections === undefined ? {} : { connections: () => connections.call(writer) },
    close: () => writer.close(),
  };
}
