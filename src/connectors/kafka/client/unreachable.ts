/**
 * Why an address cannot be reached even after waiting. The process may lack the permission. The
 * cluster may name an address that is useless here. Or a broker in reach fails at a request.
 *
 * @module
 */
import type { Brokers } from "../properties/options.ts";

/** The name service does not know the host. */
const UNKNOWN_HOST: ReadonlySet<string | undefined> = new Set(["ENOTFOUND", "EAI_AGAIN"]);

/** What an error of connecting, or its cause, reveals about the address. */
interface Attempt {
  /** `host:port`. */
  readonly broker?: string;
  readonly code?: string;
}

function attemptOf(error: unknown): Attempt | null {
  for (let each = error; each instanceof Error; each = each.cause) {
    const { broker, code } = each as Error & { broker?: unknown; code?: unknown };
    if (typeof broker !== "string") continue;
    return { broker, code: typeof code === "string" ? code : undefined };
  }
  return null;
}

/** What Deno reports for an address, and for a host name, without a permission. */
const DENIED = /\bRequires net access to "([^"]+)"|\bgetaddrinfo EPERM (\S+)/;

/** Which permission is missing to connect; `null` if the error is not about one. */
export function denialOf(error: unknown): string | null {
  const denied = error instanceof Error ? DENIED.exec(error.message) : null;
  if (denied === null) return null;
  const address = attemptOf(error)?.broker ?? denied[1] ?? denied[2];
  return `this process may not connect to ${address}: give it --allow-net=${address}, with the address ` +
    `of every other broker that the cluster names (workers have it from --worker-flags)`;
}

/**
 * What to check if an address cannot be reached that is not one of `brokers`. The cluster has named
 * it. `null` if it is one of them.
 */
export function advertisedHint(error: unknown, brokers: Brokers): string | null {
  const attempt = attemptOf(error);
  if (attempt?.broker === undefined) return null;
  const address = attempt.broker.toLowerCase();
  if (brokers.some((broker) => broker.toLowerCase() === address)) return null;
  const what = `the cluster names ${attempt.broker} as the address of a broker`;
  return UNKNOWN_HOST.has(attempt.code)
    ? `${what}, and no such host is known here: set the broker's advertised.listeners to a name that ` +
      `clients can resolve`
    : `${what}: is it running, and are its advertised.listeners an address that clients can reach?`;
}

/** The same, but only if waiting is useless: the host is unknown. */
export function unknownHostHint(error: unknown, brokers: Brokers): string | null {
  return UNKNOWN_HOST.has(attemptOf(error)?.code) ? advertisedHint(error, brokers) : null;
}

/** Requests that a broker does not answer on a port for another protocol. */
const FIRST_REQUESTS: ReadonlySet<string> = new Set([
  "ApiVersions",
  "SaslHandshake",
  "SaslAuthenticate",
  "Metadata",
]);

/** What KafkaJS throws for a request that was sent and not answered. */
const UNANSWERED: ReadonlySet<string> = new Set([
  "KafkaJSConnectionClosedError",
  "KafkaJSRequestTimeoutError",
]);

/** A failure of a broker that is in reach. */
export interface FailedRequest {
  readonly apiName: string;
  /** Whether the error is the broker's answer, rather than a missing one. */
  readonly isAnswered: boolean;
}

/**
 * The request at which a broker fails; `null` if the error does not show that the broker is in
 * reach.
 */
export function failedRequest(error: unknown): FailedRequest | null {
  const { name, apiName, type } = error as { name?: string; apiName?: string; type?: string };
  if (apiName === undefined) return null;
  const isAnswered = type !== undefined;
  const isSent = UNANSWERED.has(name ?? "") && !FIRST_REQUESTS.has(apiName);
  return isAnswered || isSent ? { apiName, isAnswered } : null;
}
