/**
 * A worker's inputs and outputs: planned, opened, asked how far they are, and closed.
 *
 * @module
 */
import { messageOf, type StepError } from "../core/errors.ts";
import type { StepId, WorkerIndex } from "../core/ids.ts";
import type { Log } from "../core/log.ts";
import { within } from "../core/promises.ts";
import type {
  InputConfig,
  InputReader,
  OutputConfig,
  OutputWriter,
  Place,
  PlaceRecovery,
  Positions,
  Progress,
  SourceAlignment,
} from "../graph/contracts.ts";
import type { CaptureNode, InputNode, StepNode } from "../graph/nodes.ts";
import type { PositionRole, StoredPosition } from "../recovery/store.ts";
import { positionsOf } from "./journal.ts";
import { feedsTimed, idOf, type Plan } from "./plan.ts";
import { stepError } from "./step_error.ts";
import type { InputLag, StepConnection } from "./worker_readings.ts";

/** How long inputs and outputs get to close before the worker goes on without them. */
const CLOSE_MS = 5_000;

/** How the inputs that plan it are shared out, by step. */
export type InputPlans = Readonly<Record<StepId, unknown>>;

interface Closable {
  close(): Promise<void>;
}

/** Opens inputs and outputs in place of their configs. */
export interface IoOpener {
  input(
    config: InputConfig<unknown>,
    at: Place,
    resume: Positions,
  ): Promise<InputReader<unknown>>;
  output(
    config: OutputConfig<unknown>,
    at: Place,
    resume: Positions,
  ): Promise<OutputWriter<unknown>>;
}

/** Has configs open themselves. */
const BY_CONFIG: IoOpener = {
  input: (config, at, resume) => config.open(at, resume),
  output: (config, at, resume) => config.open(at, resume),
};

/** The worker that inputs and outputs belong to. */
export interface IoHost {
  /** Which worker it is. */
  readonly workerIndex: WorkerIndex;
  /** Of how many. */
  readonly workerCount: number;
  readonly log: Log;
  /** Milliseconds since some moment, on a clock that nobody sets. */
  elapsed(): number;
  /** Aborted when the run fails or is stopped at once. */
  readonly signal: AbortSignal;
  /** Ends the run. */
  fail(error: unknown): void;
  /** An input has failed. */
  inputFailed(error: StepError): void;
  /** Keeps the sources of an input together in event time. */
  alignmentOf(step: StepId): SourceAlignment;
  /** A step asks for a graceful stop of the whole run. */
  requestStop(): void;
  /** Opens inputs and outputs; absent if their configs do. */
  readonly opener?: IoOpener;
}

/** Opens and closes the inputs and outputs of a worker. */
export class WorkerIo {
  readonly #plan: Plan;
  readonly #host: IoHost;
  readonly #opener: IoOpener;
  readonly #readers = new Map<InputNode, InputReader<unknown>>();
  readonly #writers = new Map<CaptureNode, OutputWriter<unknown>>();
  readonly #opening = new Map<StepNode, () => string | null>(); // what each of them waits for

  /** Opens nothing yet. */
  constructor(plan: Plan, host: IoHost) {
    this.#plan = plan;
    this.#host = host;
    this.#opener = host.opener ?? BY_CONFIG;
  }

  /** The inputs that are open. */
  get readers(): ReadonlyMap<InputNode, InputReader<unknown>> {
    return this.#readers;
  }

  /** The outputs that are open. */
  get writers(): ReadonlyMap<CaptureNode, OutputWriter<unknown>> {
    return this.#writers;
  }

