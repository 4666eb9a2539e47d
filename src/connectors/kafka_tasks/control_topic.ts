/**
 * The topic that says what an app is. All machines compare themselves with it before they join.
 *
 * ```text
 *   key ["group"]         {"format":1,"generation":1,"shards":…,"protocol":…,"hash":…,
 *                          "subtopologies":[…],"exchanges":[…],"dropped":[…],
 *                          "enteredAt":…}
 *   key ["begun"]         {}, in the first transaction of each process
 *   key ["begun","TASK"]  {}, in the first transaction of the task
 *   key ["moved","TASK"]  where a task begins that has nothing of its own in this generation
 *   key ["first","TOPIC"] {"partitions":…}: how many the topic had when the app first read it
 *   key ["failure"]       {"text":…,"at":…}: why a machine has ended all of them last
 * ```
 *
 * Only the process that has acquired the transactional id of the topic last can write them, except
 * the second and the third.
 *
 * @module
 */
import { messageOf, UsageError } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import type { StepId } from "../../core/ids.ts";
import type { TaskId } from "../../core/task_id.ts";
import { controlTopic, groupIdOf, type GroupTopology } from "../../group/topology.ts";
import type { StoredPosition } from "../../recovery/store.ts";
import type { KafkaConnection } from "../kafka/client/connection.ts";
import { readCommitted } from "../kafka/read/read_committed.ts";
import type { WireRecord } from "../kafka/wire/write_batch.ts";
import { PATIENCE_MS, persistingInReach } from "./persisting.ts";
import { type PackingOptions, PendingRecords } from "./pending_records.ts";
import { decodePositions, encodePositions } from "./positions.ts";
import { TaskLogError, toBeginAgain } from "./task_log_error.ts";
import { TaskProducer } from "./task_producer.ts";
import { Buffer } from "node:buffer";

/** The layout of all internal topics. */
const FORMAT = 1;

/** How long a transaction that writes to the topic may be open, in milliseconds. */
const TRANSACTION_MS = 10_000;

/**
 * How long the topic may send nothing, in milliseconds. A process that was killed in its first
 * transaction holds it up, until the broker ends that.
 */
const SILENCE_MS = 60_000;

const GROUP_KEY = '["group"]';
const BEGUN = "begun";
const BEGUN_KEY = JSON.stringify([BEGUN]);
const MOVED = "moved";
const FIRST = "first";
const FAILURE_KEY = '["failure"]';

