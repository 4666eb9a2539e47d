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
import type { StoreTopics } from "./store_topics.ts";

/** Options of {@linkcode KafkaRecoveryConfig}. */
export interface KafkaRecoveryOptions {
  /** Bootstrap brokers, such as `["localhost:9092"]`. */
  readonly brokers: readonly string[];
  /**
   * The prefix of the topics' names: state is on `PREFIX-state`, positions are on `PREFIX-meta`.
   * The consumer group and the transactional id are both `PREFIX-recovery`.
   */
  readonly topicPrefix: string;
  /**
   * librdkafka's property names and values for the connection, such as `security.protocol`.
   * `docs/kafka_properties.md` lists all.
   */
  readonly additionalProperties?: KafkaProperties;
}

/**
 * Keeps state and positions on two compacted topics of a Kafka cluster. They survive the machine
 * that a flow runs on, so another machine can continue. Each epoch is one transaction.
 *
 * The topics are made if they do not exist. They belong to one flow, and one run at a time. A
 * killed run holds the store for ten seconds more; opening waits for that.
 *
 * When a run begins, it reads all keys into memory once.
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
  readonly #storeTopics: StoreTopics;

  /**
   * Creates the config. Checks the options; connects to nothing.
   *
   * @throws {TypeError} If an option is wrong. The message names it and the cure.
   */
  constructor(options: KafkaRecoveryOptions) {
    this.#storeTopics = storeTopicsOf(options);
  }

  /** The brokers and the prefix, as on the command line: `kafka://localhost:9092/orders`. */
  get name(): string {
    return this.#storeTopics.name;
  }

  /**
   * Opens the topics for a run of a flow, and creates missing ones.
   *
   * @param signal Ends all waiting when it is aborted.
   * @throws {RecoveryError} If they cannot be used. The message names the reason and the cure.
   */
  async open(flow: string, log?: Log, signal?: AbortSignal): Promise<RecoveryStore> {
    const { KafkaStore } = await import("./store.ts");
    return await KafkaStore.open(this.#storeTopics, flow, signal, log);
  }

  /**
   * Deletes the topics.
   *
   * @param log Accepts what is waited for, if it takes more than a second.
   * @throws {RecoveryError} If a run uses them, or they cannot be deleted.
   */
  async drop(log?: Log): Promise<void> {
    const { dropStore } = await import("./store.ts");
    await dropStore(this.#storeTopics, log);
  }
}

/**
 * The topics that the options name.
 *
 * @throws {TypeError} If an option is wrong.
 */
export function storeTopicsOf(options: KafkaRecoveryOptions): StoreTopics {
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

/** Leaves room for the suffix of each topic, as the name of a topic has at most 249 characters. */
function checkPrefix(config: string, prefix: unknown): string {
  if (typeof prefix === "string" && /^[\w.-]{1,239}$/.test(prefix)) return prefix;
  throw new TypeError(
    `${config} needs topicPrefix as up to 239 letters, digits, ".", "_" and "-"; got ` +
      Deno.inspect(prefix),
  );
}
