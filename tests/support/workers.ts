import { type Clock, systemClock } from "../../src/core/clock.ts";
import type { WorkerIndex } from "../../src/core/ids.ts";
import { silentLog } from "../../src/core/log.ts";
import { graphOf } from "../../src/graph/graph.ts";
import type { StepCounts } from "../../src/runtime/counts.ts";
import type { RecoveryConfig } from "../../src/recovery/store.ts";
import { RunRecovery } from "../../src/runtime/run_recovery.ts";
import { EpochCoordinator } from "../../src/runtime/epochs.ts";
import { type CreditWindow, Mesh } from "../../src/runtime/exchange/mesh.ts";
import type { Transport } from "../../src/runtime/exchange/transport.ts";
import type { FlowHandle } from "../../src/runtime/run.ts";
import { Worker } from "../../src/runtime/worker.ts";

/** A frame on its way. */
export interface SentFrame {
  readonly from: WorkerIndex;
  readonly to: WorkerIndex;
  readonly bytes: Uint8Array;
}

/** Joins workers of this process: frames arrive in a later turn of the event loop, as from a socket. */
export class MemoryNetwork {
  /** All frames that were sent. */
  readonly sent: SentFrame[] = [];
  readonly #takers = new Map<WorkerIndex, (from: WorkerIndex, frame: Uint8Array) => void>();

  /** The transport of one worker. */
  transport(from: WorkerIndex): Transport {
    let waiting: SentFrame[] = [];
    const timers = new Set<ReturnType<typeof setTimeout>>();
    return {
      send: (to, bytes) => {
        const frame = { from, to, bytes };
        this.sent.push(frame);
        waiting.push(frame);
      },
      flush: () => {
        const frames = waiting;
        waiting = [];
        if (frames.length === 0) return;
        const timer = setTimeout(() => {
          timers.delete(timer);
          for (const { to, bytes } of frames) this.#takers.get(to)!(from, bytes);
        }, 0);
        timers.add(timer);
      },
      receive: (take) => void this.#takers.set(from, take),
      close: () => timers.forEach((timer) => clearTimeout(timer)),
    };
  }
}

/** How {@linkcode runWorkers} runs. */
export interface WorkersOptions {
  readonly epochMs?: number;
  readonly window?: CreditWindow;
  readonly clock?: Clock;
  readonly recovery?: RecoveryConfig;
  /** Told once the workers are there. */
  readonly onWorkers?: (workers: readonly Worker[], network: MemoryNetwork) => void;
}

/** Runs a flow on several workers of this process, and gives the counts of each. */
export async function runWorkers(
  flow: FlowHandle,
  count: number,
  { epochMs = 10_000, window, clock = systemClock, recovery: store, onWorkers }: WorkersOptions =
    {},
): Promise<{ counts: StepCounts[][]; stopped: boolean[] }> {
  const graph = graphOf(flow);
  const network = new MemoryNetwork();
  const recovery = await RunRecovery.open(store ?? null, graph.name, silentLog);
  let committing = Promise.resolve();
  let last = 0;
  const fail = (error: unknown) => workers.forEach((worker) => worker.fail(error));
  const workers = Array.from({ length: count }, (_, index) => {
    return new Worker(graph, { index, count, clock, log: silentLog }, {
      stateChanged: (epoch, chunk) => recovery.stateChanged(epoch, chunk),
      epochClosed: (epoch, positions) => {
        recovery.moved(index, epoch, positions);
        epochs.closed(index, epoch);
      },
      stopRequested: () => workers.forEach((worker) => worker.stop()),
    });
  });
  const epochs = new EpochCoordinator({
    closeEpoch: (epoch) => workers.forEach((worker) => worker.closeEpoch(epoch)),
    commitEpoch: (epoch) =>
      committing = recovery.commit(epoch).then(
        () => workers.forEach((worker) => void worker.commit(epoch).catch(fail)),
        fail,
      ),
  }, { workers: count, intervalMs: epochMs, clock, epoch: recovery.epoch });
  try {
    const { epoch, positions, numbering: snapshots } = recovery;
    const plans = await workers[0].plan(positions);
    for (const [index, worker] of workers.entries()) {
      const mesh = count === 1 ? null : new Mesh(network.transport(index), window);
      await worker.open({ epoch, plans, mesh, positions, snapshots });
    }
    for await (const { worker, step, keys } of recovery.state(workers[0].keyedSteps, count)) {
      workers[worker].restore(step, keys);
    }
    for (const [index, worker] of workers.entries()) {
      recovery.moved(index, epoch - 1, worker.positionsAt(epoch - 1));
    }
    await recovery.commit(epoch - 1);
    onWorkers?.(workers, network);
    epochs.start();
    await Promise.all(workers.map(async (worker, index) => {
      try {
        await worker.run();
      } catch (error) {
        fail(error);
        throw error;
      }
      const final = worker.finalPositions();
      last = Math.max(last, final.epoch);
      recovery.moved(index, final.epoch, final.positions);
      epochs.ended(index);
    }));
    await committing;
    await recovery.commit(last);
    await Promise.all(workers.map((worker) => worker.commit(last)));
    return {
      counts: workers.map((worker) => worker.counts()),
      stopped: workers.map(({ stopped }) => stopped),
    };
  } finally {
    epochs.stop();
    await committing;
    await Promise.all(workers.map((worker) => worker.close()));
    await recovery.close();
  }
}
