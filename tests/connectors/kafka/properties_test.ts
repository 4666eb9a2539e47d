import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { KafkaOutputConfig } from "millrace";
import {
  type KafkaProperties,
  readInputProperties,
  readOutputProperties,
} from "../../../src/connectors/kafka/properties.ts";

const CANARY = "canary-4711";
const PEM = "-----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----\n";
const SASL = {
  "security.protocol": "sasl_plaintext",
  "sasl.mechanism": "SCRAM-SHA-256",
  "sasl.username": "ada",
  "sasl.password": CANARY,
};

/** The message of the TypeError that `read` throws; it never holds the secret. */
function refusal(read: () => unknown): string {
  const error = assertThrows(read, TypeError);
  assertEquals(Deno.inspect(error).includes(CANARY), false);
  return error.message;
}

Deno.test("readInputProperties() gives a plain connection as millrace where nothing is set", () => {
  const plain = { clientId: "millrace", ssl: null, sasl: null };
  assertEquals(readInputProperties(), plain);
  assertEquals(readInputProperties({}), plain);
  assertEquals(readInputProperties({ "security.protocol": "plaintext" }), plain);
});

Deno.test("readOutputProperties() defaults to acks of all replicas, no compression, no linger", () => {
  assertEquals(readOutputProperties(), {
    clientId: "millrace",
    ssl: null,
    sasl: null,
    acks: "all",
    compression: "none",
    lingerMs: 0,
  });
});

Deno.test("readInputProperties() and readOutputProperties() take client.id as text", () => {
  assertEquals(readInputProperties({ "client.id": "reader 1" }).clientId, "reader 1");
  assertEquals(readOutputProperties({ "client.id": 7 }).clientId, "7");
});

for (
  const [properties, expected] of [
    [{ acks: "all" }, { acks: "all" }],
    [{ acks: -1 }, { acks: "all" }],
    [{ acks: "-1" }, { acks: "all" }],
    [{ acks: 1 }, { acks: "leader" }],
    [{ "request.required.acks": "1" }, { acks: "leader" }],
    [{ "compression.type": "gzip" }, { compression: "gzip" }],
    [{ "compression.codec": "gzip" }, { compression: "gzip" }],
    [{ "compression.type": "none" }, { compression: "none" }],
    [{ "linger.ms": 5 }, { lingerMs: 5 }],
    [{ "linger.ms": "0.5" }, { lingerMs: 0.5 }],
    [{ "linger.ms": 900_000 }, { lingerMs: 900_000 }],
    [{ "queue.buffering.max.ms": "20" }, { lingerMs: 20 }],
  ] as readonly [KafkaProperties, Record<string, unknown>][]
) {
  Deno.test(`readOutputProperties() reads ${JSON.stringify(properties)}`, () => {
    assertEquals(readOutputProperties(properties), { ...readOutputProperties(), ...expected });
  });
}

for (
  const [name, values] of [
    ["acks", ["0", 0, 2, "ALL", "", " 1", true]],
    ["compression.type", ["snappy", "lz4", "zstd", "GZIP", "", false]],
    ["linger.ms", [-1, "5ms", "", " 5", 900_001, 1e21, NaN, Infinity, true, "1e3"]],
    ["client.id", [""]],
    ["security.protocol", ["tls", "sasl", "", "plain text"]],
    ["enable.ssl.certificate.verification", ["yes", 1, "TRUE", ""]],
    ["sasl.mechanism", ["GSSAPI", "OAUTHBEARER", "SCRAM-SHA-1", "SCRAM", ""]],
    ["ssl.ca.pem", ["/etc/ca.pem", ""]],
  ] as readonly [string, readonly (string | number | boolean)[]][]
) {
  for (const value of values) {
    Deno.test(`readOutputProperties() refuses ${name} ${Deno.inspect(value)}, and says what it takes`, () => {
      const message = refusal(() => readOutputProperties({ [name]: value }));
      assertStringIncludes(message, `Kafka property "${name}" takes `);
      assertStringIncludes(message, `got ${Deno.inspect(value)}`);
    });
  }
}

