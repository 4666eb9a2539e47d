/**
 * Shared by the benches of groups: machines as users start them, their processor time, and topics
 * that are full from one moment on.
 */
import { type Admin, Partitioners } from "kafkajs";
import { type CliProcess, startCli } from "../tests/support/cli.ts";
import { kafkaClient } from "../tests/support/kafka/client.ts";
import { createTopic } from "../tests/support/kafka/kafka.ts";
import { groupOf } from "../tests/support/group_nodes/described_group.ts";
import { cpuSeconds } from "./idle_support.ts";

/** How long a machine may live, in milliseconds. */
const DEADLINE_MS = 15 * 60_000;

/** How long anything that must come may take, in milliseconds. */
const PATIENCE_MS = 120_000;

/** Nothing new for this long, in milliseconds, and all has been written. */
const QUIET_MS = 2_000;

/** Tasks that have been assigned begin within this time, in milliseconds. */
const SETTLING_MS = 2_000;

/** How many records are sent together. */
const TOGETHER = 500;

/** The partitions of all topics, and the shards: as many, so that members get equal parts. */
export const PARTITIONS = 8;
export const SHARDS = PARTITIONS;

/** How many orders a record has. */
export const ORDERS = 20;

const USERS = 10_000;
const FLOW = "bench/flows/group.ts";

/** A command of a user's on a machine of its own. */
export class Machine implements AsyncDisposable {
  readonly #cli: CliProcess;
  /** When it was started, in milliseconds since 1970. */
  readonly startedAt: number = Date.now();

  /** Starts it. */
  constructor(args: readonly string[]) {
    this.#cli = startCli(args, { ownLog: true, deadlineMs: DEADLINE_MS });
  }

  /** What it has logged. */
  get log(): string {
    return this.#cli.stderr.text;
  }

  /** Processor time of all its processes, in seconds. */
  get cpu(): number {
    return this.#cli.processes().reduce((sum, pid) => sum + cpuSeconds(pid), 0);
  }

  /** What its flow has printed. */
  get printed(): string {
    return this.#cli.stdout.text;
  }

  /** Waits for a line of its log. */
  async logs(pattern: RegExp): Promise<void> {
    await this.#cli.stderr.line(pattern);
  }

  /** Stops it as an operator does. */
  async stop(): Promise<void> {
    this.#cli.kill("SIGTERM");
    const { code, stderr } = await this.#cli.finished();
    if (code !== 0) throw new Error(`a machine has ended with code ${code}:\n${stderr}`);
  }

  /** Kills it, if it still runs. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#cli[Symbol.asyncDispose]();
  }
}

/** A flow that machines of a group run: one of `flows/group.ts`. */
export interface GroupFlow {
  readonly app: string;
  readonly topics: Topics;
  /** The flow's arguments: its kind, and what comes after the topics. */
  readonly kind: string;
  readonly from: string;
  readonly to: string;
  readonly more?: readonly string[];
  /** More options of the command line. */
  readonly options?: readonly string[];
}

/** The arguments by which a machine runs a flow in a group. */
export function inGroup(app: string, folder: string, options: readonly string[]): string[] {
  return [`--group=${app}`, `--shards=${SHARDS}`, `--state-dir=${folder}`, ...options];
}

/** Starts a machine with one worker, and its state in this folder. */
export function startInGroup(
  { app, topics, kind, from, to, more = [], options = [] }: GroupFlow,
  folder: string,
): Machine {
  const flowArgs = [kind, topics.brokers[0], from, to, ...more];
  return new Machine([FLOW, ...inGroup(app, folder, options), "--", ...flowArgs]);
}

/** Waits until as many members share all tasks of an app, and have nothing to do. */
export async function settled(
  app: string,
  { brokers }: Topics,
  { members, tasks }: { readonly members: number; readonly tasks: number },
): Promise<void> {
  for (const deadline = Date.now() + PATIENCE_MS; Date.now() < deadline;) {
    const group = await groupOf(brokers, app, "streams");
    const owned = [...group?.tasks.values() ?? []].filter(({ length }) => length > 0);
    if (owned.length === members && owned.flat().length === tasks) return await sleep(SETTLING_MS);
    await sleep(100);
  }
  throw new Error(`${members} members do not share ${tasks} tasks`);
}

/** How many orders the processes of machines had counted at some times; see `flows/group.ts`. */
export function countedBy(machines: readonly Machine[]): { orders: number; at: number }[] {
  return machines.flatMap(({ printed }) =>
    Array.from(printed.matchAll(/^counted (\d+) (\d+)$/gm), ([, orders, at]) => ({
      orders: Number(orders),
      at: Number(at),
    }))
  ).sort((a, b) => a.at - b.at);
}

/** A record with orders of many users. The first one is of nothing. */
export function orders(record: number): { readonly value: string } {
  const value = Array.from({ length: ORDERS }, (_, i) => {
    const id = record * ORDERS + i;
    return { id, user: `user-${id * 7_919 % USERS}`, amount: i * 1.25 };
  });
  return { value: JSON.stringify(value) };
}

/** What a bench needs to look into topics. */
export class Topics implements AsyncDisposable {
  readonly brokers: string[];
  readonly #admin: Admin;

