/**
 * What the tests of exactly-once outputs share: topics, a producer that keeps writing, and how to
 * run the flow. Also, what readers of committed records must get.
 *
 * The expected output follows from the input topic, whatever its producer has lost or repeated when
 * its broker went away.
 */
import { assertEquals } from "@std/assert";
import type { KafkaProperties } from "millrace";
import { flowFile, runCli } from "../support/cli.ts";
import { pollUntil } from "../support/eventually.ts";
import { createTopic, readAll } from "../support/kafka/kafka.ts";
import { EVERY_MS, Feed } from "../support/kafka/feed.ts";
import { untilNoneIsOpen } from "../support/kafka/open_transactions.ts";

/** The length of a window, in milliseconds of event time. */
export const WINDOW_MS = 200_000;

const PARTITIONS = 4;

/** The argument of the flow. */
export interface CountsAndWindows {
  readonly brokers: readonly string[];
  /** The brokers that the outputs know; by default the same. */
  readonly outputBrokers?: readonly string[];
  readonly from: string;
  readonly to: { readonly counts: string; readonly windows: string };
  readonly delivery: "exactly-once" | "at-least-once";
  /** Whether it ends at the end that the input has at the start. */
  readonly once: boolean;
  /** What the outputs' transactional ids begin with. */
  readonly idPrefix: string;
  readonly outputProperties?: KafkaProperties;
  readonly acceptLostEpoch?: number;
}

/** How the flow is run. */
export interface RunOptions {
  readonly workers: number;
  /** The recovery store. */
  readonly store: string;
  readonly once?: boolean;
  readonly epochMs?: number;
  readonly restarts?: number;
  readonly outputBrokers?: readonly string[];
  readonly outputProperties?: KafkaProperties;
  readonly acceptLostEpoch?: number;
  /** @default {"exactly-once"} */
  readonly delivery?: CountsAndWindows["delivery"];
}

/** An input topic that is written to, and the topics of the flow's outputs. */
export class Pipeline implements AsyncDisposable {
  readonly brokers: string[];
  readonly from: string;
  readonly to: { readonly counts: string; readonly windows: string };
  readonly #feed: Feed;

  private constructor(brokers: string[], [from, counts, windows]: string[]) {
    this.brokers = brokers;
    this.from = from;
    this.to = { counts, windows };
    this.#feed = new Feed(brokers, from, { partitions: PARTITIONS });
  }

  /** Makes topics of its own. */
  static async create(brokers: string[]): Promise<Pipeline> {
    const topics: string[] = [];
    for (const partitions of [PARTITIONS, 3, 2]) {
      topics.push(await createTopic(brokers, { partitions }));
    }
    return new Pipeline(brokers, topics);
  }

  /** How many records have been written to the input. */
  get written(): number {
    return this.#feed.written;
  }

  /** What the transactional ids of this flow begin with. */
  get idPrefix(): string {
    return this.from;
  }

  /** The arguments of the command line. */
  args(options: RunOptions): string[] {
    const { workers, store, once = false, epochMs = 20, restarts = 0 } = options;
    const { delivery = "exactly-once", outputBrokers, outputProperties, acceptLostEpoch } = options;
    const { brokers, from, to, idPrefix } = this;
    // JSON leaves out what is undefined.
    const argument = { brokers, from, to, idPrefix, once, delivery, outputBrokers };
    const text = JSON.stringify({ ...argument, outputProperties, acceptLostEpoch });
    return [
      flowFile("kafka_counts_and_windows.ts"),
      `-w${workers}`,
      `--recovery=${store}`,
      `--epoch-interval=${epochMs}ms`,
      `--restart=${restarts}`,
      "--log-level=info",
      ...["--", text],
    ];
  }

  /** Writes records to the input. */
  async write(count: number): Promise<void> {
    await this.#feed.write(count);
  }

