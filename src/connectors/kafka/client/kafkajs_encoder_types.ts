/**
 * The type of a module of KafkaJS 2.2.4 that is not declared: what it writes requests with.
 *
 * @module
 */
import type { Buffer } from "node:buffer";

/** Bytes that are written one after the other. */
export default class Encoder {
  /** The bytes, and room for more. */
  declare buf: Buffer;
  /** How many bytes have been written. */
  declare offset: number;
  /** What has been written. */
  declare readonly buffer: Buffer;
  /** Adds what another has written. */
  declare writeEncoder: (value: { readonly buf: Buffer; readonly buffer: Buffer }) => Encoder;
}
