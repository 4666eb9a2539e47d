/**
 * What the tasks of a group know about Kafka configs. It is not part of the configs themselves, as
 * their members are documented for everyone.
 *
 * @module
 */
import { FlowDefinitionError } from "../../core/errors.ts";
import { OWN_MODULE } from "../../core/own_module.ts";
import type { KafkaInputSettings, KafkaOutputSettings } from "./properties/settings.ts";
import type { ToItem } from "./read/source.ts";

/** A Kafka input. */
export interface KnownInput {
  readonly settings: KafkaInputSettings;
  /** Returns how items are made. */
  toItem(): Promise<ToItem<unknown>>;
}

/** The Kafka configs of all copies of this module: each copy knows its own only. */
const CONFIGS: unique symbol = Symbol.for("millrace.kafka.configs");

const ofAnyCopy = (globalThis as { [CONFIGS]?: WeakSet<object> })[CONFIGS] ??= new WeakSet();
const inputs = new WeakMap<object, KnownInput>();
const outputs = new WeakMap<object, KafkaOutputSettings>();

/** Called by each Kafka input when it is created. */
export function rememberInput(config: object, known: KnownInput): void {
  ofAnyCopy.add(config);
  inputs.set(config, known);
}

/** Called by each Kafka output when it is created. */
export function rememberOutput(config: object, settings: KafkaOutputSettings): void {
  ofAnyCopy.add(config);
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

/**
 * Makes sure that a Kafka config was made by this copy of the module. A group could not read an
 * input of another one, and would write an output of it outside of its transactions.
 *
 * @throws {FlowDefinitionError} If another copy has made it. The message names the step, and the
 * cure.
 */
export function requireOwnCopy(config: object, kind: "input" | "output", stepId: string): void {
  if (!ofAnyCopy.has(config) || inputs.has(config) || outputs.has(config)) return;
  throw new FlowDefinitionError(
    `${kind} "${stepId}" is a ${config.constructor.name} of another copy of Millrace than the one ` +
      `that runs the flow, and a group needs one for both: in the deno.json of the flow, let ` +
      `"imports" say that "millrace" is "${OWN_MODULE}", or run the cli.ts of the flow's own copy`,
  );
}
