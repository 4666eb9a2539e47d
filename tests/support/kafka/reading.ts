/** Flows, readers and transactions for the tests of the Kafka connectors. */
import type { Producer } from "kafkajs";
import {
  Dataflow,
  type InputConfig,
  type InputReader,
  ManualOutputConfig,
  type PartitionName,
  type Positions,
  run,
  type RunOptions,
  type RunResult,
  TestingOutputConfig,
} from "millrace";
import { kafkaClient } from "./client.ts";

/** Bytes as text; `null` stays `null`. */
export function asText(bytes: Uint8Array | null): string | null {
  return bytes === null ? null : new TextDecoder().decode(bytes);
}

/** The output of a flow that captures all of `input`, which must end. */
export async function collect<T>(input: InputConfig<T>, options: RunOptions = {}): Promise<T[]> {
  const items: T[] = [];
  await run(
    new Dataflow("collect").input("in", input).capture(new TestingOutputConfig(items)),
    options,
  );
  return items;
}

/** A flow that is running, and what it has written so far. */
export interface Following<T> extends AsyncDisposable {
  readonly items: readonly T[];
  /** Waits until `count` items have come. Fails after 15 s, or when the run fails. */
  until(count: number): Promise<void>;
  /** Stops the run gracefully, and returns its result. */
  stop(): Promise<RunResult>;
}

/** Runs a flow that captures all of `input`, for inputs without an end. */
export function follow<T>(input: InputConfig<T>, options: RunOptions = {}): Following<T> {
  const items: T[] = [];
  const stopping = new AbortController();
  let wake = () => {};
  const output = new ManualOutputConfig<T>(() => (item) => {
    items.push(item);
    wake();
  });
  const flow = new Dataflow("follow").input("in", input).capture(output);
  const running = run(flow, { ...options, signal: stopping.signal });
  const failed = running.then(() => new Error("the run has ended"), (error) => error);
  const stop = () => {
    stopping.abort();
    return running;
  };
  return {
    items,
    until: (count) =>
      within(
        new Promise<void>((resolve, reject) => {
          wake = () => void (items.length >= count && resolve());
          wake();
          failed.then(reject);
        }),
        `${count} items had come (there are `,
        () => `${items.length})`,
      ),
    stop,
    async [Symbol.asyncDispose]() {
      await stop().catch(() => {});
    },
  };
}

/** The offsets of an input's positions, by the names of partitions. */
export function offsetsOf(positions: Positions): Map<PartitionName, bigint> {
  const all = positions as ReadonlyMap<PartitionName, { offset: bigint }>;
  return new Map(Array.from(all, ([name, { offset }]) => [name, offset]));
}

/** Reads until `next` returns `null`, or at least `count` items have come. */
export async function readFrom<T>(reader: InputReader<T>, count = Infinity): Promise<T[]> {
  const items: T[] = [];
  while (items.length < count) {
    const batch = reader.next();
    if (batch === null) break;
    for (const item of batch) items.push(item);
    if (batch.length === 0) await within(reader.ready(), "the reader was ready");
  }
  return items;
}

/** The promise's value. Throws after 15 s, so that a test fails instead of hanging. */
export async function within<R>(promise: Promise<R>, what: string, more = () => ""): Promise<R> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited in vain until ${what}${more()}`)), 15_000);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Producers for transactions, connected while `use` runs. */
export async function withTransactions(
  brokers: string[],
  count: number,
  use: (producers: Producer[]) => Promise<void>,
): Promise<void> {
  const producers = Array.from({ length: count }, () =>
    kafkaClient(brokers).producer({
      transactionalId: crypto.randomUUID(),
      maxInFlightRequests: 1,
      idempotent: true,
      allowAutoTopicCreation: false,
    }));
  try {
    await Promise.all(producers.map((producer) => producer.connect()));
    await use(producers);
  } finally {
    await Promise.all(producers.map((producer) => producer.disconnect()));
  }
}
