/**
 * The topics of a store on Kafka, how to reach them, and the errors of such a store.
 *
 * @module
 */
import { RecoveryError, StoreInUseError } from "../../recovery/store.ts";
import type { ConnectionSettings } from "../kafka/properties/connection_settings.ts";
import { type ErrorKind, errorKind, errorName, messageOfKafka } from "../kafka/client/errors.ts";
import type { Brokers } from "../kafka/properties/options.ts";

/** The topics of a store, and what belongs to them. */
export interface StoreTopics {
  readonly brokers: Brokers;
  readonly settings: ConnectionSettings;
  readonly stateTopic: string;
  readonly metaTopic: string;
  /** Both the transactional id and the consumer group that is the lock. */
  readonly id: string;
  /** How errors and logs name the store. */
  readonly name: string;
}

/** An error that names the store. */
export function refuse({ name }: StoreTopics, reason: string, cause?: unknown): RecoveryError {
  return new RecoveryError(
    `recovery store ${name}: ${reason}`,
    cause === undefined ? {} : { cause },
  );
}

/** What to do about a damaged store. */
export const DAMAGED =
  "bring back its topics from a copy, or drop it (--from-scratch) to begin without state " +
  "and positions";

/** The error where the topic for state has a store, and the other topic does not say which. */
export function ownerless(storeTopics: StoreTopics): RecoveryError {
  return refuse(
    storeTopics,
    `there are records of a store on its topics, but "${storeTopics.metaTopic}" does not say whose: ` +
      `was it deleted and created again? ${DAMAGED}`,
  );
}

/** The error for a record on a topic that a store did not write. */
export function foreign(storeTopics: StoreTopics, topic: string, cause?: unknown): RecoveryError {
  return refuse(
    storeTopics,
    `"${topic}" has a record that no store writes: does something else write to it? ${DAMAGED}`,
    cause,
  );
}

/** The error where another run uses the store. */
export function inUse({ name }: StoreTopics): RecoveryError {
  return new StoreInUseError(name, "one that was killed holds it for 10 s");
}

/** What to do about errors of a kind. */
const ADVICE_FOR_KIND: Readonly<Partial<Record<ErrorKind, (storeTopics: StoreTopics) => string>>> =
  {
    fenced: takenOver,
    tooLarge,
  };

/** What to do about single errors. */
const ADVICE: Readonly<Record<string, (storeTopics: StoreTopics) => string>> = {
  TRANSACTIONAL_ID_AUTHORIZATION_FAILED: ({ id }) =>
    `no permission for transactions: allow Describe and Write on the transactional id "${id}"`,
  GROUP_AUTHORIZATION_FAILED: ({ id }) =>
    `no permission for the group that is its lock: allow Read on the group "${id}"`,
  TOPIC_AUTHORIZATION_FAILED: ({ stateTopic, metaTopic }) =>
    `no permission for its topics: allow Describe, DescribeConfigs, Read, Write, and to make or drop ` +
    `them Create and Delete, on "${stateTopic}" and "${metaTopic}"`,
  CLUSTER_AUTHORIZATION_FAILED: () => "no permission to make topics: allow Create, or make them",
};

function takenOver(): string {
  return "another run has taken it over, or an epoch took more than five minutes to write: what was " +
    "committed is there; start again where no other run goes on";
}

function tooLarge({ stateTopic }: StoreTopics): string {
  return `a key's state is larger than the topic accepts: raise max.message.bytes of "${stateTopic}", ` +
    "or keep less state for each key";
}

/** Turns any error into one of the store. */
export function explain(storeTopics: StoreTopics, error: unknown): RecoveryError {
  if (error instanceof RecoveryError) return error;
  const { type, cause } = error as { type?: string; cause?: { type?: string } };
  const protocolError = type === undefined && cause?.type !== undefined ? cause : error;
  const advice = ADVICE[errorName(protocolError)] ?? ADVICE_FOR_KIND[errorKind(protocolError)];
  const reason = advice?.(storeTopics) ?? messageOfKafka(error);
  return refuse(storeTopics, reason, error);
}
