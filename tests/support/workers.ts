import { type Clock, systemClock } from "../../src/core/clock.ts";
import type { WorkerIndex } from "../../src/core/ids.ts";
import { type Log, silentLog } from "../../src/core/log.ts";
import { graphOf } from "../../src/graph/graph.ts";
import type { StepCounts } from "../../src/runtime/counts.ts";
import type { RecoveryConfig } from "../../src/recovery/store.ts";
import { RunRecovery } from "../../src/runtime/run_recovery.ts";
import { EpochCoordinator } from "../../src/runtime/epochs.ts";
import { InputFailure } from "../../src/runtime/input_failure.ts";
import { type CreditWindow, Mesh } from "../../src/runtime/exchange/mesh.ts";
import type { Transport } from "../../src/runtime/exchange/transport.ts";
import type { FlowHandle } from "../../src/runtime/run.ts";
import { type StepChangeOptions, stepChangesOf } from "../../src/runtime/step_changes.ts";
import { storedStepsOf } from "../../src/runtime/stored_steps.ts";
import { Worker } from "../../src/runtime/worker.ts";

/** A frame on its way. */
export interface SentFrame {
  readonly from: WorkerIndex;
  readonly to: WorkerIndex;
  readonly bytes: Uint8Array;
}

/**
 * Delivers a message: calls `arrive` now or later. Messages of one route arrive in the order in which
 * they were sent, as through a socket.
 */
export type Post = (route: string, arrive: () => void) => void;

/** Joins workers of this process: frames arrive in a later turn of the event loop, as from a socket. */
export class MemoryNetwork {
  /** All frames that were sent. */
  readonly sent: SentFrame[] = [];
  readonly #takers = new Map<WorkerIndex, (from: WorkerIndex, frame: Uint8Array) => void>();
  readonly #post: Post | null;

  /** `post` delivers frames one by one; without it, they arrive in the next turn. */
  constructor(post: Post | null = null) {
    this.#post = post;
  }

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
        if (this.#post !== null) {
          for (const { to, bytes } of frames) {
            this.#post(`worker ${from} to worker ${to}`, () => this.#takers.get(to)!(from, bytes));
          }
          return;
        }
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
export interface WorkersOptions extends StepChangeOptions {
  readonly epochMs?: number;
  readonly window?: CreditWindow;
  readonly clock?: Clock;
  readonly recovery?: RecoveryConfig;
  readonly log?: Log;
  /** Delivers what the workers, and their coordinator, say to one another. */
  readonly post?: Post;
  /** Told once the workers are there. */
  readonly onWorkers?: (workers: readonly Worker[], network: MemoryNetwork) => void;
}

/** Runs a flow on several workers of this process, and gives the counts of each. */
export async function runWorkers(
  flow: FlowHandle,
  count: number,
  options: WorkersOptions = {},
): Promise<{ counts: StepCounts[][]; stopped: boolean[] }> {
  const { epochMs = 10_000, window, clock = systemClock, post, onWorkers, log = silentLog } =
    options;
  const graph = graphOf(flow);
  const network = new MemoryNetwork(post);
  const recovery = await RunRecovery.open(options.recovery ?? null, graph.name, silentLog);
  let committing = Promise.resolve();
  let last = 0;
  const fail = (error: unknown) => workers.forEach((worker) => worker.fail(error));
  const toWorker = (index: WorkerIndex, arrive: () => void) =>
    post === undefined ? arrive() : post(`coordinator to worker ${index}`, arrive);
  const toAll = (arrive: (worker: Worker, index: WorkerIndex) => void) =>
    workers.forEach((worker, index) => toWorker(index, () => arrive(worker, index)));
  const fromWorker = (index: WorkerIndex, arrive: () => void) => {
    const guarded = () => {
      try {
        arrive();
      } catch (error) {
        fail(error);
      }
    };
    if (post === undefined) guarded();
    else post(`worker ${index} to coordinator`, guarded);
  };
  const workers = Array.from({ length: count }, (_, index) => {
    return new Worker(graph, { index, count, clock, log }, {
      stateChanged: (epoch, chunk) => fromWorker(index, () => recovery.stateChanged(epoch, chunk)),
      epochClosed: (epoch, positions) =>
        fromWorker(index, () => {
          recovery.moved(index, epoch, positions);
          epochs.closed(index, epoch);
        }),
      stopRequested: () => fromWorker(index, () => toAll((worker) => worker.stop())),
      inputFailed: (error) => fromWorker(index, () => inputFailure.occurred(error)),
      gaveUp: () => {}, // nobody tells a worker to
    });
  });
  const inputFailure = new InputFailure({
    clock,
    log,
    stop: () => toAll((worker) => worker.stop()),
    fail,
  });
  const epochs = new EpochCoordinator({
    closeEpoch: (epoch) => toAll((worker) => worker.closeEpoch(epoch)),
    stillClosing: (epoch, slow, ms) =>
      toAll((worker, index) => {
        if (slow.includes(index)) worker.stillClosing(epoch, ms);
      }),
    commitEpoch: (epoch) =>
      committing = recovery.commit(epoch).then(
        () => toAll((worker) => void worker.commit(epoch).catch(fail)),
        fail,
      ),
  }, { workers: count, intervalMs: epochMs, clock, epoch: recovery.epoch });
  try {
    await recovery.match(storedStepsOf(graph), stepChangesOf(options));
    const { epoch, positions, numbering: snapshots } = recovery;
    const plans = await workers[0].plan(positions);
    for (const [index, worker] of workers.entries()) {
      const mesh = count === 1 ? null : new Mesh(network.transport(index), window);
      await worker.open({ epoch, plans, mesh, positions, snapshots });
    }
    const { keyed } = storedStepsOf(graph);
    for await (const { worker, step, keys } of recovery.state(keyed, count)) {
      workers[worker].restore(step, keys);
    }
    for (const [index, worker] of workers.entries()) {
      recovery.moved(index, epoch - 1, worker.positionsAt(epoch - 1));
    }
    await recovery.commit(epoch - 1);
    toAll((worker) => void worker.commit(epoch - 1).catch(fail));
    onWorkers?.(workers, network);
    epochs.start();
    await Promise.all(workers.map(async (worker, index) => {
      await new Promise<void>((begin) => toWorker(index, begin));
      try {
        await worker.run();
      } catch (error) {
        fail(error);
        throw error;
      }
      const final = worker.finalPositions();
      await new Promise<void>((told) => {
        fromWorker(index, () => {
          last = Math.max(last, final.epoch);
          recovery.moved(index, final.epoch, final.positions);
          epochs.ended(index);
          told();
        });
      });
    }));
    await committing;
    await recovery.commit(last);
    await Promise.all(
      workers.map((worker, index) =>
        new Promise<void>((resolve, reject) =>
          toWorker(index, () => void worker.commit(last).then(resolve, reject))
        )
      ),
    );
    if (inputFailure.error !== null) throw inputFailure.error;
    return {
      counts: workers.map((worker) => worker.counts()),
      stopped: workers.map(({ stopped }) => stopped),
    };
  } finally {
    inputFailure.close();
    epochs.stop();
    await committing;
    await Promise.all(workers.map((worker) => worker.close()));
    await recovery.close();
  }
}