  /** Keeps writing, a few records at a time, until {@linkcode rest}. A broker may be away. */
  feed(perSend = 20, pauseMs = 10): void {
    this.#feed.start(perSend, pauseMs);
  }

  /** Stops writing. */
  async rest(): Promise<void> {
    await this.#feed.rest();
  }

  /**
   * Stops writing, runs the flow to the end of its input, and checks what readers get. Returns how
   * many results there are.
   *
   * @throws {Error} If the run fails, or something is lost, repeated, out of order, or still open.
   */
  async finish(run: RunOptions, told: string): Promise<number> {
    await this.rest();
    const args = this.args({ ...run, once: true });
    const { code, stderr } = await runCli(args, { deadlineMs: 90_000 });
    assertEquals(code, 0, `${told}\n${stderr}`);
    return await this.assertExactlyOnce(told);
  }

  /**
   * Checks that readers of committed records get each result once, and those of a key in order. The
   * flow must have read all of the input. Returns how many results there are.
   *
   * @throws {Error} If something is lost, repeated, out of order, or still open.
   */
  async assertExactlyOnce(told: string): Promise<number> {
    await untilNoneIsOpen(this.brokers, this.idPrefix);
    const read = await valuesByKey(this.brokers, this.from);
    const counts = await valuesByKey(this.brokers, this.to.counts);
    const windows = await valuesByKey(this.brokers, this.to.windows);
    assertSame(counts, countsOf(read), `counts, ${told}`);
    assertSame(windows, windowsOf(read), `windows, ${told}`);
    return [...counts.values(), ...windows.values()].flat().length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.rest();
  }
}

/** How long anything that must come may take, on a busy machine. */
export const DEADLINE_MS = 60_000;

/** Waits for `promise`, but not for ever. */
export async function inTime<R>(promise: Promise<R>, what: string): Promise<R> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited in vain until ${what}`)), DEADLINE_MS);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Waits until a condition holds, but not for ever. */
export async function until(
  condition: () => boolean,
  what: string | (() => string),
): Promise<void> {
  await pollUntil(condition, what, { withinMs: DEADLINE_MS, everyMs: 5 });
}

/** The values of each key, in their order: a key has one partition. */
export async function valuesByKey(
  brokers: string[],
  topic: string,
): Promise<Map<string, string[]>> {
  const byKey = Map.groupBy(await readAll(brokers, topic), ({ key }) => key!);
  return new Map([...byKey].map(([key, all]) => [key, all.map(({ value }) => value!)]));
}

function countsOf(read: ReadonlyMap<string, readonly string[]>): Map<string, string[]> {
  return new Map([...read].map(([key, all]) => [key, all.map((value, i) => `${i + 1} ${value}`)]));
}

function windowsOf(read: ReadonlyMap<string, readonly string[]>): Map<string, string[]> {
  return new Map([...read].map(([key, all]) => {
    const windows = Map.groupBy(all, (n) => Math.floor((Number(n) + 1) * EVERY_MS / WINDOW_MS));
    const inOrder = [...windows].sort(([a], [b]) => a - b);
    return [key, inOrder.map(([, values]) => values.map((value) => ` ${value}`).join(""))];
  }));
}

/** Compares key by key, and shows where a key's values begin to differ. */
export function assertSame(
  got: ReadonlyMap<string, readonly string[]>,
  expected: ReadonlyMap<string, readonly string[]>,
  told: string,
): void {
  assertEquals([...got.keys()].sort(), [...expected.keys()].sort(), told);
  for (const [key, values] of expected) {
    const found = got.get(key)!;
    const at = values.findIndex((value, i) => found[i] !== value);
    if (at < 0 && found.length === values.length) continue;
    const from = Math.max((at < 0 ? values.length : at) - 3, 0);
    const around = (all: readonly string[]) => all.slice(from, from + 12);
    assertEquals(around(found), around(values), `${key} from value ${from} on, ${told}`);
  }
}
