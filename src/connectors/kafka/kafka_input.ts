import { requireOptions } from "../../core/options.ts";
import type { InputConfig, InputReader, Place, Positions } from "../../graph/contracts.ts";
import { checkBrokers, checkTopics } from "./properties/options.ts";
import type { KafkaProperties } from "./properties/given_properties.ts";
import { readInputProperties } from "./properties/input_settings.ts";
import type { KafkaInputSettings } from "./properties/settings.ts";
import { rememberInput } from "./known_configs.ts";
import type { KafkaMessage } from "./message.ts";
import type { ToItem } from "./read/source.ts";
import type { LogRecord } from "./wire/read_batch.ts";

/** Where to start in partitions that have no stored position. */
export type StartingOffset =
  /** At the oldest record that the broker has. */
  | "beginning"
  /** After the newest. */
  | "end"
  /** At the first record of that time or later, or after the newest if there are none. */
  | { readonly timestamp: Date };

/** Options of {@linkcode KafkaInputConfig} and {@linkcode KafkaMessageInputConfig}. */
export interface KafkaInputOptions {
  /** Bootstrap brokers, such as `["localhost:9092"]`. */
  readonly brokers: readonly string[];
  /** The topic, or several. They must exist. */
  readonly topic: string | readonly string[];
  /**
   * Whether to wait for more records. A worker without partitions waits too, as some may be added.
   * With `false`, the input reads to where each partition ended when the flow started, and ends.
   *
   * @default {true}
   */
  readonly tail?: boolean;
  /**
   * Where to start in partitions that have no stored position. One that was added to a topic after
   * the first run is read from its first record.
   *
   * @default {"beginning"}
   */
  readonly startingOffset?: StartingOffset;
  /**
   * librdkafka's property names and values, such as `client.id` or `security.protocol`. A property
   * without an equivalent is an error that names it. `docs/kafka_properties.md` lists all.
   */
  readonly additionalProperties?: KafkaProperties;
}

/** A Kafka record's key and value, as bytes. A missing key, or a tombstone's value, is `null`. */
export type KafkaItem = [key: Uint8Array | null, value: Uint8Array | null];

/**
 * Reads the records of Kafka topics, as `[key, value]`. Partition `p` goes to worker
 * `p mod workerCount`, without a consumer group. Order within a partition is kept. Records of
 * aborted transactions are left out. While no broker is in reach the flow waits, and then continues
 * exactly where it was.
 *
 * For windows that use event time, each partition is a source of its own.
 *
 * @example
 * ```ts
 * import { Dataflow, KafkaInputConfig, StdOutputConfig, text } from "@millrace/millrace";
 *
 * const flow = new Dataflow("tail");
 * flow
 *   .input("lines", new KafkaInputConfig({ brokers: ["localhost:9092"], topic: "lines" }))
 *   .map(([, value]) => text.decode(value))
 *   .capture(new StdOutputConfig());
 * export default flow;
 * ```
 */
export class KafkaInputConfig implements InputConfig<KafkaItem> {
  readonly #settings: KafkaInputSettings;

  /**
   * Creates the config. Checks the options; connects to nothing.
   *
   * @throws {TypeError} If an option is wrong. The message names it and the cure.
   */
  constructor(options: KafkaInputOptions) {
    this.#settings = checkInput("KafkaInputConfig", options);
    rememberInput(this, { settings: this.#settings, toItem: () => Promise.resolve(toPair) });
  }

  /** For the engine: starts reading. */
  async open(at: Place, resume: Positions): Promise<InputReader<KafkaItem>> {
    const { openKafkaReader } = await import("./read/open_reader.ts");
    return await openKafkaReader(this.#settings, at, resume, toPair);
  }
}

/**
 * Reads records like {@linkcode KafkaInputConfig}, with all that Kafka knows about them: headers,
 * timestamp, topic, partition and offset.
 *
 * @example
 * ```ts
 * import { Dataflow, KafkaMessageInputConfig, StdOutputConfig, text } from "@millrace/millrace";
 *
 * const input = new KafkaMessageInputConfig({ brokers: ["localhost:9092"], topic: "orders" });
 * const flow = new Dataflow("traces");
 * flow
 *   .input("orders", input)
 *   .map(({ headers, offset }) => `${offset}: ${text.decode(headers.trace?.[0] ?? null)}`)
 *   .capture(new StdOutputConfig());
 * export default flow;
 * ```
 */
export class KafkaMessageInputConfig implements InputConfig<KafkaMessage> {
  readonly #settings: KafkaInputSettings;

  /**
   * Creates the config. Checks the options; connects to nothing.
   *
   * @throws {TypeError} If an option is wrong. The message names it and the cure.
   */
  constructor(options: KafkaInputOptions) {
    this.#settings = checkInput("KafkaMessageInputConfig", options);
    rememberInput(this, { settings: this.#settings, toItem: loadToMessage });
  }

  /** For the engine: starts reading. */
  async open(at: Place, resume: Positions): Promise<InputReader<KafkaMessage>> {
    const { openKafkaReader } = await import("./read/open_reader.ts");
    return await openKafkaReader(this.#settings, at, resume, await loadToMessage());
  }
}

function toPair({ key, value }: LogRecord): KafkaItem {
  return [key, value];
}

async function loadToMessage(): Promise<ToItem<KafkaMessage>> {
  return (await import("./message.ts")).toMessage;
}

const OPTIONS = ["brokers", "topic", "tail", "startingOffset", "additionalProperties"];

function checkInput(config: string, options: KafkaInputOptions): KafkaInputSettings {
  requireOptions(config, options, OPTIONS);
  const { tail = true, startingOffset = "beginning" } = options;
  if (typeof tail !== "boolean") {
    throw new TypeError(`${config} needs tail as true or false; got ${Deno.inspect(tail)}`);
  }
  return Object.freeze({
    brokers: checkBrokers(config, options.brokers),
    topics: checkTopics(config, options.topic),
    tail,
    start: checkStart(config, startingOffset),
    input: readInputProperties(options.additionalProperties),
  });
}

function checkStart(config: string, start: unknown): KafkaInputSettings["start"] {
  if (start === "beginning" || start === "end") return start;
  const timestamp = (start as { timestamp?: unknown } | null)?.timestamp;
  if (timestamp instanceof Date && !Number.isNaN(timestamp.getTime())) {
    return Math.max(timestamp.getTime(), 0); // Kafka takes -1 for the end, and others for more
  }
  throw new TypeError(
    `${config} needs startingOffset as "beginning", "end" or { timestamp: a valid Date }; ` +
      `got ${Deno.inspect(start)}`,
  );
}
