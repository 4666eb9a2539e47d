/**
 * Where a store is, and its errors.
 *
 * @module
 */
import { RecoveryError } from "../../recovery/store.ts";
import type { ConnectionSettings } from "../kafka/properties/connection_settings.ts";
import { type ErrorKind, errorKind, errorName, messageOfKafka } from "../kafka/client/errors.ts";
import type { Brokers } from "../kafka/properties/options.ts";

/** Where a store is. */
export interface KafkaPlace {
  readonly brokers: Brokers;
  readonly settings: ConnectionSettings;
  readonly stateTopic: string;
  readonly metaTopic: string;
  /** Both the consumer group that is its lock and the transactional id. */
  readonly id: string;
  /** What it is called, for people. */
  readonly name: string;
}

/** An error that says which store. */
export function refuse({ name }: KafkaPlace, reason: string, cause?: unknown): RecoveryError {
  return new RecoveryError(
    `recovery store ${name}: ${reason}`,
    cause === undefined ? {} : { cause },
  );
}

/** What to do about a store that is damaged. */
export const DAMAGED =
  "bring back its topics from a copy, or drop it (--from-scratch) to begin without state " +
  "and positions";

/** An error for a record of something else on a topic. */
export function foreign(place: KafkaPlace, topic: string, cause?: unknown): RecoveryError {
  return refuse(
    place,
    `"${topic}" has a record that no store writes: does something else write to it? ${DAMAGED}`,
    cause,
  );
}

/** What another run's use of the store is called. */
export const IN_USE =
  "another run uses it: wait until that one has ended (one that was killed holds " +
  "it for 10 s), or give each run a store of its own";

/** What to do about errors of a kind. */
const ADVICE_FOR_KIND: Readonly<Partial<Record<ErrorKind, (place: KafkaPlace) => string>>> = {
  fenced: takenOver,
  tooLarge,
};

/** What to do about single errors. */
const ADVICE: Readonly<Record<string, (place: KafkaPlace) => string>> = {
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

function tooLarge({ stateTopic }: KafkaPlace): string {
  return `a key's state is larger than the topic takes: raise max.message.bytes of "${stateTopic}", ` +
    "or keep less state for each key";
}

/** Any error as one of the store. */
export function explain(place: KafkaPlace, error: unknown): RecoveryError {
  if (error instanceof RecoveryError) return error;
  const { type, cause } = error as { type?: string; cause?: { type?: string } };
  const protocolError = type === undefined && cause?.type !== undefined ? cause : error;
  const advice = ADVICE[errorName(protocolError)] ?? ADVICE_FOR_KIND[errorKind(protocolError)];
  const reason = advice?.(place) ?? messageOfKafka(error);
  return refuse(place, reason, error);
}
