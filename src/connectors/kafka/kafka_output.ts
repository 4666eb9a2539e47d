import { requireOptions } from "../../core/options.ts";
import type { OutputConfig, OutputWriter, Place } from "../../graph/contracts.ts";
import { checkBrokers, checkTopic } from "./properties/options.ts";
import type { KafkaOutputItem } from "./output_item.ts";
import type { KafkaProperties } from "./properties/given_properties.ts";
import { readOutputProperties } from "./properties/output_settings.ts";
import type { KafkaOutputSettings } from "./properties/settings.ts";

/** How to write to a topic. */
export interface KafkaOutputOptions {
  /** Bootstrap brokers, such as `["localhost:9092"]`. */
  readonly brokers: readonly string[];
  /** The topic. It must exist. */
  readonly topic: string;
  /**
   * librdkafka's property names and values, such as `client.id` or `security.protocol`. One without an
   * equivalent is an error that names it, never ignored. `docs/kafka_properties.md` lists all.
   */
  readonly additionalProperties?: KafkaProperties;
}

/**
 * Records to a Kafka topic: `[key, payload]`, or objects with headers, timestamp or partition. Each is
 * acknowledged by all in-sync replicas before the epoch that it belongs to counts as done; retries
 * neither repeat nor reorder records within a run (idempotent writes, one request at a time). Keys go to
 * the partitions that Kafka's Java producer would choose.
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
   * Checks the options; connects to nothing.
   *
   * @throws {TypeError} If an option is wrong. Names it and the cure.
   */
  constructor(options: KafkaOutputOptions) {
    requireOptions("KafkaOutputConfig", options, ["brokers", "topic", "additionalProperties"]);
    this.#settings = Object.freeze({
      brokers: checkBrokers("KafkaOutputConfig", options.brokers),
      topic: checkTopic("KafkaOutputConfig", options.topic),
      output: readOutputProperties(options.additionalProperties),
    });
  }

  /** Starts writing; for the engine. */
  async open(at: Place): Promise<OutputWriter<KafkaOutputItem>> {
    const { openKafkaWriter } = await import("./write/sink.ts");
    return await openKafkaWriter(this.#settings, at);
  }
}
