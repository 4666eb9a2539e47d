/**
 * `additionalProperties`: librdkafka's names, what they mean here, and which are refused.
 *
 * @module
 */
import { closestString } from "@std/text";

/** Values of properties, as librdkafka takes them: text, or a number or boolean for its text. */
export type KafkaProperties = Readonly<Record<string, string | number | boolean>>;

/** Which side a property is for. */
export type Side = "input" | "output";

/** Who acknowledges a record: all in-sync replicas, or the partition's leader alone. */
export type Acks = "all" | "leader";

/** A file, or its contents. */
export type PemSource = { readonly path: string } | { readonly pem: string };

/** TLS, as far as it was set. */
export interface SslSettings {
  readonly verify: boolean;
  readonly ca?: PemSource;
  readonly cert?: PemSource;
  readonly key?: PemSource;
  readonly keyPassword?: string;
}

/** Who we are to the broker. */
export interface SaslSettings {
  readonly mechanism: "plain" | "scram-sha-256" | "scram-sha-512";
  readonly username: string;
  readonly password: string;
}

/** How to connect. */
export interface ConnectionSettings {
  readonly clientId: string;
  readonly ssl: SslSettings | null;
  readonly sasl: SaslSettings | null;
}

/** How to write. */
export interface OutputSettings extends ConnectionSettings {
  readonly acks: Acks;
  readonly compression: "none" | "gzip";
  /** How long a record may wait for others, in milliseconds. */
  readonly lingerMs: number;
}

interface Property {
  /** Which sides take it. */
  readonly sides: readonly Side[];
  /** Which values it takes; the error shows it. A secret's value is never shown. */
  readonly takes: string;
  readonly pattern: RegExp;
  readonly secret?: true;
}

const BOTH: readonly Side[] = ["input", "output"];
const TEXT = { takes: "text", pattern: /^[^]+$/ };
const PATH = { takes: "a path", pattern: /^[^]+$/ };
const PEM = { takes: "PEM text", pattern: /-----BEGIN [^]+-----END / };
const BOOLEAN = { takes: "true or false", pattern: /^(true|false)$/ };

/** The properties that are known. Every other one is refused by name. */
const PROPERTIES: Readonly<Record<string, Property>> = {
  "client.id": { sides: BOTH, ...TEXT },
  "security.protocol": {
    sides: BOTH,
    takes: "plaintext, ssl, sasl_plaintext or sasl_ssl",
    pattern: /^(plaintext|ssl|sasl_plaintext|sasl_ssl)$/i,
  },
  "ssl.ca.location": { sides: BOTH, ...PATH },
  "ssl.ca.pem": { sides: BOTH, ...PEM },
  "ssl.certificate.location": { sides: BOTH, ...PATH },
  "ssl.certificate.pem": { sides: BOTH, ...PEM },
  "ssl.key.location": { sides: BOTH, ...PATH },
  "ssl.key.pem": { sides: BOTH, ...PEM, secret: true },
  "ssl.key.password": { sides: BOTH, ...TEXT, secret: true },
  "enable.ssl.certificate.verification": { sides: BOTH, ...BOOLEAN },
  "sasl.mechanism": {
    sides: BOTH,
    takes: "PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512",
    pattern: /^(plain|scram-sha-256|scram-sha-512)$/i,
  },
  "sasl.username": { sides: BOTH, ...TEXT },
  "sasl.password": { sides: BOTH, ...TEXT, secret: true },
  "acks": { sides: ["output"], takes: "all, -1 or 1", pattern: /^(all|-1|1)$/ },
  "compression.type": { sides: ["output"], takes: "none or gzip", pattern: /^(none|gzip)$/ },
  "linger.ms": {
    sides: ["output"],
    takes: "milliseconds from 0 to 900000",
    pattern: /^\d{1,6}(\.\d+)?$/,
  },
};

/** Other names for the same. */
const ALIASES: Readonly<Record<string, string>> = {
  "sasl.mechanisms": "sasl.mechanism",
  "request.required.acks": "acks",
  "compression.codec": "compression.type",
  "queue.buffering.max.ms": "linger.ms",
};

/**
 * Reads the properties of an input.
 *
 * @throws {TypeError} If one is not known, not for inputs, or has a bad value. Names it and the cure.
 */
export function readInputProperties(properties: KafkaProperties = {}): ConnectionSettings {
  return connectionOf(checkedValues("input", properties));
}

