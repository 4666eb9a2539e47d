import { requireOptions } from "../../core/options.ts";
import type { OutputConfig, OutputWriter, Place } from "../../graph/contracts.ts";
import { checkBrokers, checkTopic } from "./properties/options.ts";
import type { KafkaOutputItem } from "./output_item.ts";
import type { KafkaProperties } from "./properties/given_properties.ts";
import { readOutputProperties } from "./properties/output_settings.ts";
import type { KafkaOutputSettings } from "./properties/settings.ts";

/** Options of {@linkcode KafkaOutputConfig}. */
export interface KafkaOutputOptions {
  /** Bootstrap brokers, such as `["localhost:9092"]`. */
  readonly brokers: readonly string[];
  /** The topic. It must exist. */
  readonly topic: string;
  /**
   * librdkafka's property names and values, such as `client.id` or `security.protocol`. A property
   * without an equivalent is an error that names it. `docs/kafka_properties.md` lists all.
   */
  readonly additionalProperties?: KafkaProperties;
}

/**
 * Writes records to a Kafka topic: `[key, payload]`, or objects with headers, timestamp or
 * partition. All in-sync replicas acknowledge each record before its epoch counts as done. Within a
 * run, retries neither repeat nor reorder records (idempotent writes, one request at a time). Keys
 * go to the partitions that Kafka's Java producer would choose.
 *
 * @example
 * ```ts
 * import { Dataflow, json, KafkaOutputConfig, TestingInputConfig } from "@millrace/millrace";
 *
 * const flow = new Dataflow("totals");
 * flow
 *   .input("in", new TestingInputConfig([{ user: "ada", total: 3 }]))
 *   .map(({ user, total }) => [user, json.encode(total)])
 *   .capture(new KafkaOutputConfig({ brokers: ["localhost:9092"], topic: "totals" }));
 * export default flow;
 * ```
 */
export class KafkaOutputConfig implements OutputConfig<KafkaOutputItem> {
  readonly #settings: KafkaOutputSettings;

  /**
   * Creates the config. Checks the options; connects to nothing.
   *
   * @throws {TypeError} If an option is wrong. The message names it and the cure.
   */
  constructor(options: KafkaOutputOptions) {
    requireOptions("KafkaOutputConfig", options, ["brokers", "topic", "additionalProperties"]);
    this.#settings = Object.freeze({
      brokers: checkBrokers("KafkaOutputConfig", options.brokers),
      topic: checkTopic("KafkaOutputConfig", options.topic),
      output: readOutputProperties(options.additionalProperties),
    });
  }

  /** For the engine: starts writing. */
  async open(at: Place): Promise<OutputWriter<KafkaOutputItem>> {
    const { openKafkaWriter } = await import("./write/sink.ts");
    return await openKafkaWriter(this.#settings, at);
  }
}
