/** The log of a group in memory: topics, transactions, visibility at the commit, and fencing. */
import type { TaskId } from "../../../src/core/task_id.ts";
import { decodeValue } from "../../../src/core/value_codec.ts";
import type {
  InputConfig,
  InputReader,
  OutputConfig,
  OutputWriter,
  Place,
  Positions,
} from "../../../src/graph/contracts.ts";
import {
  FencedError,
  type GroupEpoch,
  type GroupLog,
  type RecordLimit,
  type RestoredKeys,
  type RestoredTask,
  SHUFFLE_STEP,
  type ShuffleReader,
  type ShuffleRecord,
  type Standby,
  type TaskEpoch,
  type WaitingForCommit,
} from "../../../src/group/log.ts";
import { decodeShuffleBatch } from "../../../src/runtime/group/shuffle_batch.ts";
import { EndingSources } from "../../../src/graph/ending_sources.ts";
import { eachChange, type StoredKey, type StoredPosition } from "../../../src/recovery/store.ts";

/** Where a process may be stopped by a test. */
export type LogPoint =
  /** Nothing of the epoch is written yet. */
  | "before commit"
  /** All is written, and the transaction is open: nobody sees it. */
  | "in commit"
  /** It is committed, and the process does not know. */
  | "after commit"
  /** Some keys of a task have been read. */
  | "restoring";

/** Keys of a step in one part of a restore. */
const PART = 3;

/** A list that only grows, and wakes those who wait for more. */
class Grown<T> {
  readonly items: T[] = [];
  #waiting: (() => void)[] = [];

  add(...items: readonly T[]): void {
    this.items.push(...items);
    for (const wake of this.#waiting.splice(0)) wake();
  }

  /** Resolves when there are more than `count`. */
  async more(count: number): Promise<void> {
    while (this.items.length <= count) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }
}

/** What is committed of a task. */
class KeptTask {
  positions: readonly StoredPosition[] = [];
  readonly keys = new Map<string, Map<string, StoredKey>>(); // by step and key

  apply({ positions, state }: TaskEpoch): void {
    this.positions = positions;
    for (const chunk of state) {
      let keys = this.keys.get(chunk.step);
      if (keys === undefined) this.keys.set(chunk.step, keys = new Map());
      for (const { id, key, state } of eachChange(chunk)) {
        if (key === null) throw new Error(`a change of step ${chunk.step} has no key`);
        if (state === null) keys.delete(key);
        else keys.set(key, { id, key, state: state.slice() });
      }
    }
  }
}

/**
 * An input that reads topics. By itself, without a group, it reads all that is there, in the order
 * in which it was added.
 */
export class TopicInput<T> implements InputConfig<T> {
  readonly topics: readonly string[];
  readonly #all: MemoryTopics;
  readonly #turns: Turns;

  constructor(all: MemoryTopics, topics: readonly string[], turns: Turns = { next: 0 }) {
    this.#all = all;
    this.topics = topics;
    this.#turns = turns;
  }

  open(): Promise<InputReader<T>> {
    const own = this.#all.appended.filter(({ topic }) => this.topics.includes(topic));
    const turns = this.#turns;
    const names = this.topics.flatMap((topic) =>
      this.#all.partitions(topic).map((_, partition) => `${topic}/${partition}`)
    );
    const left = new Map(names.map((name) => [name, 0]));
    for (const { name } of own) left.set(name, left.get(name)! + 1);
    const sources = new EndingSources(names.filter((name) => left.get(name)! > 0));
    let source = "";
    let last: Appended | null = null;
    const next = (): T[] | null => {
      const first = own.at(0);
      if (first === undefined) {
        turns.next = Math.max(turns.next, (last?.number ?? -1) + 1);
        return null;
      }
      // The turn is over once the engine has taken its item on: then it asks again.
      if (last !== null) turns.next = Math.max(turns.next, last.number + 1);
      if (turns.next < first.number) return [];
      own.shift();
      last = first;
      source = first.name;
      left.set(source, left.get(source)! - 1);
      if (left.get(source) === 0) sources.end(source);
      return [first.item as T];
    };
    return Promise.resolve({
      next,
      sources: () => sources,
      source: () => source,
      ready: () => Promise.resolve(),
      positions: () => new Map(),
      close: () => Promise.resolve(),
    });
  }
}

/** Which item is next, where several inputs of one machine read in the order of their items. */
export interface Turns {
  next: number;
}

/** An output with a name. By itself it writes at once. */
export class NamedOutput<T> implements OutputConfig<T> {
  readonly name: string;
  readonly items: T[];

