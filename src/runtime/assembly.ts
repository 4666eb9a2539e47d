/**
 * Makes the tasks of a worker, and the channels between them, out of a plan.
 *
 * @module
 */
import { StepError } from "../core/errors.ts";
import type { Epoch, StepId } from "../core/ids.ts";
import { preview } from "../core/preview.ts";
import type { Log } from "../core/log.ts";
import type { InputReader, OutputWriter } from "../graph/contracts.ts";
import type { CaptureNode, ExchangeNode, InputNode, StatefulNode } from "../graph/nodes.ts";
import { type Chain, compileChain, isPassThrough } from "./chain.ts";
import { Channel, CHANNEL_BYTES, CHANNEL_ITEMS, type Incoming, type Outgoing } from "./channel.ts";
import type { FlowCounter } from "./counts.ts";
import { Combining } from "./exchange/combining.ts";
import type { FailItem } from "./exchange/dealing.ts";
import type { ExchangeEnds } from "./exchange/ends.ts";
import type { Mesh } from "./exchange/mesh.ts";
import { MeshEnds } from "./exchange/mesh_ends.ts";
import { WindowCombining } from "./exchange/window_combining.ts";
import { LogEnds, type TaskShuffle } from "./group/log_ends.ts";
import { SentAlignment } from "./group/sent_alignment.ts";
import { SentTime } from "./group/sent_time.ts";
import { ShuffleTask } from "./group/shuffle_task.ts";
import { StreamOrder } from "./group/stream_order.ts";
import { createKeyTable, type KeyTable } from "./keyed/key_table.ts";
import { WorkerNotes } from "./input_notes.ts";
import type { KeysOfStep } from "./live_state.ts";
import { Outlet } from "./outlet.ts";
import {
  combinerOf,
  exchangesOf,
  feedsTimed,
  goesByTime,
  type HeadNode,
  idOf,
  inputsOf,
  type Plan,
  type PortNode,
  shownIdOf,
  type StagePlan,
  timedAfter,
  windowCombinerOf,
} from "./plan.ts";
import { numberStages, type StageNumber } from "./stage_readings.ts";
import { stepScope } from "./step_scope.ts";
import { AsyncTask } from "./tasks/async_task.ts";
import { MergeTask } from "./tasks/merge_task.ts";
import { SinkTask } from "./tasks/sink_task.ts";
import { SourceTask } from "./tasks/source_task.ts";
import { StatefulTask } from "./tasks/stateful_task.ts";
import { type OriginName, originName, type SourceName, sourceName } from "./time/controls.ts";
import { MergedTime } from "./time/merged_time.ts";
import { Origins } from "./time/origins.ts";
import type { WorkerAlignment } from "./time/source_alignment.ts";
import { SourceTimes } from "./time/source_times.ts";
import type { StepSources } from "./time/step_time.ts";
import type { EpochSource, Task, TaskHost } from "./tasks/task.ts";
import { traced, type Traces } from "./traces.ts";

/**
 * All channels of a worker hold this many bytes together. As many may be on their way to others.
 */
const WAITING_BYTES = 64 << 20;

/**
 * The most that waits before a `mapAsync`, as a multiple of its `concurrency`. It is enough for
 * calls that are fast, and soon worked off where calls begin to take long.
 */
const WAITING_CALLS = 8;

/**
 * The same after a step that may drop items: in smaller batches, dropping takes twice the time.
 */
const WAITING_AFTER_DROPS = 64;

/** What the tasks of a worker are made of. */
export interface Parts {
  readonly plan: Plan;
  readonly readers: ReadonlyMap<InputNode, InputReader<unknown>>;
  readonly writers: ReadonlyMap<CaptureNode, OutputWriter<unknown>>;
  readonly counter: FlowCounter;
  readonly host: TaskHost;
  readonly log: Log;
  /** The traces of items; `null` if nothing is exported. */
  readonly traces: Traces | null;
  /** How many workers there are. */
  readonly workerCount: number;
  /** Keeps the inputs together in event time. */
  readonly alignment: WorkerAlignment;
  /** To the other workers; `null` where there are none. */
  readonly mesh: Mesh | null;
  /** To the other tasks of a group, in place of a mesh; `null` if this is not a task. */
  readonly shuffle: TaskShuffle | null;
  /** The one that the run starts in. */
  readonly epoch: Epoch;
}

