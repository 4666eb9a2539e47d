/**
 * TLS and SASL in KafkaJS's form, and what their failures mean.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import type { KafkaConfig, Mechanism } from "./kafkajs_types.ts";
import type {
  ConnectionSettings,
  PemSource,
  SslSettings,
} from "../properties/connection_settings.ts";

/** A property is found to be wrong when connecting. Another attempt would fail too. */
export class KafkaSecurityError extends Error {
  override readonly name = "KafkaSecurityError";
}

/** The callback for tokens failed. It may succeed the next time. */
export class KafkaTokenError extends Error {
  override readonly name = "KafkaTokenError";
}

/**
 * Reads files and checks their contents. Deno's TLS silently leaves out a certificate whose key it
 * cannot use, and the broker's answer then hides the cause.
 *
 * @throws {KafkaSecurityError} If a file cannot be read or used. Names the property.
 */
export async function securityOf({ ssl, sasl }: ConnectionSettings): Promise<Partial<KafkaConfig>> {
  const config: Partial<KafkaConfig> = {};
  if (ssl !== null) config.ssl = await tlsOptions(ssl);
  if (sasl !== null) {
    config.sasl = sasl.mechanism === "oauthbearer"
      ? oauthBearer(sasl.token)
      : { ...sasl } as KafkaConfig["sasl"];
  }
  return config;
}

async function tlsOptions(ssl: SslSettings) {
  const [ca, cert, key] = [
    await read("ssl.ca", ssl.ca),
    await read("ssl.certificate", ssl.cert),
    await read("ssl.key", ssl.key),
  ];
  if (ca !== undefined) certificateOf("ssl.ca", ca);
  if (cert !== undefined && key !== undefined) {
    const certificate = certificateOf("ssl.certificate", cert);
    if (!certificate.checkPrivateKey(keyOf(key, ssl.keyPassword))) {
      throw new KafkaSecurityError(`"ssl.key.…" is not the key of the one in "ssl.certificate.…"`);
    }
  }
  return {
    rejectUnauthorized: ssl.verify,
    ...ca === undefined ? {} : { ca },
    ...cert === undefined ? {} : { cert },
    ...key === undefined ? {} : { key },
    ...ssl.keyPassword === undefined ? {} : { passphrase: ssl.keyPassword },
  };
}

async function read(name: string, source: PemSource | undefined): Promise<string | undefined> {
  if (source === undefined || "pem" in source) return source?.pem;
  try {
    return await Deno.readTextFile(source.path);
  } catch (error) {
    throw new KafkaSecurityError(
      `"${name}.location": cannot read ${source.path}: ${(error as Error).message}`,
      { cause: error },
    );
  }
}

function certificateOf(name: string, pem: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (error) {
    throw new KafkaSecurityError(
      `"${name}.…" holds no certificate in PEM (${(error as Error).message})`,
      { cause: error },
    );
  }
}

function keyOf(pem: string, password: string | undefined): KeyObject {
  try {
    return createPrivateKey({ key: pem, passphrase: password });
  } catch {
    if (!pem.includes("ENCRYPTED")) {
      throw new KafkaSecurityError(`"ssl.key.…" holds no private key in PEM`);
    }
    throw new KafkaSecurityError(
      password === undefined
        ? `the key in "ssl.key.…" is encrypted: give "ssl.key.password"`
        : `"ssl.key.password" does not decrypt the key in "ssl.key.…" (if it is the right one, have ` +
          `the key encrypted with AES: openssl pkcs8 -topk8 -v2 aes-256-cbc)`,
    );
  }
}

/**
 * Our own OAUTHBEARER. KafkaJS mistakes the broker's refusal of a token for success. It then fails
 * at the next request, with an error that does not mention tokens.
 */