for (const value of [null, undefined, ["gzip"], { type: "gzip" }, 1n, () => "gzip"]) {
  Deno.test(`readOutputProperties() refuses a value of another kind: ${Deno.inspect(value)}`, () => {
    const properties = { "compression.type": value } as unknown as KafkaProperties;
    assertStringIncludes(
      refusal(() => readOutputProperties(properties)),
      `Kafka property "compression.type" takes none or gzip; got ${Deno.inspect(value)}`,
    );
  });
}

for (
  const [unknown, near] of [
    ["compresion.type", "compression.type"],
    ["acksx", "acks"],
    ["sasl.pasword", "sasl.password"],
    ["Client.Id", "client.id"],
    ["queue.buffering.max.kbytes", "queue.buffering.max.ms"],
    ["request.required.ack", "request.required.acks"],
    ["toString", null],
    ["__proto__", null],
    ["", null],
  ] as const
) {
  Deno.test(`readOutputProperties() refuses ${JSON.stringify(unknown)}, and names the nearest`, () => {
    const message = refusal(() =>
      readOutputProperties(JSON.parse(`{ ${JSON.stringify(unknown)}: ${JSON.stringify(CANARY)} }`))
    );
    assertStringIncludes(message, `Kafka property "${unknown}" is not supported`);
    if (near !== null) assertStringIncludes(message, `(the nearest that is: "${near}")`);
  });
}

for (
  const properties of ["acks=1", new Map([["acks", "1"]]), [["acks", "1"]], null, 7] as unknown[]
) {
  Deno.test(`readOutputProperties() refuses ${Deno.inspect(properties)} in the place of an object`, () => {
    assertStringIncludes(
      refusal(() => readOutputProperties(properties as KafkaProperties)),
      "additionalProperties",
    );
  });
}

for (
  const name of [
    "acks",
    "request.required.acks",
    "compression.type",
    "compression.codec",
    "linger.ms",
    "queue.buffering.max.ms",
  ]
) {
  Deno.test(`readInputProperties() refuses ${name}: it is for outputs`, () => {
    assertEquals(
      refusal(() => readInputProperties({ [name]: 1 })),
      `Kafka property "${name}" is for outputs; this is an input`,
    );
  });
}

Deno.test("readOutputProperties() refuses one property under two names", () => {
  assertEquals(
    refusal(() => readOutputProperties({ acks: 1, "request.required.acks": "all" })),
    'Kafka property "acks" is given twice',
  );
});

for (
  const [given, mechanism] of [
    ["PLAIN", "plain"],
    ["scram-sha-256", "scram-sha-256"],
    ["SCRAM-SHA-512", "scram-sha-512"],
  ]
) {
  Deno.test(`readInputProperties() reads SASL ${given}, under both names of the property`, () => {
    const { "sasl.mechanism": _, ...rest } = SASL;
    for (const name of ["sasl.mechanism", "sasl.mechanisms"]) {
      assertEquals(readInputProperties({ ...rest, [name]: given }), {
        clientId: "millrace",
        ssl: null,
        sasl: { mechanism: mechanism as "plain", username: "ada", password: CANARY },
      });
    }
  });
}

Deno.test("readInputProperties() reads SASL over TLS, the protocol in any case", () => {
  const settings = readInputProperties({ ...SASL, "security.protocol": "SASL_SSL" });
  assertEquals(settings.ssl, { verify: true });
  assertEquals(settings.sasl?.username, "ada");
});

for (const missing of ["sasl.mechanism", "sasl.username", "sasl.password"]) {
  Deno.test(`readInputProperties() asks for ${missing} where SASL has the others`, () => {
    const { [missing]: _, ...rest } = SASL as Record<string, string>;
    assertEquals(
      refusal(() => readInputProperties(rest)),
      `"security.protocol" with sasl needs the property "${missing}"`,
    );
  });
}