  constructor(name: string, items: T[]) {
    this.name = name;
    this.items = items;
  }

  open(): Promise<OutputWriter<T>> {
    return Promise.resolve({
      write: (batch) => void this.items.push(...batch),
      prepare: () => Promise.resolve(new Map()),
      close: () => Promise.resolve(),
    });
  }
}

/** An item of a topic. */
interface Appended {
  readonly topic: string;
  /** That of the partition. */
  readonly name: string;
  readonly item: unknown;
  /** How many were added to any topic before. */
  readonly number: number;
}

/** Topics with items, before anybody reads them. */
export class MemoryTopics {
  readonly #topics = new Map<string, readonly Grown<unknown>[]>();
  /** All items, in the order in which they were added. */
  readonly appended: Appended[] = [];

  /** Makes a topic. */
  create(topic: string, partitions: number): void {
    this.#topics.set(topic, Array.from({ length: partitions }, () => new Grown()));
  }

  /** Adds a partition to a topic. */
  grow(topic: string): void {
    this.#topics.set(topic, [...this.partitions(topic), new Grown()]);
  }

  append(topic: string, partition: number, ...items: readonly unknown[]): void {
    for (const item of items) {
      const number = this.appended.length;
      this.appended.push({ topic, name: `${topic}/${partition}`, item, number });
    }
    this.partitions(topic)[partition].add(...items);
  }

  partitions(topic: string): readonly Grown<unknown>[] {
    return this.#topics.get(topic)!;
  }
}

/** What is common to all processes of a group. */
export class MemoryGroup {
  readonly topics = new MemoryTopics();
  /** What is visible of each output. */
  readonly outputs = new Map<string, unknown[]>();
  /** How many items of a topic are handed out at once, at most. */
  mostAtOnce = 7;
  /** How many epochs have been committed. */
  commits = 0;
  /** How many records tasks have sent one another. */
  records = 0;
  /** Stops a process at a point; absent for none. */
  stopAt: ((point: LogPoint, log: MemoryLog) => boolean) | null = null;
  /** Holds up the end of an epoch of an output; absent for none. */
  holdPrepare: ((output: string) => Promise<void>) | null = null;
  /** Holds up restores, as a last owner does whose transaction is open; `null` for none. */
  holdRestore: Promise<void> | null = null;
  readonly #tasks = new Map<TaskId, KeptTask>();
  readonly #owners = new Map<TaskId, MemoryLog>();
  readonly #shuffles = new Map<string, Grown<Uint8Array>>();
  readonly #read = new Map<string, Grown<unknown>>(); // by step and partition

  task(task: TaskId): KeptTask {
    let kept = this.#tasks.get(task);
    if (kept === undefined) this.#tasks.set(task, kept = new KeptTask());
    return kept;
  }

  shuffle(task: string): Grown<Uint8Array> {
    let records = this.#shuffles.get(task);
    if (records === undefined) this.#shuffles.set(task, records = new Grown());
    return records;
  }

  ownerOf(task: TaskId): MemoryLog | undefined {
    return this.#owners.get(task);
  }

  own(task: TaskId, log: MemoryLog): void {
    this.#owners.set(task, log);
  }

  /** An input is to read all that a topic has. */
  reads(step: string, topic: string): void {
    this.topics.partitions(topic).forEach((items, partition) => {
      this.#read.set(`${step} ${topic}/${partition}`, items);
    });
  }