function oauthBearer(token: () => Promise<string>): Mechanism {
  return {
    mechanism: "oauthbearer",
    authenticationProvider: ({ saslAuthenticate }) => ({
      async authenticate() {
        const bearer = await token().catch((cause) => {
          const { message } = cause as { message?: string };
          throw new KafkaTokenError(`"oauthbearer_token_refresh_cb" failed: ${message}`, { cause });
        });
        const first = `n,,\x01auth=Bearer ${bearer}\x01\x01`; // RFC 7628
        const refusal = await saslAuthenticate({
          request: { encode: () => sized(first) },
          response: {
            decode: (raw) => raw.subarray(4), // after its size
            parse: (data) => data.toString(),
          },
        });
        if (!refusal) return;
        const status = /"status" *: *"([^"]*)"/.exec(refusal)?.[1] ?? "no status";
        throw new KafkaSecurityError(
          `SASL OAUTHBEARER: the token was refused (${status}): has it expired, and is it for this ` +
            `cluster? It comes from "oauthbearer_token_refresh_cb"`,
        );
      },
    }),
  };
}

function sized(text: string): Buffer {
  const bytes = Buffer.from(text);
  const size = Buffer.alloc(4);
  size.writeInt32BE(bytes.length);
  return Buffer.concat([size, bytes]);
}

const NOT_TRUSTED: ReadonlySet<string | undefined> = new Set([
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "DEPTH_ZERO_SELF_SIGNED_CERT",
]);

/** Why a connection will fail again, with the property to check; `null` if it may succeed later. */
export function refusalOf(error: unknown, { ssl, sasl }: ConnectionSettings): string | null {
  const { name, type, message } = error as { name?: string; type?: string; message: string };
  const code = codeOf(error);
  if (error instanceof KafkaSecurityError || error instanceof KafkaTokenError) return message;
  if (NOT_TRUSTED.has(code)) {
    return `the broker's certificate is not signed by an authority that is trusted here: ` +
      (ssl?.ca === undefined
        ? `set "ssl.ca.location" or "ssl.ca.pem" to the certificate of the one that did`
        : `is the one in "${"path" in ssl.ca ? "ssl.ca.location" : "ssl.ca.pem"}" another?`);
  }
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID") {
    return `the broker's certificate is for another host (${
      message.replace(/^.*?: /, "")
    }): check ` +
      `"brokers", and the broker's advertised.listeners`;
  }
  if (code === "CERT_HAS_EXPIRED" || code === "CERT_NOT_YET_VALID") {
    return `the broker's certificate is not valid now (${code}): renew it there, or set the clock here`;
  }
  if (code?.startsWith("ERR_SSL_") && /CERTIFICATE|UNKNOWN_CA/.test(code)) {
    return ssl?.cert === undefined
      ? `the broker asks for a certificate of the client: set "ssl.certificate.location" and ` +
        `"ssl.key.location"`
      : `the broker does not accept the certificate in "ssl.certificate.…": is it signed by an ` +
        `authority that the broker trusts, and still valid?`;
  }
  if (type === "UNSUPPORTED_SASL_MECHANISM") {
    return `the broker does not accept SASL ${sasl?.mechanism.toUpperCase()} on that port: check ` +
      `"sasl.mechanism"`;
  }
  if (type === "ILLEGAL_SASL_STATE") {
    return `the broker does not accept SASL on that port: check "security.protocol" and the port`;
  }
  if (name === "KafkaJSSASLAuthenticationError") {
    return `${message}: check "sasl.username" and "sasl.password"`;
  }
  return null;
}

/** What to check if no connection can be made. */
export function hintOf(error: unknown, { ssl, sasl }: ConnectionSettings): string {
  const { name, message } = error as { name?: string; message?: string };
  const closed = name === "KafkaJSConnectionClosedError" ||
    /Closed connection|before secure TLS connection|ApiVersions.* timed out|did not answer/.test(
      message ?? "",
    );
  if (!closed) return "is it running, and is the address right?";
  const protocol = (sasl === null ? "" : "sasl_") + (ssl !== null ? "ssl" : "plaintext");
  return `is the port for "security.protocol": ` +
    `"${protocol}", ${ssl === null ? "without" : "with"} ` +
    `TLS and ${sasl === null ? "without" : "with"} SASL?`;
}

/** The code of an error of Node, of KafkaJS's error for it, or of its cause. */
export function codeOf(error: unknown): string | undefined {
  const { code, cause } = error as { code?: unknown; cause?: unknown };
  if (typeof code === "string") return code;
  return cause instanceof Error ? codeOf(cause) : undefined;
}