Deno.test("readInputProperties() reads TLS with files", () => {
  assertEquals(
    readInputProperties({
      "security.protocol": "ssl",
      "ssl.ca.location": "ca.pem",
      "ssl.certificate.location": "cert.pem",
      "ssl.key.location": "key.pem",
      "ssl.key.password": "secret",
      "enable.ssl.certificate.verification": false,
    }).ssl,
    {
      verify: false,
      ca: { path: "ca.pem" },
      cert: { path: "cert.pem" },
      key: { path: "key.pem" },
      keyPassword: "secret",
    },
  );
});

Deno.test("readInputProperties() reads TLS with PEM text", () => {
  const key = PEM.replaceAll("CERTIFICATE", "PRIVATE KEY");
  assertEquals(
    readInputProperties({
      "security.protocol": "ssl",
      "ssl.ca.pem": PEM,
      "ssl.certificate.pem": PEM,
      "ssl.key.pem": key,
      "enable.ssl.certificate.verification": "true",
    }).ssl,
    { verify: true, ca: { pem: PEM }, cert: { pem: PEM }, key: { pem: key } },
  );
});

Deno.test("readInputProperties() refuses a file and PEM text for the same", () => {
  const both = { "security.protocol": "ssl", "ssl.ca.pem": PEM, "ssl.ca.location": "ca.pem" };
  assertEquals(
    refusal(() => readInputProperties(both)),
    'give either "ssl.ca.location" or "ssl.ca.pem", not both',
  );
});

for (const lone of ["ssl.key.location", "ssl.certificate.location"]) {
  Deno.test(`readInputProperties() refuses ${lone} alone`, () => {
    const message = refusal(() =>
      readInputProperties({ "security.protocol": "ssl", [lone]: "file.pem" })
    );
    assertStringIncludes(message, "only of use together");
  });
}

Deno.test("readInputProperties() refuses a key's password without a key", () => {
  const message = refusal(() =>
    readInputProperties({ "security.protocol": "ssl", "ssl.key.password": CANARY })
  );
  assertStringIncludes(message, '"ssl.key.password"');
});

for (
  const [name, value, protocols] of [
    ["ssl.ca.location", "ca.pem", "ssl or sasl_ssl"],
    ["ssl.key.password", CANARY, "ssl or sasl_ssl"],
    ["enable.ssl.certificate.verification", "false", "ssl or sasl_ssl"],
    ["sasl.username", "ada", "sasl_plaintext or sasl_ssl"],
    ["sasl.password", CANARY, "sasl_plaintext or sasl_ssl"],
    ["sasl.mechanisms", "PLAIN", "sasl_plaintext or sasl_ssl"],
  ]
) {
  Deno.test(`readInputProperties() refuses ${name} where security.protocol makes nothing of it`, () => {
    const shown = name === "sasl.mechanisms" ? "sasl.mechanism" : name;
    const expected =
      `Kafka property "${shown}" has no effect without "security.protocol": ${protocols}`;
    assertEquals(refusal(() => readInputProperties({ [name]: value })), expected);
    const other = name.includes("ssl") ? SASL : { "security.protocol": "ssl" };
    assertEquals(refusal(() => readInputProperties({ ...other, [name]: value })), expected);
  });
}

for (
  const [name, value] of [
    ["sasl.password", ""],
    ["ssl.key.password", ""],
    ["ssl.key.pem", CANARY],
    ["ssl.key.pem", [CANARY]],
    ["sasl.password", { value: CANARY }],
    ["sasl.password", null],
  ] as readonly [string, unknown][]
) {
  Deno.test(`readInputProperties() does not show a bad ${name} (${typeof value}) in its error`, () => {
    const properties = { [name]: value } as KafkaProperties;
    const message = refusal(() => readInputProperties(properties));
    assertStringIncludes(message, `Kafka property "${name}" takes `);
    assertStringIncludes(message, "got a value that is not shown");
  });
}

Deno.test("KafkaOutputConfig keeps its options to itself: inspecting it shows no secret", () => {
  const config = new KafkaOutputConfig({
    brokers: ["localhost:9092"],
    topic: "orders",
    additionalProperties: SASL,
  });
  const shown = Deno.inspect(config, { depth: 10, showHidden: true }) + JSON.stringify(config);
  assertEquals(shown.includes(CANARY), false);
  assertStringIncludes(shown, "KafkaOutputConfig");
});