  /** How many items, and records with items, the tasks have not read and committed. */
  get left(): number {
    const committed = new Map<string, number>();
    for (const [task, { positions }] of this.#tasks) {
      for (const at of positions) {
        const name = at.step === SHUFFLE_STEP ? task : `${at.step} ${at.partition}`;
        if (at.role === "input") committed.set(name, Number(decodeValue(at.state)));
      }
    }
    let left = 0;
    for (const [name, { items }] of this.#read) left += items.length - (committed.get(name) ?? 0);
    for (const [name, { items }] of this.#shuffles) {
      left += items.slice(committed.get(name) ?? 0).filter(hasItems).length;
    }
    return left;
  }

  /** Makes an epoch visible, all at once. */
  apply(epoch: GroupEpoch, outputs: readonly (readonly [name: string, items: unknown[]])[]): void {
    this.commits++;
    for (const task of epoch.tasks) this.task(task.task).apply(task);
    this.records += epoch.shuffle.length;
    for (const { subtopology, shard, bytes } of epoch.shuffle) {
      this.shuffle(`${subtopology}_${shard}`).add(bytes);
    }
    for (const [name, items] of outputs) {
      const all = this.outputs.get(name) ?? [];
      this.outputs.set(name, [...all, ...items]);
    }
  }
}

/** Whether a record has more than what is told of event time, which never ends. */
function hasItems(record: Uint8Array): boolean {
  return decodeShuffleBatch(record).frames.some(({ kind }) => kind === "batch");
}

/** What an output of a process has written and not committed. */
interface Written {
  readonly name: string;
  readonly items: unknown[];
}

/** The log as one process sees it. */
export class MemoryLog implements GroupLog {
  /** What this process has restored, opened and released, in order. */
  readonly calls: string[] = [];
  readonly #group: MemoryGroup;
  readonly #readers = new Map<TaskId, ShuffleReader>();
  #prepared: Written[] = [];
  #committing: Promise<void> = Promise.resolve();
  #isDead = false;
  #died: PromiseWithResolvers<void> = Promise.withResolvers();

  constructor(group: MemoryGroup) {
    this.#group = group;
  }

  /** Whether the process has been stopped at a point. */
  get isDead(): boolean {
    return this.#isDead;
  }

  /** Resolves when it has been. */
  get died(): Promise<void> {
    return this.#died.promise;
  }

  /** The process is gone: nothing of what it does from now on reaches the others. */
  die(): void {
    this.#isDead = true;
    this.#died.resolve();
  }