  private constructor(brokers: string[], admin: Admin) {
    this.brokers = brokers;
    this.#admin = admin;
  }

  /** Connects. */
  static async connect(brokers: string[]): Promise<Topics> {
    const admin = kafkaClient(brokers).admin();
    await admin.connect();
    return new Topics(brokers, admin);
  }

  /** Makes a topic. */
  make(): Promise<string> {
    const config = { "message.timestamp.type": "LogAppendTime" };
    return createTopic(this.brokers, { partitions: PARTITIONS, config });
  }

  /** The records that a topic has, and markers of transactions with them. */
  async endOf(topic: string): Promise<number> {
    const offsets = await this.#admin.fetchTopicOffsets(topic);
    return offsets.reduce((sum, { high }) => sum + Number(high), 0);
  }

  /** Makes a topic with records. */
  async full(count: number, record: (i: number) => { readonly value: string }): Promise<string> {
    const topic = await this.make();
    await (await this.hold(topic, count, record)).release();
    return topic;
  }

  /**
   * Waits until a topic has as many records, and nothing comes any more.
   *
   * @throws {Error} If nothing has come for two minutes, and some are missing.
   */
  async untilWritten(topic: string, count: number): Promise<void> {
    let end = -1;
    for (let since = Date.now(); end < count || Date.now() - since < QUIET_MS;) {
      const now = await this.endOf(topic);
      if (now !== end) [end, since] = [now, Date.now()];
      if (Date.now() - since > PATIENCE_MS) throw new Error(`${end} of ${count} results came`);
      await sleep(50);
    }
  }

  /**
   * Writes records to a topic that readers get all at once, when `release` is called. It returns
   * the time of that, in milliseconds since 1970.
   */
  async hold(
    topic: string,
    count: number,
    record: (i: number) => { readonly value: string },
  ): Promise<{ release(): Promise<number> }> {
    const producer = kafkaClient(this.brokers).producer({
      createPartitioner: Partitioners.DefaultPartitioner,
      transactionalId: crypto.randomUUID(),
      transactionTimeout: DEADLINE_MS,
      maxInFlightRequests: 1,
      idempotent: true,
    });
    await producer.connect();
    const transaction = await producer.transaction();
    for (let from = 0; from < count; from += TOGETHER) {
      const length = Math.min(TOGETHER, count - from);
      // A batch of one partition: KafkaJS takes its time to share records out.
      const partition = from / TOGETHER % PARTITIONS;
      const messages = Array.from({ length }, (_, i) => ({ ...record(from + i), partition }));
      await transaction.send({ topic, messages });
    }
    return {
      release: async () => {
        const at = Date.now();
        await transaction.commit();
        await producer.disconnect();
        return at;
      },
    };
  }

  /** Waits until a topic has more than it had. Returns when that was, in ms since 1970. */
  async untilMore(topic: string, end: number): Promise<number> {
    for (const deadline = Date.now() + PATIENCE_MS; Date.now() < deadline; await sleep(10)) {
      if (await this.endOf(topic) > end) return Date.now();
    }
    throw new Error("no results came");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#admin.disconnect();
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
