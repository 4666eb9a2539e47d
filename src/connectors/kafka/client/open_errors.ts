/**
 * The errors of a connection that cannot be opened: what is wrong, and what to check.
 *
 * @module
 */
import type { ConnectionSettings } from "../properties/connection_settings.ts";
import type { Brokers } from "../properties/options.ts";
import { cureFor } from "../wire/request_versions.ts";
import { isAnswer, messageOfKafka } from "./errors.ts";
import { WithoutLeaderError } from "./partition_offsets.ts";
import { hintOf } from "./security.ts";
import { advertisedHint, failedRequest } from "./unreachable.ts";

/** What was being opened. */
export interface Opened {
  readonly brokers: Brokers;
  readonly topics: readonly string[];
  readonly settings: ConnectionSettings;
}

/** Brokers refuse us, or something that we need. `reason` says why, and what to do. */
export function refusedError(
  { brokers, topics }: Opened,
  reason: string,
  cause: unknown,
): Error {
  const of = brokers.join(", ");
  const what = topics.length === 0 ? "" : ` for topic ${namesOf(topics)}`;
  const cannot = isAnswer(cause) ? "cannot use" : "cannot connect to";
  return new Error(`${cannot} ${of}${what}: ${reason}`, { cause });
}

/** Nothing succeeded within `limitMs` milliseconds; `cause` is the last error. */
export function unreachableError(
  { brokers: bootstrap, settings }: Opened,
  cause: unknown,
  limitMs: number,
): Error {
  const brokers = bootstrap.join(", ");
  const failed = failedRequest(cause);
  const advertised = advertisedHint(cause, bootstrap);
  let what = `no Kafka broker in reach at ${brokers}`;
  let hint = advertised ?? hintOf(cause, settings);
  if (failed !== null) {
    const { apiName, isAnswered } = failed;
    const log = "the broker's log may say more";
    what = isAnswered
      ? `the request ${apiName} does not succeed at ${brokers}`
      : `no answer to the request ${apiName} from ${brokers}`;
    hint = isAnswered ? log : `does the broker take this request? ${cureFor(apiName) ?? log}`;
  } else if (cause instanceof WithoutLeaderError) {
    what = `not all brokers that are needed are in reach at ${brokers}`;
    hint = "are all brokers of the cluster running?";
  } else if (advertised !== null) what = `a broker of the cluster at ${brokers} is not in reach`;
  return new Error(
    `${what} within ${limitMs / 1000} s: ${messageOfKafka(cause)} (${hint})`,
    { cause },
  );
}

/** Topics that brokers do not have. */
export class MissingTopicError extends Error {
  constructor(brokers: Brokers, topics: readonly string[]) {
    const are = topics.length > 1 ? "topics" : "topic";
    super(
      `${are} ${namesOf(topics)} ${topics.length > 1 ? "do" : "does"} not exist on ` +
        `${brokers.join(", ")}: create ${topics.length > 1 ? "them" : "it"} first, or check ` +
        (topics.length > 1 ? "their names" : "its name"),
    );
  }
}

function namesOf(topics: readonly string[]): string {
  return topics.map((topic) => `"${topic}"`).join(", ");
}

/** Why no answer came in time: `silent` lists brokers that accept connections and do not answer. */
export function unanswered(silent: readonly string[], late: Error): Error {
  if (silent.length === 0) return late;
  return new Error(`${silent.join(", ")} accepts connections, but did not answer`);
}