  /**
   * Has the inputs plan how they are shared out; on one worker, for all.
   *
   * @param positions Where inputs were at the last snapshot.
   * @param recovery How the run keeps its state; `null` where it does not.
   * @throws {StepError} If one cannot.
   */
  async plan(
    positions: readonly StoredPosition[],
    recovery: PlaceRecovery | null,
  ): Promise<InputPlans> {
    const plans: Record<StepId, unknown> = Object.create(null);
    for (const node of this.#inputNodes()) {
      const { config } = node;
      if (config.plan === undefined) continue;
      const resume = this.#resumeOf(node, "input", positions);
      const plan = () => config.plan!(this.#place(node, recovery), resume);
      plans[idOf(this.#plan, node)] = await this.#guard(node, plan);
    }
    return plans;
  }

  /**
   * Opens the outputs, then the inputs.
   *
   * @throws {StepError} If one cannot be opened. What is open by then is closed by `close`.
   */
  async open(
    plans: InputPlans,
    positions: readonly StoredPosition[],
    recovery: PlaceRecovery | null,
  ): Promise<void> {
    for (const node of this.#plan.captures) {
      const resume = this.#resumeOf(node, "output", positions);
      const config = node.config as OutputConfig<unknown>;
      const open = () => this.#opener.output(config, this.#place(node, recovery), resume);
      this.#writers.set(node, await this.#guard(node, open));
    }
    for (const node of this.#inputNodes()) {
      const plan = plans[idOf(this.#plan, node)];
      const resume = this.#resumeOf(node, "input", positions);
      const place = { ...this.#place(node, recovery), plan };
      const open = () => this.#opener.input(node.config, place, resume);
      this.#readers.set(node, await this.#guard(node, open));
    }
  }

  /** How much has been read, where every input knows its end and all count the same. */
  progress(): Progress | null {
    let sum: Progress | undefined;
    for (const reader of this.#readers.values()) {
      const progress = reader.progress?.() ?? null;
      if (progress === null || (sum !== undefined && sum.unit !== progress.unit)) return null;
      const { done, total } = sum ?? { done: 0, total: 0 };
      sum = { ...progress, done: done + progress.done, total: total + progress.total };
    }
    return sum ?? null;
  }

  /**
   * How far inputs are from the ends of their partitions, as far as they know. `now` is in
   * milliseconds since the Unix epoch.
   */
  lag(now: number): InputLag[] {
    return [...this.#readers].flatMap(([node, reader]) => {
      const times = reader.itemTimes?.();
      const ages = reader.lagAges?.();
      return [...reader.lag?.() ?? []].map(([partition, items]) => {
        const time = times?.get(partition);
        const ms = items === 0 ? 0 : time === undefined ? null : Math.max(0, now - time);
        const ageMs = ages?.get(partition) ?? null;
        return { step: idOf(this.#plan, node), partition, items, ms, ageMs };
      });
    });
  }

  /** What has happened to the connections of inputs and outputs. */
  connections(): StepConnection[] {
    return [...this.#readers, ...this.#writers].flatMap(([node, each]) =>
      (each.connections?.() ?? []).map((reading) => ({
        step: idOf(this.#plan, node),
        ...reading,
      }))
    );
  }

  /** What the inputs and outputs cannot go on without at the moment, each once. */
  waitingFor(): string[] {
    const open = [...this.#readers.values(), ...this.#writers.values()];
    const all = [
      ...open.map((each) => each.waitingFor?.() ?? null),
      ...[...this.#opening.values()].map((ask) => ask()),
    ];
    return [...new Set(all.filter((what) => what !== null))];
  }

  /**
   * Closes all that is open. What does not close in time is left behind, with a warning.
   *
   * @param settled Resolves when no call of an output is in progress any more: its calls never
   * overlap.
   */
  async close(settled: (output: StepId) => Promise<void>): Promise<void> {
    await Promise.all([
      ...[...this.#readers].map(([node, reader]) => this.#close(node, reader)),
      ...[...this.#writers].map(async ([node, writer]) => {
        await within(settled(idOf(this.#plan, node)), CLOSE_MS);
        await this.#close(node, writer);
      }),
    ]);
  }

  async #close(node: StepNode, closable: Closable): Promise<void> {
    const { log } = this.#host;
    const stepId = idOf(this.#plan, node);
    try {
      if (await within(closable.close(), CLOSE_MS)) return;
      log.warn(`step "${stepId}" did not close within ${CLOSE_MS / 1000} s`);
    } catch (thrown) {
      log.warn(`step "${stepId}" failed to close: ${messageOf(thrown)}`);
    }
  }

  #inputNodes(): InputNode[] {
    return this.#plan.stages.map(({ head }) => head).filter((head) => head.kind === "input");
  }

  #resumeOf(node: StepNode, role: PositionRole, positions: readonly StoredPosition[]): Positions {
    return positionsOf(idOf(this.#plan, node), role, positions);
  }

  #place(node: StepNode, recovery: PlaceRecovery | null): Place {
    const host = this.#host;
    const { workerIndex, workerCount, signal, log } = host;
    const stepId = idOf(this.#plan, node);
    return {
      stepId,
      workerIndex,
      workerCount,
      recovery,
      alignment: feedsTimed(this.#plan, node) ? host.alignmentOf(stepId) : null,
      elapsed: () => host.elapsed(),
      signal,
      log,
      whileOpening: (ask) => void this.#opening.set(node, ask),
      meter: this.#plan.graph.meters.of(stepId),
      fail: (thrown) => {
        const error = stepError({ stepId }, host, thrown);
        if (node.kind === "input") host.inputFailed(error);
        else host.fail(error);
      },
      stop: () => host.requestStop(),
    };
  }

  async #guard<R>(node: StepNode, work: () => Promise<R>): Promise<R> {
    try {
      return await work();
    } catch (thrown) {
      const error = stepError({ stepId: idOf(this.#plan, node) }, this.#host, thrown);
      this.#host.fail(error);
      throw error;
    } finally {
      this.#opening.delete(node);
    }
  }
}
