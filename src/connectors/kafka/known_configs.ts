/**
 * What the tasks of a group know about Kafka configs. It is not part of the configs themselves, as
 * their members are documented for everyone.
 *
 * @module
 */
import type { KafkaInputSettings, KafkaOutputSettings } from "./properties/settings.ts";
import type { ToItem } from "./read/source.ts";

/** A Kafka input. */
export interface KnownInput {
  readonly settings: KafkaInputSettings;
  /** Returns how items are made. */
  toItem(): Promise<ToItem<unknown>>;
}

const inputs = new WeakMap<object, KnownInput>();
const outputs = new WeakMap<object, KafkaOutputSettings>();

/** Called by each Kafka input when it is created. */
export function rememberInput(config: object, known: KnownInput): void {
  inputs.set(config, known);
}

/** Called by each Kafka output when it is created. */
export function rememberOutput(config: object, settings: KafkaOutputSettings): void {
  outputs.set(config, settings);
}

/** Returns what is known of an input; `null` if it is not one of Kafka. */
export function knownInput(config: object): KnownInput | null {
  return inputs.get(config) ?? null;
}

/** Returns what is known of an output; `null` if it is not one of Kafka. */
export function knownOutput(config: object): KafkaOutputSettings | null {
  return outputs.get(config) ?? null;
}
