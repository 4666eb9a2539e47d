/**
 * The settings of a connection, from the properties.
 *
 * @module
 */
import type { GivenProperties } from "./given_properties.ts";
import type { CONNECTION } from "./property_table.ts";
import type { TokenCallback } from "./property_values.ts";

/** A file, or its contents. */
export type PemSource = { readonly path: string } | { readonly pem: string };

/** TLS, where it is set. */
export interface SslSettings {
  readonly verify: boolean;
  readonly ca?: PemSource;
  readonly cert?: PemSource;
  readonly key?: PemSource;
  readonly keyPassword?: string;
}

/** How we authenticate to the broker. */
export type SaslSettings =
  | {
    readonly mechanism: "plain" | "scram-sha-256" | "scram-sha-512";
    readonly username: string;
    readonly password: string;
  }
  | {
    readonly mechanism: "oauthbearer";
    /** Returns a token that is valid now. */
    readonly token: () => Promise<string>;
  };

/** How to connect. */
export interface ConnectionSettings {
  readonly clientId: string;
  readonly ssl: SslSettings | null;
  readonly sasl: SaslSettings | null;
  /** How long the broker may take to answer, in milliseconds, like all times here. */
  readonly requestTimeoutMs: number;
  /** How long connecting may take, TLS and SASL included. */
  readonly connectionTimeoutMs: number;
  /** The pause after a first error. */
  readonly retryBackoffMs: number;
  /** The longest pause, after many errors in a row; never less than the first. */
  readonly retryBackoffMaxMs: number;
  /** How old what is known of partitions and leaders may be. */
  readonly metadataMaxAgeMs: number;
  /** Whether small packets are sent at once. */
  readonly noDelay: boolean;
  /** The most bytes of records to request in one answer; absent if that is not set. */
  readonly fetchMaxBytes?: number;
  /** Which IP addresses are used; 0 for any. */
  readonly addressFamily: 0 | 4 | 6;
}

type Given = GivenProperties<typeof CONNECTION>;

/**
 * How to connect.
 *
 * @throws {TypeError} If properties contradict each other. Names them and the cure.
 */
export function connectionSettings(given: Given): ConnectionSettings {
  const protocol = given.get("security.protocol");
  const withSsl = protocol === "ssl" || protocol === "sasl_ssl";
  const withSasl = protocol === "sasl_plaintext" || protocol === "sasl_ssl";
  if (!withSsl) refuseAll(given, /^(enable\.)?ssl\./, "ssl or sasl_ssl");
  if (!withSasl) refuseAll(given, /^(sasl\.|oauthbearer_)/, "sasl_plaintext or sasl_ssl");
  return {
    clientId: given.get("client.id"),
    ssl: withSsl ? sslOf(given) : null,
    sasl: withSasl ? saslOf(given) : null,
    requestTimeoutMs: given.get("socket.timeout.ms"),
    connectionTimeoutMs: given.get("socket.connection.setup.timeout.ms"),
    ...backoffOf(given),
    metadataMaxAgeMs: given.get("topic.metadata.refresh.interval.ms"),
    noDelay: given.get("socket.nagle.disable"),
    addressFamily: given.get("broker.address.family"),
  };
}

/** Settings that the protocol does not use must not be ignored silently. */
function refuseAll(given: Given, kind: RegExp, protocols: string): void {
  for (const { name, as } of given.names()) {
    if (!kind.test(name)) continue;
    throw new TypeError(
      `Kafka property "${as}" has no effect without "security.protocol": ${protocols}`,
    );
  }
}

function backoffOf(given: Given): { retryBackoffMs: number; retryBackoffMaxMs: number } {
  const first = given.get("retry.backoff.ms");
  const longest = given.get("retry.backoff.max.ms");
  const as = given.givenAs("retry.backoff.max.ms");
  if (as !== undefined && longest < first) {
    throw new TypeError(
      `Kafka property "${as}" is ${longest}: less than the first pause, ${first} ms ` +
        `("${given.givenAs("retry.backoff.ms") ?? "retry.backoff.ms"}")`,
    );
  }
  return { retryBackoffMs: first, retryBackoffMaxMs: Math.max(first, longest) };
}

