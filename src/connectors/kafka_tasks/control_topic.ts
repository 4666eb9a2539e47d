/**
 * The topic that says what a group is. All machines compare themselves with it before they join.
 *
 * ```text
 *   key ["group"]  {"format":1,"generation":1,"shards":…,"protocol":…,"hash":…,
 *                   "subtopologies":[…],"exchanges":[…]}, by the first machine
 *   key ["begun"]  {}, in the first transaction of each process
 * ```
 *
 * @module
 */
import type { Log } from "../../core/log.ts";
import { controlTopic, type GroupTopology } from "../../group/topology.ts";
import type { KafkaConnection } from "../kafka/client/connection.ts";
import { type ErrorKind, errorKind } from "../kafka/client/errors.ts";
import { readCommitted } from "../kafka/read/read_committed.ts";
import type { WireRecord } from "../kafka/wire/write_batch.ts";
import { persisting } from "./persisting.ts";
import { type PackingOptions, PendingRecords } from "./pending_records.ts";
import { TaskLogError } from "./task_log_error.ts";
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

/** How often a machine tries to be the first, while others do too. */
const ATTEMPTS = 20;

/** Kinds of errors by which another machine turns out to be quicker. */
const FENCED: ReadonlySet<ErrorKind> = new Set(["fenced", "transactionRefused", "sequenceBroken"]);

const GROUP_KEY = '["group"]';
const BEGUN_KEY = '["begun"]';

const PACKING: PackingOptions = { writer: "the group", batchBytes: 1 << 19 };

/** What all machines of a group must have in common. Only the hash of a topology is compared. */
export interface GroupSettings extends GroupTopology {
  /** The protocol of the group, such as `streams`. */
  readonly protocol: string;
  /** Goes up with each change of the layout or the protocol; see `groupIdOf`. */
  readonly generation: number;
}

/** What the topic says. */
export interface Control {
  /** `null` if no machine has been there yet. */
  readonly group: GroupSettings & { readonly format: number } | null;
  /** Whether anything has ever been committed. */
  readonly hasBegun: boolean;
}

/** How to reach the topic. */
export interface ControlOptions {
  readonly app: string;
  /** Must know the topic, and read uncommitted records. */
  readonly connection: KafkaConnection;
  readonly log: Log;
}

/** The record that a process adds to its first transaction. */
export function addBegun(app: string, pending: PendingRecords): void {
  pending.add({ topic: controlTopic(app), partition: 0 }, recordOf(BEGUN_KEY, {}), PACKING);
}

/**
 * Compares a machine with the group. If it is the first one, it writes what the group is.
 *
 * @returns Whether anything has ever been committed in the group.
 * @throws {TaskLogError} If the group is another one. The message names what differs and the cure.
 */
export async function agreeOn(
  ours: Omit<GroupSettings, "generation">,
  options: ControlOptions,
): Promise<boolean> {
  for (let left = ATTEMPTS;; left--) {
    const found = await readControl(options);
    if (found.group !== null) return agreed(ours, found, options);
    try {
      await writeFirst({ generation: 1, ...ours }, options);
    } catch (error) {
      if (left <= 1 || !FENCED.has(errorKind(error))) throw error;
    }
  }
}

/**
 * Writes what the group is, unless somebody has. Who acquires the transactional id last is the only
 * one who can write, and has read what was written before.
 */
async function writeFirst(ours: GroupSettings, options: ControlOptions): Promise<void> {
  const { app } = options;
  const producer = await openProducer(options);
  try {
    if ((await readControl(options)).group !== null) return;
    await write(producer, app, recordOf(GROUP_KEY, { format: FORMAT, ...ours }));
  } finally {
    await producer.close();
  }
}

/**
 * Has the topic say again that nothing has ever been committed. What the group is stays.
 *
 * @throws {Error} If it cannot be written to.
 */
export async function forgetBegun(options: ControlOptions): Promise<void> {
  const producer = await openProducer(options);
  try {
    await write(producer, options.app, { ...recordOf(BEGUN_KEY, {}), value: null });
  } finally {
    await producer.close();
  }
}

function openProducer({ app, connection, log }: ControlOptions): Promise<TaskProducer> {
  return TaskProducer.open({
    transactionalId: controlTopic(app),
    timeoutMs: TRANSACTION_MS,
    connection,
    log,
  });
}

async function write(producer: TaskProducer, app: string, record: WireRecord): Promise<void> {
  const pending = new PendingRecords();
  pending.add({ topic: controlTopic(app), partition: 0 }, record, PACKING);
  await producer.commit({ batches: pending.take(), groupId: "", offsets: [], member: null });
}

/**
 * Reads what the group is.
 *
 * @throws {TaskLogError} If something else writes to the topic.
 */
export async function readControl(
  { app, connection }: Pick<ControlOptions, "app" | "connection">,
): Promise<Control> {
  const topic = controlTopic(app);
  const values = await persisting(connection, async () => {
    const values = new Map<string, Uint8Array | null>();
    const options = {
      patienceMs: SILENCE_MS,
      what: `the settings of group "${app}"`,
      ifLost: "delete the topic",
    };
    for await (const records of readCommitted(connection, { topic, partition: 0 }, options)) {
      for (const { key, value } of records) {
        values.set(key === null ? "" : textOf(key), value?.slice() ?? null);
      }
    }
    return values;
  });
  const bytes = values.get(GROUP_KEY) ?? null;
  try {
    const group = bytes === null ? null : JSON.parse(textOf(bytes));
    return { group, hasBegun: (values.get(BEGUN_KEY) ?? null) !== null };
  } catch (cause) {
    throw new TaskLogError(
      `topic "${topic}" has a record that no group writes: does something else write to it? ` +
        "Give the group another name",
      { cause },
    );
  }
}

/**
 * Makes sure that this version of Millrace can read the topics of a group.
 *
 * @throws {TaskLogError} If it cannot.
 */
export function requireKnownFormat(app: string, format: number): void {
  if (format === FORMAT) return;
  throw new TaskLogError(
    `group "${app}" has topics of format ${format}, and this Millrace knows format ${FORMAT}: use the ` +
      "same version of Millrace on all machines, or give this flow another group",
  );
}

function agreed(
  ours: Omit<GroupSettings, "generation">,
  { group, hasBegun }: Control,
  { app }: ControlOptions,
): boolean {
  const { format, shards, protocol, hash } = group!;
  const differs = (what: string, cure: string) =>
    new TaskLogError(`group "${app}" ${what}: ${cure}, or give this flow another group`);
  requireKnownFormat(app, format);
  if (shards !== ours.shards) {
    throw differs(
      `has ${shards} shards, and this machine was started with ${ours.shards}`,
      `use --shards ${shards}, as their number never changes`,
    );
  }
  if (protocol !== ours.protocol) {
    throw differs(
      `uses the protocol ${protocol}, and this machine ${ours.protocol}`,
      `use --protocol ${protocol}`,
    );
  }
  if (hash !== ours.hash) {
    throw differs(
      `runs a flow that is cut in another way (${hash}, and this one is ${ours.hash})`,
      "use the same flow on all machines, with the same keyed steps and inputs",
    );
  }
  return hasBegun;
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
