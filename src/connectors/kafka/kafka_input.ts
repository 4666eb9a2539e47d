import { requireOptions } from "../../core/options.ts";
import type { InputConfig, InputReader, Place, Positions } from "../../graph/contracts.ts";
import { checkBrokers, checkTopics } from "./properties/options.ts";
import type { KafkaProperties } from "./properties/given_properties.ts";
import { readInputProperties } from "./properties/input_settings.ts";
import type { KafkaInputSettings } from "./properties/settings.ts";
import type { KafkaMessage } from "./message.ts";

/** Where to start in partitions that have no stored position. */
export type StartingOffset =
  /** At the oldest record that the broker has. */
  | "beginning"
  /** After the newest. */
  | "end"
  /** At the first record of that time or later; after the newest where there is none. */
  | { readonly timestamp: Date };

/** How to read a topic. */
export interface KafkaInputOptions {
  /** Bootstrap brokers, such as `["localhost:9092"]`. */
  readonly brokers: readonly string[];
  /** The topic, or several. They must exist. */
  readonly topic: string | readonly string[];
  /**
   * Whether to go on waiting for records, also on a worker without partitions: some may be added.
   * `false` reads to where each partition ended when the flow started, and then ends.
   *
   * @default {true}
   */
  readonly tail?: boolean;
  /**
   * Where to start in partitions that have no stored position.
   *
   * @default {"beginning"}
   */
  readonly startingOffset?: StartingOffset;
  /**
   * librdkafka's property names and values, such as `client.id` or `security.protocol`. One without an
   * equivalent is an error that names it, never ignored. `docs/kafka_properties.md` lists all.
   */
  readonly additionalProperties?: KafkaProperties;
}

/** A Kafka record's key and value, as bytes. A missing key, or a tombstone's value, is `null`. */
export type KafkaItem = [key: Uint8Array | null, value: Uint8Array | null];

/**
 * Records of a Kafka topic, as `[key, value]`. Partitions are shared out over the workers, partition
 * `p` to worker `p mod workerCount`, without a consumer group; order within a partition is kept.
 * Records of aborted transactions are left out. While no broker is in reach the flow waits, and goes
 * on exactly where it was.
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
   * Checks the options; connects to nothing.
   *
   * @throws {TypeError} If an option is wrong. Names it and the cure.
   */
  constructor(options: KafkaInputOptions) {
    this.#settings = checkInput("KafkaInputConfig", options);
  }

  /** Starts reading; for the engine. */
  async open(at: Place, resume: Positions): Promise<InputReader<KafkaItem>> {
    const { openKafkaReader } = await import("./read/source.ts");
    return await openKafkaReader(this.#settings, at, resume, (record) => [
      record.key,
      record.value,
    ]);
  }
}

/**
 * The same as {@linkcode KafkaInputConfig}, with everything that Kafka knows about a record: headers,
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
   * Checks the options; connects to nothing.
   *
   * @throws {TypeError} If an option is wrong. Names it and the cure.
   */
  constructor(options: KafkaInputOptions) {
    this.#settings = checkInput("KafkaMessageInputConfig", options);
  }

  /** Starts reading; for the engine. */
  async open(at: Place, resume: Positions): Promise<InputReader<KafkaMessage>> {
    const { openKafkaReader } = await import("./read/source.ts");
    const { toMessage } = await import("./message.ts");
    return await openKafkaReader(this.#settings, at, resume, toMessage);
  }
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
