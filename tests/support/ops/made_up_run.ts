/** A run that is made up, of any size. It changes only when a test lets time pass. */
import { encodeValue } from "../../../src/core/value_codec.ts";
import type { FlowView, RunSource, RunView, WorkerView } from "../../../src/ops/run_view.ts";
import type { StateAnswer, StateQuestion } from "../../../src/ops/state_question.ts";
import { NO_PAST } from "./idle_worker.ts";

/** What a made-up run is like. */
export interface MadeUp {
  readonly workers: number;
  /** The steps of each stage, as `kind` or `kind:id`, and the stages that it reads. */
  readonly stages: readonly {
    readonly steps: readonly string[];
    readonly from: readonly number[];
    /** Shares of the time. */
    readonly busy?: number;
    readonly backpressured?: number;
  }[];
  /** Items a second of each input, on each worker. */
  readonly rate?: number;
  /** Keys with their states, of each step that has some. */
  readonly keys?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

/** A run of twelve steps in six stages, of which one is the bottleneck. */
export const TWELVE_STEPS: MadeUp = {
  workers: 4,
  rate: 3_100,
  stages: [
    {
      steps: ["input:orders", "map:parse", "filter:is-paid"],
      from: [],
      busy: 0.21,
      backpressured: 0.7,
    },
    { steps: ["input:customers", "keyOn:by-id"], from: [], busy: 0.04 },
    { steps: ["async:enrich-customer"], from: [0], busy: 0.99 },
    { steps: ["stateful:join-customer", "map:to-line"], from: [1, 2], busy: 0.34 },
    { steps: ["window:revenue-per-minute", "map:round"], from: [3], busy: 0.28 },
    { steps: ["capture:revenue"], from: [4], busy: 0.06 },
    { steps: ["capture:lines"], from: [3], busy: 0.11 },
  ],
};

/** A run of sixty steps on 32 workers. */
export const SIXTY_STEPS: MadeUp = {
  workers: 32,
  rate: 900,
  stages: Array.from({ length: 40 }, (_, i) => ({
    steps: i % 10 === 0
      ? [`input:source-${i / 10}`]
      : i % 10 === 9
      ? [`capture:sink-number-${(i + 1) / 10}`]
      : i % 2 === 0
      ? [`map:transform-${i}`, `filter:keep-${i}`, `map:shape-with-a-long-name-${i}`].slice(
        0,
        2 + i % 3,
      )
      : [`stateful:aggregate-${i}`],
    from: i % 10 === 0 ? [] : i % 10 > 4 && i >= 10 && i % 3 === 0 ? [i - 1, i - 10] : [i - 1],
    busy: i === 14 ? 0.97 : (i * 37 % 50) / 100,
    backpressured: i >= 10 && i < 14 ? 0.8 : 0,
  })),
};

/** The run. */
export class MadeUpRun implements RunSource {
  /** Replaces parts of the view. */
  change: Partial<RunView> = {};
  /** Replaces parts of each worker. */
  changeWorker: (worker: WorkerView, index: number) => WorkerView = (worker) => worker;
  readonly #plan: MadeUp;
  readonly #graph: FlowView;
  #ms = 0;

  constructor(plan: MadeUp) {
    this.#plan = plan;
    const names = plan.stages.map(({ steps }) =>
      steps.map((step) => {
        const [kind, ...id] = step.split(":");
        return { kind, id: id.length === 0 ? kind : id.join(":") };
      })
    );
    const steps = names.flatMap((own, stage) =>
      own.map(({ kind, id }, i) => ({
        id,
        kind,
        stage,
        stateKind: kind === "window" ? "windows" as const : null,
        from: i > 0
          ? [{ step: own[i - 1].id, stream: null, isExchanged: false }]
          : plan.stages[stage].from.map((from) => ({
            step: names[from].at(-1)!.id,
            stream: null,
            isExchanged: kind === "stateful" || kind === "window",
          })),
      }))
    );
    this.#graph = { name: "made up", steps };
  }

  /** Lets time pass, in milliseconds. */
  pass(ms: number): void {
    this.#ms += ms;
  }

  now(): number {
    return this.#ms;
  }

  view(): RunView {
    const { workers } = this.#plan;
    const epoch = Math.floor(this.#ms / 10_000) + 1;
    const epochs = Array.from({ length: Math.min(epoch, 30) }, (_, i) => {
      const number = epoch - Math.min(epoch, 30) + i + 1;
      return {
        epoch: number,
        at: (number - 1) * 10_000,
        ms: 120 + number * 7_919 % 160,
        alignMs: 100,
        storeMs: 20 + number * 7_919 % 160,
        bytes: 4_000_000 + number * 7_919 % 1_000_000,
        intervalMs: 10_000,
      };
    });
    return {
      phase: "running",
      flow: "made up",
      graph: this.#graph,
      restarts: 0,
      stepRestarts: [],
      storeConnections: [],
      workers: Array.from({ length: workers }, (_, i) => this.changeWorker(this.#worker(i), i)),
      epoch: epochs.at(-1)!,
      waiting: null,
      group: null,
      past: { ...NO_PAST, epochs },
      ...this.change,
    };
  }

  ask(_worker: number, question: StateQuestion): Promise<StateAnswer> {
    const { keys = {} } = this.#plan;
    const own = question.kind === "steps" ? {} : keys[question.step] ?? {};
    const names = question.kind === "key"
      ? Object.keys(own).filter((key) => key === question.key)
      : question.kind === "keys"
      ? Object.keys(own).slice(question.from, question.from + question.count)
      : [];
    return Promise.resolve({
      steps: question.kind === "steps"
        ? Object.entries(keys).map(([step, own]) => ({ step, keys: Object.keys(own).length }))
        : [],
      states: names.map((key) => ({ key, state: encodeValue(own[key]) })),
    });
  }

  #worker(index: number): WorkerView {
    const { stages, rate = 1_000 } = this.#plan;
    const items = Math.round(rate * this.#ms / 1_000);
    return {
      unanswered: 0,
      steps: this.#graph.steps.map(({ id, kind }) => ({
        stepId: id,
        kind,
        in: kind === "input" ? 0 : items,
        out: kind === "capture" ? 0 : items,
      })),
      memory: { rss: (180 + index) * 1e6, heapUsed: (60 + index) * 1e6 },
      lag: [],
      eventTimes: [],
      state: [],
      openWindows: [],
      measured: [],
      outputs: [],
      connections: [],
      stages: stages.map(({ busy = 0.1, backpressured = 0 }, stage) => ({
        stage,
        busyMs: busy * this.#ms,
        backpressuredMs: backpressured * this.#ms,
        idleMs: (1 - busy - backpressured) * this.#ms,
        queued: backpressured > 0 ? 4_000 : 0,
      })),
    };
  }
}
