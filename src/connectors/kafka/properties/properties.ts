/**
 * `additionalProperties`: librdkafka's names, what they mean here, and which are refused.
 *
 * The names and values are data (`property_table.ts`, `refused_properties.ts`); each is checked by
 * itself (`given_properties.ts`), then all of them together, as settings are made of them.
 *
 * @module
 */
export type { Codec } from "../compression/codec.ts";
export type {
  ConnectionSettings,
  PemSource,
  SaslSettings,
  SslSettings,
} from "./connection_settings.ts";
export type { KafkaProperties } from "./given_properties.ts";
export { type InputSettings, type Isolation, readInputProperties } from "./input_settings.ts";
export { type Acks, type OutputSettings, readOutputProperties } from "./output_settings.ts";
