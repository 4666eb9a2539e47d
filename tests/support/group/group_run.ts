/** Several processes of one group in memory, whose time, tasks and deaths a test decides. */
import { Dataflow } from "../../../mod.ts";
import type { Clock } from "../../../src/core/clock.ts";
import { yieldToEventLoop } from "../../../src/core/event_loop.ts";
import { silentLog } from "../../../src/core/log.ts";
import { type TaskId, taskId } from "../../../src/core/task_id.ts";
import { graphOf } from "../../../src/graph/graph.ts";
import { cutFlow, type FlowCut } from "../../../src/runtime/group/cut_flow.ts";
import { TaskRunner } from "../../../src/runtime/group/task_runner.ts";
import { run } from "../../../src/runtime/run.ts";
import { TestClock } from "../clock/test_clock.ts";
import { MemoryGroup, MemoryLog, NamedOutput, TopicInput } from "./memory_log.ts";

/** How long an epoch lasts. */
export const EPOCH_MS = 100;

/** After this many turns of the event loop, all that can happen at a time has happened. */
const TURNS = 3;

/** More epochs than any test needs. */
const MOST_EPOCHS = 300;

/** What a test's flow is made with. */
export interface FlowParts {
  readonly flow: Dataflow;
  /** An input of topics, which must have been created. */
  input<T>(id: string, ...topics: string[]): Dataflow<T>;
  output<T>(name: string): NamedOutput<T>;
}

/** Builds a flow. */
export type BuildFlow = (parts: FlowParts) => unknown;

/** One process. */
export interface GroupProcess {
  readonly log: MemoryLog;
  readonly runner: TaskRunner;
  readonly tasks: Set<TaskId>;
}

/** A group. */
export class GroupRun {
  readonly group: MemoryGroup = new MemoryGroup();
  readonly clock: TestClock = new TestClock(1_000_000);
  readonly processes: GroupProcess[] = [];
  readonly #build: BuildFlow;
  readonly #shards: number;
  readonly #mostHeld: number | undefined;
  readonly #failures: unknown[] = []; // of processes that have not been killed

  /**
   * @param topics How many partitions each has.
   * @param mostHeld How many bytes may wait in a shard; absent for the default.
   */
  constructor(
    build: BuildFlow,
    topics: Readonly<Record<string, number>>,
    shards = 3,
    mostHeld?: number,
  ) {
    this.#build = build;
    this.#shards = shards;
    this.#mostHeld = mostHeld;
    for (const [topic, partitions] of Object.entries(topics)) {
      this.group.topics.create(topic, partitions);
    }
    this.#noteReads();
  }

  #noteReads(): void {
    const { graph } = this.cut();
    for (const node of graph.nodes) {
      if (node.kind !== "input" || !(node.config instanceof TopicInput)) continue;
      for (const topic of node.config.topics) this.group.reads(graph.ids.get(node)!, topic);
    }
  }

  /** Adds a partition to a topic. Nobody runs its task yet. */
  grow(topic: string): void {
    this.group.topics.grow(topic);
    this.#noteReads();
  }

  /** The flow, cut as each process does it for itself. */
  cut(): FlowCut {
    return cutFlow(graphOf(this.#flow(new Map())), {
      shards: this.#shards,
      topicsOf: (config) => config instanceof TopicInput ? config.topics : null,
    });
  }

  /** All tasks. */
  get tasks(): TaskId[] {
    return this.cut().topology.subtopologies.flatMap(({ name, sourceTopics, hasShuffle }) => {
      const counts = sourceTopics.map((topic) => this.group.topics.partitions(topic).length);
      const count = Math.max(...counts, hasShuffle ? this.#shards : 0);
      return Array.from({ length: count }, (_, partition) => taskId(name, partition));
    });
  }

  /**
   * Starts a process without tasks, on a machine whose clock is ahead by `aheadMs`. `lateCommits`:
   * how many commits of those before it took too long.
   */
  start(aheadMs = 0, lateCommits = 0): GroupProcess {
    const log = new MemoryLog(this.group);
    const runner = new TaskRunner({
      cut: this.cut(),
      groupLog: log,
      identity: null,
      intervalMs: EPOCH_MS,
      lateCommits,
      ...this.#mostHeld === undefined ? {} : { mostHeld: this.#mostHeld },
      clock: aheadMs === 0 ? this.clock : shifted(this.clock, aheadMs),
      log: silentLog,
    });
    const process = { log, runner, tasks: new Set<TaskId>() };
    runner.over.catch((error) => {
      if (!log.isDead) this.#failures.push(error);
    });
    this.processes.push(process);
    return process;
  }

  /** Has a process run a task. */
  assign(process: GroupProcess, ...tasks: readonly TaskId[]): void {
    for (const task of tasks) process.tasks.add(task);
    process.runner.assign(tasks);
  }

  /** Has a process give a task up. Returns whether others may have it: not if it died before. */
  async revoke(process: GroupProcess, task: TaskId): Promise<boolean> {
    const revoked = process.runner.revoke([task]).then(() => true, () => false);
    const left = await Promise.race([revoked, process.log.died.then(() => false)]);
    if (left) process.tasks.delete(task);
    return left;
  }

  /** A process is gone. Returns its tasks, which others may have. */
  async kill(process: GroupProcess): Promise<TaskId[]> {
    process.log.die();
    this.processes.splice(this.processes.indexOf(process), 1);
    await process.runner.kill(new Error("killed"));
    await process.runner.over.catch(() => {}); // it is that error
    return [...process.tasks];
  }

  /** Lets all that can happen at this time happen. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < TURNS; turn++) {
      await new Promise((resolve) => setTimeout(resolve, 0));
      await yieldToEventLoop();
    }
  }

  /** Lets time pass. */
  async pass(ms: number = EPOCH_MS): Promise<void> {
    this.clock.advance(ms);
    await this.settle();
  }

  /** Runs until all has been read and committed. A process that dies is replaced by `onDeath`. */
  async drain(onDeath: () => Promise<void> = () => Promise.resolve()): Promise<void> {
    for (let epochs = 0; this.group.left > 0; epochs++) {
      if (epochs > MOST_EPOCHS) {
        throw new Error(`${this.group.left} items are not committed after ${MOST_EPOCHS} epochs`);
      }
      await this.pass();
      this.throwFailure();
      if (this.processes.some(({ log }) => log.isDead)) await onDeath();
    }
  }

  /** Throws what a process that has not been killed has failed with. */
  throwFailure(): void {
    for (const failure of this.#failures) throw failure;
  }

  /** Stops all processes gracefully. */
  async stop(): Promise<void> {
    await Promise.all(this.processes.splice(0).map(({ runner }) => runner.stop()));
  }

  /** What the same flow gives on one machine, from all that the topics have. */
  async expected(): Promise<Map<string, unknown[]>> {
    const outputs = new Map<string, unknown[]>();
    await run(this.#flow(outputs));
    return outputs;
  }

  #flow(outputs: Map<string, unknown[]>): Dataflow {
    const flow = new Dataflow("grouped");
    const turns = { next: 0 };
    this.#build({
      flow,
      input: <T>(id: string, ...topics: string[]) =>
        flow.input(id, new TopicInput<T>(this.group.topics, topics, turns)),
      output: <T>(name: string) => {
        const items: T[] = [];
        outputs.set(name, items);
        return new NamedOutput(name, items);
      },
    });
    return flow;
  }
}

function shifted(clock: Clock, ms: number): Clock {
  return {
    now: () => clock.now() + ms,
    wakeAt: (at, wake) => clock.wakeAt(at - ms, wake),
  };
}
