/**
 * The settings of reading, from the properties.
 *
 * @module
 */
import { type ConnectionSettings, connectionSettings } from "./connection_settings.ts";
import { givenToInput, type KafkaProperties } from "./given_properties.ts";

/** Whether records of open and aborted transactions are left out. */
export type Isolation = "read_committed" | "read_uncommitted";

/** How to read. */
export interface InputSettings extends ConnectionSettings {
  /** Whether records of open and aborted transactions are left out. */
  readonly isolation: Isolation;
  /** Where to continue if the broker does not have a position any more. */
  readonly offsetReset: "error" | "beginning" | "end";
  /** The group under which the broker is told how far we have read. */
  readonly groupId: string | null;
  /** How long the broker may wait for {@linkcode fetchMinBytes}, in milliseconds. */
  readonly fetchWaitMs: number;
  /** How many bytes to wait for. */
  readonly fetchMinBytes: number;
  /** The most bytes in one answer. */
  readonly fetchMaxBytes: number;
  /** The most bytes of a partition in one answer; a larger record still comes, alone. */
  readonly partitionMaxBytes: number;
  /** How many bytes may wait for the flow before no more is asked for. */
  readonly queuedMaxBytes: number;
  /** Whether the checksums of what is read are verified. */
  readonly checkCrcs: boolean;
}

/**
 * Reads the properties of an input.
 *
 * @throws {TypeError} If one is not known, not for inputs, has a bad value, or contradicts another.
 * Names it and the cure.
 */
export function readInputProperties(properties: KafkaProperties = {}): InputSettings {
  const given = givenToInput(properties);
  const connection = connectionSettings(given);
  const fetchWaitMs = given.get("fetch.wait.max.ms");
  if (fetchWaitMs >= connection.requestTimeoutMs) {
    throw new TypeError(
      `Kafka property "fetch.wait.max.ms" is ${fetchWaitMs}: it must be less than ` +
        `"socket.timeout.ms", ${connection.requestTimeoutMs}, or no answer comes in time`,
    );
  }
  return {
    ...connection,
    isolation: given.get("isolation.level"),
    offsetReset: given.get("auto.offset.reset"),
    groupId: given.get("group.id") ?? null,
    fetchWaitMs,
    fetchMinBytes: given.get("fetch.min.bytes"),
    fetchMaxBytes: given.get("fetch.max.bytes"),
    partitionMaxBytes: given.get("max.partition.fetch.bytes"),
    queuedMaxBytes: given.get("queued.max.messages.kbytes"),
    checkCrcs: given.get("check.crcs"),
  };
}
