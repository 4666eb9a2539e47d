/**
 * What the Kafka configs hold once their options are checked. Nothing is connected yet.
 *
 * @module
 */
import type { Brokers } from "./options.ts";
import type { InputSettings } from "./input_settings.ts";
import type { OutputSettings } from "./output_settings.ts";

/** What both inputs hold. */
export interface KafkaInputSettings {
  readonly brokers: Brokers;
  readonly topics: readonly string[];
  readonly tail: boolean;
  /** `beginning`, `end`, or milliseconds since the Unix epoch. */
  readonly start: "beginning" | "end" | number;
  readonly input: InputSettings;
}

/** What the output holds. */
export interface KafkaOutputSettings {
  readonly brokers: Brokers;
  readonly topic: string;
  readonly output: OutputSettings;
  /** The epoch whose output the user does without, if the broker has dropped it. */
  readonly acceptLostEpoch?: number;
}