/** Keys of the topic that its groups write. */
const OUR_KEYS = /^\["(group|begun|moved|first|failure)"/;

const PACKING: PackingOptions = { writer: "the group", batchBytes: 1 << 19 };

/** What all machines of a group must have in common. Only the hash of a topology is compared. */
export interface GroupSettings extends GroupTopology {
  /** The protocol of the group, such as `streams`. */
  readonly protocol: string;
  /** Goes up with each change of the layout or the protocol; see `groupIdOf`. */
  readonly generation: number;
  /** Steps whose state and positions do not count any more. */
  readonly dropped: readonly StepId[];
  /** What a machine is about to make of the app, if no other runs it. */
  readonly moving?: { readonly hash: string; readonly protocol: string };
  /**
   * When a machine has entered the app that found no member, in milliseconds since the Unix epoch.
   * Absent once a member has confirmed it.
   */
  readonly enteredAt?: number;
}

/** What has ended an app on all machines. */
export interface GroupFailure {
  /** The error's text. */
  readonly text: string;
  /** When, in milliseconds since the Unix epoch. */
  readonly at: number;
}

/** What the topic says. */
export interface Control {
  /** `null` if no machine has been there yet. */
  readonly group: GroupSettings & { readonly format: number } | null;
  /** Whether anything has been committed in this generation. */
  readonly hasBegun: boolean;
  /** The tasks that have committed in this generation. */
  readonly begunTasks: ReadonlySet<TaskId>;
  /** Where tasks begin that have nothing of their own in this generation. */
  readonly moved: ReadonlyMap<TaskId, readonly StoredPosition[]>;
}

/** How to reach the topic. */
export interface ControlOptions {
  readonly app: string;
  /** Must know the topic, and read uncommitted records. */
  readonly connection: KafkaConnection;
  readonly log: Log;
  /** How long brokers may be away when it is opened, in milliseconds. Reads have 120 s at least. */
  readonly openingMs?: number;
}

/** What is needed to read the topic. */
type ControlSource = Pick<ControlOptions, "app" | "connection" | "openingMs">;

/** Adds records to a transaction, which is the first of these tasks. */
export function addBegun(app: string, tasks: Iterable<TaskId>, pending: PendingRecords): void {
  const of = { topic: controlTopic(app), partition: 0 };
  for (const key of [BEGUN_KEY, ...Array.from(tasks, begunKey)]) {
    pending.add(of, recordOf(key, {}), PACKING);
  }
}

/** Writes to the topic, for as long as nobody else has opened it since. */
export class ControlWriter implements AsyncDisposable {
  readonly #app: string;
  readonly #producer: TaskProducer;

  private constructor(app: string, producer: TaskProducer) {
    this.#app = app;
    this.#producer = producer;
  }

  /** From now on, no other writer can write. What is read from now on, nobody else changes. */
  static async open({ app, connection, log, openingMs }: ControlOptions): Promise<ControlWriter> {
    const producer = await TaskProducer.open({
      transactionalId: controlTopic(app),
      timeoutMs: TRANSACTION_MS,
      connection,
      log,
      ...openingMs === undefined ? {} : { openingMs },
    });
    return new ControlWriter(app, producer);
  }

  /** Writes what the app is. The rest of the topic stays. */
  async write(settings: GroupSettings): Promise<void> {
    await this.#commit([recordOf(GROUP_KEY, { ...settings, format: FORMAT })]);
  }

  /** Begins another generation, in which nothing has been committed or has failed. All at once. */
  async begin(
    settings: GroupSettings,
    moved: ReadonlyMap<TaskId, readonly StoredPosition[]>,
    before: Control,
  ): Promise<void> {
    const gone = [...before.moved.keys()].filter((task) => !moved.has(task));
    await this.#commit([
      recordOf(GROUP_KEY, { ...settings, format: FORMAT }),
      ...this.#forgotten(gone, before),
      ...Array.from(moved, ([task, positions]) => ({
        ...recordOf(JSON.stringify([MOVED, task]), {}),
        value: Buffer.from(encodePositions(positions)),
      })),
    ]);
  }

  /** Writes how many partitions topics have, which the app reads for the first time. */
  async writeFirst(partitions: ReadonlyMap<string, number>): Promise<void> {
    await this.#commit(
      Array.from(partitions, ([topic, count]) => recordOf(firstKey(topic), { partitions: count })),
    );
  }

  /** Tells all machines what ends them. */
  async writeFailure(failure: GroupFailure): Promise<void> {
    await this.#commit([recordOf(FAILURE_KEY, failure)]);
  }

  /** Has the topic say again that nothing was ever read or committed. What the app is stays. */
  async forgetBegun(control: Control, topics: Iterable<string>): Promise<void> {
    const { group, moved } = control;
    const settings = group === null ? [] : [recordOf(GROUP_KEY, { ...group, dropped: [] })];
    const first = Array.from(
      topics,
      (topic) => ({ ...recordOf(firstKey(topic), {}), value: null }),
    );
    await this.#commit([...settings, ...this.#forgotten([...moved.keys()], control), ...first]);
  }

  #forgotten(moved: readonly TaskId[], { begunTasks }: Control): WireRecord[] {
    const keys = [
      BEGUN_KEY,
      FAILURE_KEY,
      ...Array.from(begunTasks, begunKey),
      ...moved.map((task) => JSON.stringify([MOVED, task])),
    ];
    return keys.map((key) => ({ ...recordOf(key, {}), value: null }));
  }

  async #commit(records: readonly WireRecord[]): Promise<void> {
    const pending = new PendingRecords();
    const of = { topic: controlTopic(this.#app), partition: 0 };
    for (const record of records) pending.add(of, record, PACKING);
    const batches = pending.take();
    await this.#producer.commit({ batches, groupId: "", offsets: [], member: null });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#producer.close();
  }
}

/**
 * Has the topic say again that nothing has ever been read or committed. What the app is stays.
 *
 * @throws {Error} If it cannot be written to.
 */
export async function forgetBegun(options: ControlOptions): Promise<void> {
  await using writer = await ControlWriter.open(options);
  const topics = (await readFirstPartitions(options)).keys();
  await writer.forgetBegun(await readControl(options), topics);
}

/**
 * Reads what the app is.
 *
 * @throws {TaskLogError} If something else writes to the topic.
 */
export async function readControl(options: ControlSource): Promise<Control> {
  let group: Control["group"] = null;
  let hasBegun = false;
  const begunTasks = new Set<TaskId>();
  const moved = new Map<TaskId, readonly StoredPosition[]>();
  await read(options, (name, value) => {
    if (name === GROUP_KEY) group = JSON.parse(textOf(value));
    else if (name === BEGUN_KEY) hasBegun = true;
    else if (name !== FAILURE_KEY) {
      const [kind, task] = JSON.parse(name);
      if (kind === FIRST) return;
      if (typeof task !== "string") throw new TypeError("it has an unknown key");
      if (kind === BEGUN) begunTasks.add(task as TaskId);
      else if (kind === MOVED) moved.set(task as TaskId, decodePositions(value));
      else throw new TypeError("it has an unknown key");
    }
  });
  return { group, hasBegun, begunTasks, moved };
}

/**
 * Reads how many partitions topics had when the app read them for the first time.
 *
 * @throws {TaskLogError} If something else writes to the topic.
 */
export async function readFirstPartitions(
  options: ControlSource,
): Promise<ReadonlyMap<string, number>> {
  const first = new Map<string, number>();
  await read(options, (name, value) => {
    const [kind, topic] = JSON.parse(name);
    if (kind === FIRST) first.set(topic, JSON.parse(textOf(value)).partitions);
  });
  return first;
}