  openInput(
    config: InputConfig<unknown>,
    partition: number,
    { alignment = null }: Place,
    resume: Positions,
  ): Promise<InputReader<unknown>> {
    if (!(config instanceof TopicInput)) throw new TypeError("only topics can be shared out");
    const parts = config.topics.flatMap((topic) => {
      const items = this.#group.topics.partitions(topic).at(partition);
      const name = `${topic}/${partition}`;
      if (items === undefined) return [];
      return [{ name, items, next: resume.get(name) as number ?? 0 }];
    });
    let source = "";
    const next = (limit = Infinity): unknown[] => {
      const names = parts.filter(hasMore).map(({ name }) => name);
      if (names.length === 0) return [];
      const chosen = alignment === null
        ? { source: names[0], most: Infinity }
        : alignment.choose(names);
      if (chosen === null) return [];
      const part = parts.find(({ name }) => name === chosen.source)!;
      const most = Math.min(limit, chosen.most, this.#group.mostAtOnce);
      const batch = part.items.items.slice(part.next, part.next + most);
      part.next += batch.length;
      source = part.name;
      return batch;
    };
    const hasMore = (part: typeof parts[number]) => part.next < part.items.items.length;
    return Promise.resolve({
      next,
      sources: () =>
        new Map(parts.map((part) => [part.name, hasMore(part) ? "behind" : "current"])),
      source: () => source,
      idle: () => !parts.some(hasMore),
      ready: () => {
        // Others may have come up, or there may be something that need not wait for them.
        const more = parts.filter((part) => alignment === null || !hasMore(part));
        const held = alignment === null ? [] : [alignment.changed()];
        return Promise.race([...more.map((part) => part.items.more(part.next)), ...held]);
      },
      positions: () => new Map(parts.map((part) => [part.name, part.next])),
      close: () => Promise.resolve(),
    });
  }

  openOutput(
    config: OutputConfig<unknown>,
    _at: Place,
    _resume: Positions,
    waiting: WaitingForCommit,
  ): Promise<OutputWriter<unknown>> {
    if (!(config instanceof NamedOutput)) throw new TypeError("only named outputs are kept");
    const { name } = config;
    let items: unknown[] = [];
    return Promise.resolve({
      write: (batch, epoch) => {
        items.push(...batch);
        waiting.add(epoch, batch.reduce<number>((sum, item) => sum + bytesOf(item), 0));
      },
      prepare: async () => {
        this.#prepared.push({ name, items });
        items = [];
        await this.#group.holdPrepare?.(name);
        return new Map();
      },
      close: () => Promise.resolve(),
    });
  }

  async restore(task: TaskId): Promise<RestoredTask> {
    this.calls.push(`restore ${task}`);
    const last = this.#group.ownerOf(task);
    this.#group.own(task, this);
    if (last !== undefined && last !== this) await last.#committing;
    await this.#group.holdRestore;
    const kept = this.#group.task(task);
    return { positions: kept.positions, keys: () => this.#keysOf(kept) };
  }

  async *#keysOf(kept: KeptTask): AsyncGenerator<RestoredKeys> {
    for (const [step, keys] of [...kept.keys]) {
      const all = [...keys.values()];
      for (let from = 0; from < all.length; from += PART) {
        await this.#pass("restoring");
        yield { step, keys: all.slice(from, from + PART) };
      }
    }
  }

  /** Stays here for ever if the process is stopped at this point. */
  async #pass(point: LogPoint): Promise<void> {
    await Promise.resolve();
    if (this.#group.stopAt?.(point, this)) this.die();
    if (this.#isDead) await new Promise(() => {});
  }

  partitionsOf(topic: string): Promise<number> {
    return Promise.resolve(this.#group.topics.partitions(topic).length);
  }

  recordLimit(): RecordLimit {
    return { bytes: 8 << 20, raise: "raise the limit of records" };
  }

  readShuffle(task: TaskId, from: bigint | null): ShuffleReader {
    const records = this.#group.shuffle(task);
    let next = Number(from ?? 0n);
    const reader = {
      next: () => {
        const bytes = records.items.at(next);
        return bytes === undefined ? null : { bytes, next: BigInt(++next) };
      },
      ready: () => records.more(next),
      get isCurrent() {
        return next === records.items.length;
      },
      get lag() {
        return records.items.length - next;
      },
      unreadable: (_: ShuffleRecord, cause: Error) => cause,
      close: () => void this.#readers.delete(task),
    };
    this.#readers.set(task, reader);
    return reader;
  }

  /** The shuffles that are open. */
  get openShuffles(): readonly TaskId[] {
    return [...this.#readers.keys()];
  }

  async commit(epoch: GroupEpoch): Promise<void> {
    const prepared = this.#prepared;
    this.#prepared = [];
    await this.#pass("before commit");
    // Others that restore one of the tasks wait until the transaction is over, well or not.
    const over = Promise.withResolvers<void>();
    this.#committing = over.promise;
    const dying = this.#group.stopAt?.("in commit", this) ?? false;
    if (!dying) {
      using identity = await epoch.identity?.() ?? null;
      if (identity !== null) this.calls.push(`commit as ${identity.memberId}`);
      for (const { task } of epoch.tasks) {
        if (this.#group.ownerOf(task) === this) continue;
        over.resolve();
        throw new FencedError(`task ${task} belongs to another process`);
      }
      this.#group.apply(epoch, prepared.map(({ name, items }) => [name, items]));
      over.resolve();
      await this.#pass("after commit");
      return;
    }
    this.die();
    setTimeout(() => over.resolve(), 0); // the transaction times out, and is aborted
    await new Promise(() => {});
  }

  get stored(): ReadonlyMap<TaskId, number> {
    return new Map();
  }

  standby(task: TaskId): Standby {
    this.calls.push(`standby ${task}`);
    return { lag: 0, hasFailed: false, close: () => void this.calls.push(`end standby ${task}`) };
  }

  release(task: TaskId): void {
    this.calls.push(`release ${task}`);
  }

  waitingFor(): string | null {
    return null;
  }

  close(): Promise<void> {
    this.#prepared = [];
    return Promise.resolve();
  }
}

/** How many bytes an item of an output has; 0 for all but bytes. */
function bytesOf(item: unknown): number {
  return item instanceof Uint8Array ? item.length : 0;
}
