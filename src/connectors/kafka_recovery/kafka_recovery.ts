/**
 * Recovery on topics of a Kafka cluster.
 *
 * @module
 */
import type { Log } from "../../core/log.ts";
import { requireOptions } from "../../core/options.ts";
import type { RecoveryConfig, RecoveryStore } from "../../recovery/store.ts";
import { connectionSettings } from "../kafka/properties/connection_settings.ts";
import { givenToRecovery, type KafkaProperties } from "../kafka/properties/given_properties.ts";
import { checkBrokers } from "../kafka/properties/options.ts";
import type { KafkaPlace } from "./place.ts";

/** Where a flow's state is kept on Kafka. */
export interface KafkaRecoveryOptions {
  /** Bootstrap brokers, such as `["localhost:9092"]`. */
  readonly brokers: readonly string[];
  /**
   * What the names of the topics begin with: state is on `PREFIX-state`, positions are on
   * `PREFIX-meta`. The consumer group and the transactional id are both `PREFIX-recovery`.
   */
  readonly topicPrefix: string;
  /**
   * librdkafka's property names and values for the connection, such as `security.protocol`.
   * `docs/kafka_properties.md` lists all.
   */
  readonly additionalProperties?: KafkaProperties;
}

/**
 * Keeps state and positions on two compacted topics of a Kafka cluster, where they survive the machine
 * that a flow runs on: another one can go on. Each epoch is one transaction.
 *
 * The topics are made if there are none. They belong to one flow, and one run at a time: a run that is
 * killed holds the store for ten seconds more, for which opening it waits.
 *
 * All keys are read into memory once, when a run begins.
 *
 * @example
 * ```ts
 * import { type FlowHandle, KafkaRecoveryConfig, run } from "@millrace/millrace";
 *
 * const recovery = new KafkaRecoveryConfig({
 *   brokers: ["localhost:9092"],
 *   topicPrefix: "orders-flow",
 * });
 *
 * // Started again, it goes on after the last committed epoch.
 * async function runOrders(flow: FlowHandle): Promise<void> {
 *   await run(flow, { recovery });
 * }
 * ```
 */
export class KafkaRecoveryConfig implements RecoveryConfig {
  readonly #place: KafkaPlace;

  /**
   * Checks the options; connects to nothing.
   *
   * @throws {TypeError} If an option is wrong. Names it and the cure.
   */
  constructor(options: KafkaRecoveryOptions) {
    this.#place = kafkaPlace(options);
  }

  /** The brokers and the prefix, as the command line takes them: `kafka://localhost:9092/orders`. */
  get name(): string {
    return this.#place.name;
  }

  /**
   * Opens the topics for a run of a flow, or makes them.
   *
   * @param signal Ends what is waited for when it is aborted.
   * @throws {RecoveryError} If they cannot be used. Says why, and what to do.
   */
  async open(flow: string, log?: Log, signal?: AbortSignal): Promise<RecoveryStore> {
    const { KafkaStore } = await import("./store.ts");
    return await KafkaStore.open(this.#place, flow, signal, log);
  }

  /**
   * Deletes the topics.
   *
   * @throws {RecoveryError} If a run uses them, or they cannot be deleted.
   */
  async drop(): Promise<void> {
    const { dropStore } = await import("./store.ts");
    await dropStore(this.#place);
  }
}

/**
 * Where the options say that a store is.
 *
 * @throws {TypeError} If an option is wrong.
 */
export function kafkaPlace(options: KafkaRecoveryOptions): KafkaPlace {
  const config = "KafkaRecoveryConfig";
  requireOptions(config, options, ["brokers", "topicPrefix", "additionalProperties"]);
  const brokers = checkBrokers(config, options.brokers);
  const prefix = checkPrefix(config, options.topicPrefix);
  return Object.freeze({
    brokers,
    settings: connectionSettings(givenToRecovery(options.additionalProperties ?? {})),
    stateTopic: `${prefix}-state`,
    metaTopic: `${prefix}-meta`,
    id: `${prefix}-recovery`,
    name: `kafka://${brokers.join(",")}/${prefix}`,
  });
}

/** Leaves room for what is put behind it: a topic's name has 249 characters at most. */
function checkPrefix(config: string, prefix: unknown): string {
  if (typeof prefix === "string" && /^[\w.-]{1,239}$/.test(prefix)) return prefix;
  throw new TypeError(
    `${config} needs topicPrefix as up to 239 letters, digits, ".", "_" and "-"; got ` +
      Deno.inspect(prefix),
  );
}