/** The tasks of a worker. */
export interface Tasks {
  /** All of them, those downstream first: so what is there goes out before more comes in. */
  readonly all: readonly Task[];
  /** The stage of each of them. */
  readonly stages: readonly StageNumber[];
  readonly sources: readonly EpochSource[];
  readonly sinks: readonly SinkTask[];
  /** The stateful steps. */
  readonly keyed: ReadonlyMap<StepId, KeyedStep>;
  /** Those of them that are tasks of their own, whose time may be part of snapshots. */
  readonly stateful: readonly StatefulTask[];
}

/** A stateful step, as far as a snapshot's state is put back into it. */
export interface KeyedStep extends KeysOfStep {
  /** Makes a key out of what a snapshot has of it. */
  restore(key: string, id: number, state: unknown): void;
}

/** Makes the tasks of a worker. */
export function assemble(parts: Parts): Tasks {
  return new Assembly(parts).make();
}

class Assembly {
  readonly #parts: Parts;
  readonly #exchanges: readonly ExchangeNode[];
  readonly #logEnds: LogEnds | null;
  readonly #ends: ExchangeEnds | null;
  readonly #channelBytes: number;
  readonly #inputs = new Map<HeadNode, Incoming[]>();
  readonly #sinkInputs = new Map<CaptureNode, Channel>();
  readonly #keyed = new Map<StepId, KeyedStep>();
  readonly #stateful: StatefulTask[] = [];
  readonly #origins: Origins;
  readonly #notes = new WorkerNotes();
  readonly #times = new Map<StatefulNode, SourceTimes>();

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#origins = new Origins(parts.plan, parts.shuffle?.tasksOf ?? parts.workerCount);
    this.#exchanges = exchangesOf(parts.plan);
    const channels = parts.plan.stages.reduce((sum, { ports }) => sum + ports.length, 0);
    this.#channelBytes = Math.min(CHANNEL_BYTES, WAITING_BYTES / channels);
    const newChannel = () => this.#newChannel();
    const { mesh, shuffle, workerCount, epoch, host: { workerIndex } } = parts;
    this.#logEnds = shuffle && new LogEnds(
      shuffle.out,
      epoch,
      newChannel,
      (exchange, fail) => this.#sentTime(exchange, fail),
    );
    const remoteBytes = WAITING_BYTES / (this.#exchanges.length * (workerCount - 1));
    this.#ends = this.#logEnds ??
      (mesh && new MeshEnds(mesh, { workerIndex, workerCount, remoteBytes, newChannel }));
  }

  make(): Tasks {
    const { plan } = this.#parts;
    const upstreamFirst: Task[] = [];
    const sources: EpochSource[] = [];
    for (const stage of plan.stages) {
      const task = this.#stageTask(stage);
      if (task instanceof SourceTask) sources.push(task);
      upstreamFirst.push(task);
    }
    const shuffle = this.#shuffleTask();
    if (shuffle !== null) sources.push(shuffle);
    const sinks = plan.captures.map((node) => this.#sink(node));
    const all = [...upstreamFirst, ...sinks].reverse();
    const numbers = numberStages(plan);
    const nodes = [...plan.stages.map(({ head }) => head), ...plan.captures].reverse();
    const stages = nodes.map((node) => numbers.get(node)!);
    if (shuffle !== null) {
      all.push(shuffle);
      const { stage } = numbers.get(
        plan.stages.find(({ head }) => head.kind === "exchange")!.head,
      )!;
      stages.push({ stage, isHidden: true });
    }
    return { all, stages, sources, sinks, keyed: this.#keyed, stateful: this.#stateful };
  }

  /** What reads the log for all exchanges; `null` where that is not needed. */
  #shuffleTask(): ShuffleTask | null {
    const { plan, shuffle, host, epoch } = this.#parts;
    if (shuffle === null || shuffle.reader === null) return null;
    const { reader, from, resume, mostHeld } = shuffle;
    const { channels } = this.#logEnds!;
    const [first] = channels.keys();
    const stepId = shownIdOf(plan, this.#exchanges[first]);
    const times = new Map(
      [...channels.keys()].flatMap((exchange) => {
        const time = this.#mergedTime(this.#exchanges[exchange], shuffle);
        return time === null ? [] : [[exchange, time]];
      }),
    );
    const orders = new Map(
      [...channels.keys()].flatMap((exchange) => {
        const order = this.#streamOrder(this.#exchanges[exchange]);
        return order === null ? [] : [[exchange, order]];
      }),
    );
    const knownTo = (exchange: number) =>
      this.#timesOf(timedAfter(plan.consumers, this.#exchanges[exchange])!).delivered;
    const at = { reader, from, resume, epoch, ...mostHeld === undefined ? {} : { mostHeld } };
    return new ShuffleTask(stepId, host, { ...at, channels, times, orders, knownTo });
  }

  /** Keeps what is sent to an exchange together in event time; `null` where that is not to be. */
  #streamOrder(exchange: ExchangeNode): StreamOrder | null {
    const { plan: { consumers } } = this.#parts;
    const receiver = timedAfter(consumers, exchange);
    const origins = this.#origins.direct(exchange);
    if (receiver === null || origins.size === 0) return null;
    return new StreamOrder({ driftMs: receiver.driftMs ?? Infinity, origins });
  }

  /** What the tasks that send to an exchange tell of event time; `null` for nothing. */
  #mergedTime(exchange: ExchangeNode, { tasksOf }: TaskShuffle): MergedTime | null {
    const { plan, host: { workerIndex } } = this.#parts;
    if (!feedsTimed(plan, exchange)) return null;
    const tasks = tasksOf(exchange.upstreams[0]);
    return new MergedTime(tasks, this.#origins.carries(exchange, [], workerIndex));
  }

  /** What this task tells an exchange of event time; `null` for nothing. */
  #sentTime(exchange: number, fail: FailItem): SentTime | null {
    const { plan, alignment } = this.#parts;
    const node = this.#exchanges[exchange];
    if (!feedsTimed(plan, node)) return null;
    const receiver = timedAfter(plan.consumers, node);
    if (receiver === null) return new SentTime(exchange, null);
    const { steps, isInOrder } = this.#origins.reaching(receiver);
    const { driftMs = Infinity } = receiver;
    const time = new SentTime(exchange, {
      timeOf: receiver.timeOf!,
      waitMs: isInOrder ? receiver.waitMs! : Infinity,
      driftMs,
      fail,
      onNewest: () => alignment.changed(),
      steps: new Set(steps.keys()),
    });
    const origins = this.#origins.direct(node);
    const unread = () => this.#unread(origins);
    const times = new SentAlignment((source) => time.newestOf(source), unread);
    alignment.add({ times, origins, driftMs });
    return time;
  }

  /** The sources of this task that have more to read, of those that these origins read. */
  *#unread(origins: ReadonlySet<OriginName>): Iterable<SourceName> {
    const { plan, readers, host: { workerIndex } } = this.#parts;
    for (const [node, reader] of readers) {
      const step = idOf(plan, node);
      if (!origins.has(originName(step, workerIndex))) continue;
      for (const [partition, state] of reader.sources?.() ?? []) {
        if (state === "behind") yield sourceName(step, workerIndex, partition);
      }
    }
  }

  #stageTask(stage: StagePlan): Task {
    const { plan, readers, host, epoch, alignment } = this.#parts;
    const { head } = stage;
    const id: StepId = idOf(plan, head);
    const inputs = head.kind === "exchange"
      ? this.#ends!.incoming(this.#exchanges.indexOf(head))
      : this.#inputs.get(head) ?? [];
    const outlet = this.#outlet(stage);
    const tellsActivity = goesByTime(plan.graph);
    const isLogged = this.#parts.shuffle !== null;
    const isTimed = feedsTimed(plan, head);
    switch (head.kind) {
      case "input":
        return new SourceTask(id, readers.get(head)!, outlet, host, {
          epoch,
          tellsActivity,
          notes: this.#notes,
          traces: this.#parts.traces,
          isEndless: isLogged,
          alignment: isTimed ? alignment.input(id, host.workerIndex) : null,
          isLogged: isTimed && isLogged,
        });
      case "merge":
        return new MergeTask(id, inputs, outlet, host, epoch, this.#carries(head));
      case "exchange":
        return new MergeTask(
          shownIdOf(plan, head),
          inputs,
          outlet,
          host,
          epoch,
          this.#carries(head),
        );
      case "async":
        return new AsyncTask(id, traced(head, this.#parts.traces), inputs[0], outlet, host, epoch);
      case "stateful": {
        const [exchange] = head.upstreams;
        const combiner = exchange.kind === "exchange" ? combinerOf(plan, exchange) : null;
        const node = combiner === null ? head : { ...head, begin: combiner.begin };
        const sources = head.quiet ? this.#sources(head) : null;
        const task = new StatefulTask(id, node, inputs[0], outlet, host, epoch, sources);
        this.#keyed.set(id, task);
        this.#stateful.push(task);
        return task;
      }
    }
  }

  #carries(head: HeadNode): (channel: number, origin: OriginName) => boolean {
    // What comes from the log has been merged before.
    if (this.#logEnds !== null && head.kind === "exchange") return () => true;
    const { stages } = this.#parts.plan;
    const upstream = stages.filter(({ ports }) => ports.includes(head as PortNode));
    const heads = upstream.map((stage) => stage.head);
    return this.#origins.carries(head, heads, this.#parts.host.workerIndex);
  }

  /** The time of a step's sources, also for those upstream who combine values for it. */
  #timesOf(node: StatefulNode): SourceTimes {
    let times = this.#times.get(node);
    if (times === undefined) {
      const { workerCount: workers, host: { workerIndex }, shuffle } = this.#parts;
      const isLogged = shuffle !== null;
      const worker = isLogged ? 0 : workerIndex;
      times = new SourceTimes({ ...this.#origins.reaching(node), worker, workers, isLogged });
      this.#times.set(node, times);
    }
    return times;
  }

  #sources(node: StatefulNode): StepSources {
    const { plan, host, workerCount, mesh, shuffle, alignment, log } = this.#parts;
    const { workerIndex } = host;
    const reaching = this.#origins.reaching(node);
    const times = this.#timesOf(node);
    const { driftMs = Infinity } = node;
    // In a group, inputs are kept together where they send, and at the shards.
    if (shuffle === null) alignment.add({ times, origins: new Set(reaching.origins), driftMs });
    const timed = plan.stages.map(({ head }) => head)
      .filter((head) => head.kind === "stateful" && head.quiet);
    // Reports go like the frames of an exchange, whose numbers follow those of the exchanges.
    const number = this.#exchanges.length + timed.indexOf(node);
    const peers = Array.from({ length: shuffle === null ? workerCount : 0 }, (_, worker) => worker)
      .filter((worker) => worker !== workerIndex)
      .map((worker) => ({
        worker,
        to: mesh!.sender(number, worker),
        from: mesh!.receiver(number, worker),
      }));
    const feeds = feedsTimed(plan, node);
    const origin = feeds ? originName(idOf(plan, node), workerIndex) : null;
    const step = idOf(plan, node);
    return {
      times,
      origin,
      peers,
      alignment,
      isOwn: (name) => name.endsWith(originName("", workerIndex)),
      onStuck: (source, ms) => {
        log.warn(
          "event time stands still, and other sources wait: nothing of this one comes to the step",
          { step, source, seconds: Math.round(ms / 1_000) },
        );
      },
    };
  }

  #sink(node: CaptureNode): SinkTask {
    const inputs = inputsOf(this.#parts.plan, node);
    const { plan, writers, counter, host, epoch } = this.#parts;
    const input = this.#sinkInputs.get(node)!;
    const { shuffle } = this.#parts;
    const onWrite = (items: number, epoch: Epoch) => {
      counter.add(node, items);
      shuffle?.onWrite(epoch);
    };
    const notesAt = (epoch: Epoch) => this.#notes.at(inputs, epoch);
    const waitsForCommit = shuffle === null ? undefined : true;
    const options = { epoch, onWrite, notesAt, waitsForCommit };
    return new SinkTask(idOf(plan, node), writers.get(node)!, input, host, options);
  }

  #outlet(stage: StagePlan): Outlet {
    const { counter, host } = this.#parts;
    const ports = stage.ports.map((port) =>
      port.kind === "exchange" ? this.#sender(port) : this.#channel(port, stage)
    );
    const fused = new Map<StepId, KeyTable>();
    return new Outlet(this.#chain(stage, fused), ports, host.pace, {
      emit: (items) => counter.add(stage.head, items),
      snapshot: (epoch) => {
        for (const [id, table] of fused) host.journal?.snapshot(epoch, id, table);
      },
    });
  }

  #channel(port: PortNode, stage: StagePlan): Outgoing {
    const channel = this.#newChannel(this.#mostItems(port, stage));
    if (port.kind === "capture") this.#sinkInputs.set(port, channel);
    else this.#inputs.set(port, [...this.#inputs.get(port) ?? [], channel]);
    return channel;
  }

  #newChannel(items = CHANNEL_ITEMS): Channel {
    const { pace } = this.#parts.host;
    return new Channel({ items, bytes: this.#channelBytes, now: () => pace.now });
  }

  /** The most items of a stage that wait for a task, however fast that has been. */
  #mostItems(port: PortNode, stage: StagePlan): number {
    const { plan } = this.#parts;
    if (port.kind === "merge") {
      const merging = plan.stages.find(({ head }) => head === port)!;
      const most = merging.ports.map((next) => this.#mostItems(next, merging));
      return most.length === 0 ? CHANNEL_ITEMS : Math.max(...most);
    }
    if (port.kind !== "async") return CHANNEL_ITEMS;
    const drops = [...plan.stageOf].some(([node, head]) =>
      head === stage.head && node.kind === "chain" && node.op.changesCount
    );
    const calls = drops ? WAITING_AFTER_DROPS : WAITING_CALLS;
    return Math.min(CHANNEL_ITEMS, port.concurrency * calls);
  }

  /** Where a stage sends that feeds an exchange. */
  #sender(node: ExchangeNode): Outgoing {
    const { plan, host: { workerIndex: worker } } = this.#parts;
    const stepId = shownIdOf(plan, node);
    const fail = (item: unknown, thrown: unknown): StepError =>
      thrown instanceof StepError
        ? thrown
        : new StepError({ stepId, worker, item: preview(item) }, thrown);
    const out = this.#ends!.outgoing(this.#exchanges.indexOf(node), node.route, fail);
    const combiner = combinerOf(plan, node);
    if (combiner !== null) return new Combining(combiner, out, fail);
    const ofWindows = windowCombinerOf(plan, node);
    // What a group's tasks have agreed on is not known here.
    if (ofWindows === null || this.#logEnds !== null) return out;
    const times = this.#timesOf(plan.consumers.get(node)![0] as StatefulNode);
    const origins = this.#origins.ownInOrder(node, worker);
    return new WindowCombining(ofWindows, out, times, origins, fail);
  }

  /** The loop of a stage. The keys of stateful steps in it are put into `fused`. */
  #chain(stage: StagePlan, fused: Map<StepId, KeyTable>): Chain | null {
    const { plan, readers, counter, host, epoch } = this.#parts;
    if (isPassThrough(plan, stage)) return null;
    const { head } = stage;
    const reader = head.kind === "input" ? readers.get(head) : undefined;
    const tableOf = (node: StatefulNode): KeyTable => {
      const id = idOf(plan, node);
      // A fused step has no timers, so it is not told of quiet time.
      const scope = stepScope(host.clock, () => 0);
      const table = createKeyTable(node, host.journal?.ids() ?? null, scope);
      host.journal?.watch(id, table, epoch);
      fused.set(id, table);
      this.#keyed.set(id, table);
      return table;
    };
    return compileChain(plan, stage, counter, tableOf, (stepId, item, thrown, from) => {
      const origin = reader?.locate?.(from) ?? undefined;
      const where = { stepId, worker: host.workerIndex, item: preview(item) };
      return new StepError(origin === undefined ? where : { ...where, origin }, thrown);
    });
  }
}