function sslOf(given: Given): SslSettings {
  const ca = pemSource(given, "ssl.ca.location", "ssl.ca.pem");
  const cert = pemSource(given, "ssl.certificate.location", "ssl.certificate.pem");
  const key = pemSource(given, "ssl.key.location", "ssl.key.pem");
  if ((cert === undefined) !== (key === undefined)) {
    throw new TypeError(`"ssl.certificate.…" and "ssl.key.…" are only of use together`);
  }
  const keyPassword = given.get("ssl.key.password");
  if (keyPassword !== undefined && key === undefined) {
    throw new TypeError(`"ssl.key.password" is only of use with "ssl.key.…"`);
  }
  const settings = {
    verify: given.get("enable.ssl.certificate.verification"),
    ...ca === undefined ? {} : { ca },
    ...cert === undefined ? {} : { cert },
    ...key === undefined ? {} : { key },
    ...keyPassword === undefined ? {} : { keyPassword },
  };
  return concealing(settings, ["key", "keyPassword"]);
}

type Location = "ssl.ca.location" | "ssl.certificate.location" | "ssl.key.location";
type Pem = "ssl.ca.pem" | "ssl.certificate.pem" | "ssl.key.pem";

function pemSource(given: Given, location: Location, text: Pem): PemSource | undefined {
  const path = given.get(location);
  const pem = given.get(text);
  if (path !== undefined && pem !== undefined) {
    throw new TypeError(`give either "${location}" or "${text}", not both`);
  }
  return path !== undefined ? { path } : pem !== undefined ? { pem } : undefined;
}

function saslOf(given: Given): SaslSettings {
  const need = <V>(name: keyof typeof CONNECTION, value: V | undefined): V => {
    if (value !== undefined) return value;
    throw new TypeError(`"security.protocol" with sasl needs the property "${name}"`);
  };
  const refuse = (name: keyof typeof CONNECTION, mechanisms: string): void => {
    if (given.givenAs(name) === undefined) return;
    throw new TypeError(`Kafka property "${name}" has no effect without SASL ${mechanisms}`);
  };
  const mechanism = need("sasl.mechanism", given.get("sasl.mechanism"));
  if (mechanism === "oauthbearer") {
    refuse("sasl.username", "PLAIN or SCRAM");
    refuse("sasl.password", "PLAIN or SCRAM");
    const name = "oauthbearer_token_refresh_cb";
    const callback = need(name, given.get(name));
    return { mechanism, token: () => tokenOf(callback) };
  }
  refuse("oauthbearer_token_refresh_cb", "OAUTHBEARER");
  refuse("sasl.oauthbearer.method", "OAUTHBEARER");
  const settings = {
    mechanism,
    username: need("sasl.username", given.get("sasl.username")),
    password: need("sasl.password", given.get("sasl.password")),
  };
  return concealing(settings, ["password"]);
}

/**
 * The token that a callback returns, checked. A wrong value is not shown, as it could hold a
 * secret.
 */
async function tokenOf(callback: TokenCallback): Promise<string> {
  const given: unknown = await callback();
  const token = typeof given === "string" ? given : (given as { value?: unknown } | null)?.value;
  if (typeof token === "string" && token !== "") return token;
  throw new TypeError(
    `"oauthbearer_token_refresh_cb" must return a token as text or as { value: text }`,
  );
}

/** Shows these as `***` whenever the settings are inspected, logged or turned into JSON. */
function concealing<T extends object>(settings: T, secrets: readonly string[]): T {
  const shown = (): Record<string, unknown> =>
    Object.fromEntries(
      Object.entries(settings).map(([name, value]) => [
        name,
        secrets.includes(name) ? "***" : value,
      ]),
    );
  Object.defineProperties(settings, {
    toJSON: { value: shown },
    [Symbol.for("Deno.customInspect")]: {
      value: (inspect: (value: unknown, options: unknown) => string, options: unknown) =>
        inspect(shown(), options),
    },
    [Symbol.for("nodejs.util.inspect.custom")]: { value: shown },
  });
  return settings;
}
