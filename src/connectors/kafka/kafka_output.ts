import { requireOptions } from "../../core/options.ts";
import type { OutputConfig, OutputWriter, Place, Positions } from "../../graph/contracts.ts";
import { checkBrokers, checkDelivery, checkLostEpoch, checkTopic } from "./properties/options.ts";
import { rememberOutput } from "./known_configs.ts";
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
   * How often a record is written if the run is killed and started again. `"at-least-once"` (the
   * default) may write records after the last epoch again. `"exactly-once"` writes each epoch in a
   * transaction, together with the recovery store, which it needs. Readers must set
   * `isolation.level` to `read_committed`. They get records at the end of each epoch.
   */
  readonly delivery?: "at-least-once" | "exactly-once";
  /**
   * Only if an error says so: continue without the output of this epoch. The run was away for
   * longer than `transaction.timeout.ms`, and the broker has dropped these records. It has no
   * effect on other epochs.
   */
  readonly acceptLostEpoch?: number;
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
 * With `delivery: "exactly-once"` and a recovery store, a restart repeats nothing either: readers
 * that read committed records get each record once. `docs/kafka.md` says what that takes.
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
 *
 * @example Exactly once, with `--recovery state.db`
 * ```ts
 * import { Dataflow, KafkaInputConfig, KafkaOutputConfig } from "@millrace/millrace";
 *
 * const brokers = ["localhost:9092"];
 * const flow = new Dataflow("copy");
 * flow
 *   .input("in", new KafkaInputConfig({ brokers, topic: "orders" }))
 *   .capture(
 *     "out",
 *     new KafkaOutputConfig({ brokers, topic: "checked", delivery: "exactly-once" }),
 *   );
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
    const name = "KafkaOutputConfig";
    requireOptions(name, options, [
      "brokers",
      "topic",
      "delivery",
      "acceptLostEpoch",
      "additionalProperties",
    ]);
    const delivery = checkDelivery(name, options.delivery);
    this.#settings = Object.freeze({
      brokers: checkBrokers(name, options.brokers),
      topic: checkTopic(name, options.topic),
      ...checkLostEpoch(name, options.acceptLostEpoch),
      output: readOutputProperties(options.additionalProperties, delivery),
    });
    rememberOutput(this, this.#settings);
  }

  /** For the engine: starts writing. */
  async open(
    at: Place,
    resume: Positions = new Map(),
  ): Promise<OutputWriter<KafkaOutputItem>> {
    const { openKafkaWriter } = await import("./write/sink.ts");
    return await openKafkaWriter(this.#settings, at, resume);
  }
}
