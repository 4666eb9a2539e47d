/**
 * A second real Apache Kafka, with a listener for each kind of security.
 *
 * It is a separate process. Like the plain broker, the first test that needs it starts it, and it
 * ends with the run. It is started even if `KAFKA_BROKERS` names brokers, as these cannot be
 * expected to accept its certificates and users.
 */
import { brokerOfThisRun } from "./broker/broker.ts";

/** The listeners, by what they require. */
export type Listener =
  /** Nothing: for the support of tests, and for wrong protocols. */
  | "PLAINTEXT"
  /** TLS. */
  | "SSL"
  /** TLS with a certificate of the client. */
  | "MTLS"
  /** TLS, and the certificate is for another host. */
  | "WRONG_HOST"
  /** SASL by any mechanism. */
  | "SASL_PLAINTEXT"
  /** The same over TLS. */
  | "SASL_SSL"
  /** SASL by SCRAM-SHA-512 only. */
  | "ONE_MECHANISM"
  /** Nothing, but the cluster names an unknown host. */
  | "UNKNOWN_NAME";

/** A user with a password. */
export interface User {
  readonly username: string;
  readonly password: string;
}

/** The broker. */
export interface SecureKafka {
  /** The option `brokers` for each listener. */
  readonly brokers: Readonly<Record<Listener, string[]>>;
  /** Paths of PEM files. */
  readonly files: {
    /** The authority that signed the certificates of the broker and the client. */
    readonly ca: string;
    /** An authority that has signed nothing. */
    readonly otherCa: string;
    /** The key of the other authority. */
    readonly otherKey: string;
    readonly certificate: string;
    readonly key: string;
    /** The same key, encrypted with `keyPassword`. */
    readonly encryptedKey: string;
  };
  readonly keyPassword: string;
  /** Known to PLAIN. */
  readonly plain: User;
  /** Known to both SCRAM mechanisms. */
  readonly scram: User;
}

let secureKafkaOfThisFile: Promise<SecureKafka> | undefined;

/**
 * The secured broker.
 *
 * @throws {Error} If a tool to start one is missing.
 */
export function secureKafka(): Promise<SecureKafka> {
  return secureKafkaOfThisFile ??= findSecureKafka();
}

async function findSecureKafka(): Promise<SecureKafka> {
  const { folder } = await brokerOfThisRun("secure-kafka", { script: "secure.sh", ports: 7 });
  const at = (name: string) => `${folder}/secure/${name}`;
  const [listeners, plain, scram, key] = await Promise.all(
    [`${folder}/listeners`, at("plain.password"), at("scram.password"), at("key.password")]
      .map((path) => Deno.readTextFile(path)),
  );
  return {
    brokers: Object.fromEntries(
      listeners.trim().split("\n").map((line) => line.split(" ")).map(([name, at]) => [name, [at]]),
    ) as SecureKafka["brokers"],
    files: {
      ca: at("ca.pem"),
      otherCa: at("stranger.pem"),
      otherKey: at("stranger.key"),
      certificate: at("client.pem"),
      key: at("client.key"),
      encryptedKey: at("client.encrypted.key"),
    },
    keyPassword: key,
    plain: { username: "plain-user", password: plain },
    scram: { username: "scram-user", password: scram },
  };
}

/**
 * A token in the form that Kafka's validator for tests accepts: an unsigned JSON Web Token.
 *
 * @param seconds How long it is valid, from now; negative if it has expired.
 */
export function unsignedToken(subject: string, seconds = 300): string {
  const now = Math.floor(Date.now() / 1000);
  const issued = Math.min(now, now + seconds - 60);
  const part = (content: object) =>
    new TextEncoder().encode(JSON.stringify(content))
      .toBase64({ alphabet: "base64url", omitPadding: true });
  return `${part({ alg: "none" })}.${part({ sub: subject, iat: issued, exp: now + seconds })}.`;
}