/**
 * Reads what has ended the app on all machines last; `null` if nothing has.
 *
 * @throws {TaskLogError} If something else writes to the topic.
 */
export async function readFailure(options: ControlSource): Promise<GroupFailure | null> {
  let failure: GroupFailure | null = null;
  await read(options, (name, value) => {
    if (name === FAILURE_KEY) failure = JSON.parse(textOf(value));
  });
  return failure;
}

/** Hands over the last value of each key. */
async function read(
  { app, connection, openingMs = 0 }: ControlSource,
  take: (name: string, value: Uint8Array) => void,
): Promise<void> {
  const topic = controlTopic(app);
  const last = await persistingInReach(connection, async () => {
    const last = new Map<string, { readonly value: Uint8Array; readonly offset: number }>();
    const options = {
      patienceMs: SILENCE_MS,
      what: `the settings of group "${app}"`,
      ifLost: `delete the topic, ${toBeginAgain(app)}`,
    };
    for await (const records of readCommitted(connection, { topic, partition: 0 }, options)) {
      for (const { key, value, offset } of records) {
        const name = key === null ? "" : textOf(key);
        if (value === null) last.delete(name);
        else last.set(name, { value: value.slice(), offset });
      }
    }
    return last;
  }, Math.max(PATIENCE_MS, openingMs));
  for (const [name, { value, offset }] of last) {
    try {
      take(name, value);
    } catch (cause) {
      const cure = OUR_KEYS.test(name)
        ? "and give the group another name, as what it needs there is overwritten"
        : `and write a record with the key ${JSON.stringify(name)} and no value to take it back`;
      throw new TaskLogError(
        `topic "${topic}", partition 0, offset ${offset}: no group writes this record ` +
          `(${messageOf(cause)}). If something else writes to the topic, stop that, ${cure}`,
        { cause },
      );
    }
  }
}

/**
 * Makes sure that this Millrace can read the topics of an app.
 *
 * @throws {TaskLogError} If another version has made them.
 */
export function requireKnownFormat(app: string, format: number): void {
  if (format === FORMAT) return;
  throw differs(
    app,
    `has topics of format ${format}, and this Millrace knows format ${FORMAT}`,
    "use the same version of Millrace on all machines",
  );
}

/**
 * Makes sure that this Millrace can read the topics of an app, and that the app has the shards that
 * the machine was started with.
 *
 * @throws {TaskLogError} If another version has made them.
 * @throws {UsageError} If the machine was started with other shards. The message has the app's.
 */
export function requireReadable(
  app: string,
  { format, shards }: { readonly format: number; readonly shards: number },
  ours: Pick<GroupTopology, "shards">,
): void {
  requireKnownFormat(app, format);
  if (shards !== ours.shards) {
    const { message } = differs(
      app,
      `has ${shards} shards, and this machine was started with ${ours.shards}`,
      `use --shards ${shards}, as their number never changes`,
    );
    throw new UsageError(message); // of the command line
  }
}

/** What a process of a machine that has entered an app must find. */
export interface Entered extends GroupTopology {
  readonly protocol: string;
  readonly groupId: string;
}

/**
 * Compares a process with the app that its machine has entered.
 *
 * @throws {UsageError} If the app is another one by now, so that it is of no use to start the
 * process again. The message says so with the cure.
 */
export function requireSame(app: string, control: Control, ours: Entered): void {
  const { group } = control;
  if (group === null) {
    throw new TaskLogError(
      `group "${app}" has nothing in topic "${controlTopic(app)}" any more: was it deleted? ` +
        `If so, what it had is lost: ${toBeginAgain(app)}`,
    );
  }
  requireReadable(app, group, ours);
  const became = group.protocol !== ours.protocol
    ? `it has the protocol ${group.protocol} now`
    : group.hash !== ours.hash
    ? `it runs a flow that is cut in another way now (${group.hash}, and this one is ${ours.hash})`
    : groupIdOf(app, group.generation) !== ours.groupId
    ? `its group is "${groupIdOf(app, group.generation)}" now, and no more "${ours.groupId}"`
    : null;
  if (became === null) return;
  throw new UsageError(
    `other machines have changed app "${app}" since this one has entered it: ${became}. Start this ` +
      "machine again, with the flow and the options of the others",
  );
}

function differs(app: string, what: string, cure: string): TaskLogError {
  return new TaskLogError(`group "${app}" ${what}: ${cure}, or give this flow another group`);
}

function begunKey(task: TaskId): string {
  return JSON.stringify([BEGUN, task]);
}

function firstKey(topic: string): string {
  return JSON.stringify([FIRST, topic]);
}

function recordOf(key: string, value: object): WireRecord {
  const timestamp = Date.now();
  return {
    key: Buffer.from(key),
    value: Buffer.from(JSON.stringify(value)),
    headers: [],
    timestamp,
  };
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");
}