/** The same for an output. */
export function readOutputProperties(properties: KafkaProperties = {}): OutputSettings {
  const values = checkedValues("output", properties);
  const linger = Number(values.get("linger.ms") ?? 0);
  if (linger > 900_000) throw badValue("linger.ms", linger);
  return {
    ...connectionOf(values),
    acks: (values.get("acks") ?? "all") === "1" ? "leader" : "all",
    compression: values.get("compression.type") === "gzip" ? "gzip" : "none",
    lingerMs: linger,
  };
}

function checkedValues(side: Side, properties: KafkaProperties): Map<string, string> {
  // A `Map` has no own properties: all that is in it would be ignored.
  if (typeof properties !== "object" || properties === null || Symbol.iterator in properties) {
    throw new TypeError("additionalProperties must be an object such as { acks: 1 }");
  }
  const values = new Map<string, string>();
  for (const [given, raw] of Object.entries(properties)) {
    const name = Object.hasOwn(ALIASES, given) ? ALIASES[given] : given;
    if (!Object.hasOwn(PROPERTIES, name)) throw unknownProperty(given);
    const { sides, pattern } = PROPERTIES[name];
    if (!sides.includes(side)) {
      throw new TypeError(`Kafka property "${given}" is for outputs; this is an input`);
    }
    const usable = typeof raw === "string" || typeof raw === "number" || typeof raw === "boolean";
    if (!usable || !pattern.test(String(raw))) throw badValue(name, raw);
    if (values.has(name)) throw new TypeError(`Kafka property "${name}" is given twice`);
    values.set(name, String(raw));
  }
  return values;
}

function unknownProperty(name: string): TypeError {
  const near = closestString(name, [...Object.keys(PROPERTIES), ...Object.keys(ALIASES)]);
  return new TypeError(
    `Kafka property "${name}" is not supported (the nearest that is: "${near}"): ` +
      `nothing is ignored silently, so leave it out`,
  );
}

function badValue(name: string, value: unknown): TypeError {
  const { takes, secret } = PROPERTIES[name];
  const got = secret === true ? "a value that is not shown" : Deno.inspect(value);
  return new TypeError(`Kafka property "${name}" takes ${takes}; got ${got}`);
}

function connectionOf(values: ReadonlyMap<string, string>): ConnectionSettings {
  const protocol = (values.get("security.protocol") ?? "plaintext").toLowerCase();
  return {
    clientId: values.get("client.id") ?? "millrace",
    ssl: protocol.endsWith("ssl") ? sslOf(values) : refuse(values, "ssl.", "ssl or sasl_ssl"),
    sasl: protocol.startsWith("sasl")
      ? saslOf(values)
      : refuse(values, "sasl.", "sasl_plaintext or sasl_ssl"),
  };
}

/** Settings of a kind that the protocol does not use must not be ignored silently. */
function refuse(values: ReadonlyMap<string, string>, prefix: string, protocols: string): null {
  for (const name of values.keys()) {
    if (name.startsWith(prefix) || name.startsWith(`enable.${prefix}`)) {
      throw new TypeError(
        `Kafka property "${name}" has no effect without "security.protocol": ${protocols}`,
      );
    }
  }
  return null;
}

function sslOf(values: ReadonlyMap<string, string>): SslSettings {
  const source = (name: string): PemSource | undefined => {
    const path = values.get(`ssl.${name}.location`);
    const pem = values.get(`ssl.${name}.pem`);
    if (path !== undefined && pem !== undefined) {
      throw new TypeError(`give either "ssl.${name}.location" or "ssl.${name}.pem", not both`);
    }
    return path !== undefined ? { path } : pem !== undefined ? { pem } : undefined;
  };
  const [ca, cert, key] = [source("ca"), source("certificate"), source("key")];
  if ((cert === undefined) !== (key === undefined)) {
    throw new TypeError(`"ssl.certificate.…" and "ssl.key.…" are only of use together`);
  }
  const keyPassword = values.get("ssl.key.password");
  if (keyPassword !== undefined && key === undefined) {
    throw new TypeError(`"ssl.key.password" is only of use with "ssl.key.…"`);
  }
  return {
    verify: values.get("enable.ssl.certificate.verification") !== "false",
    ...ca === undefined ? {} : { ca },
    ...cert === undefined ? {} : { cert },
    ...key === undefined ? {} : { key },
    ...keyPassword === undefined ? {} : { keyPassword },
  };
}

function saslOf(values: ReadonlyMap<string, string>): SaslSettings {
  const need = (name: string): string => {
    const value = values.get(name);
    if (value !== undefined) return value;
    throw new TypeError(`"security.protocol" with sasl needs the property "${name}"`);
  };
  return {
    mechanism: need("sasl.mechanism").toLowerCase() as SaslSettings["mechanism"],
    username: need("sasl.username"),
    password: need("sasl.password"),
  };
}
