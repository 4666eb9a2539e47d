import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { inspect } from "node:util";
import { KafkaInputConfig, KafkaOutputConfig } from "millrace";
import {
  type ConnectionSettings,
  connectionSettings,
} from "../../../../src/connectors/kafka/properties/connection_settings.ts";
import {
  givenToInput,
  type KafkaProperties,
} from "../../../../src/connectors/kafka/properties/given_properties.ts";
import { CANARY, refusal } from "../../../support/error_messages.ts";

const PEM = "-----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----\n";
const SASL = {
  "security.protocol": "sasl_plaintext",
  "sasl.mechanism": "SCRAM-SHA-256",
  "sasl.username": "ada",
  "sasl.password": CANARY,
};
const OAUTH = { "security.protocol": "sasl_ssl", "sasl.mechanism": "OAUTHBEARER" };

function read(properties: KafkaProperties): ConnectionSettings {
  return connectionSettings(givenToInput(properties));
}

const PLAIN: ConnectionSettings = {
  clientId: "millrace",
  ssl: null,
  sasl: null,
  requestTimeoutMs: 30_000,
  connectionTimeoutMs: 10_000,
  retryBackoffMs: 100,
  retryBackoffMaxMs: 2_000,
  metadataMaxAgeMs: 30_000,
  noDelay: true,
  addressFamily: 0,
};

for (
  const [properties, expected] of [
    [{}, {}],
    [{ "security.protocol": "plaintext" }, {}],
    [{ "client.id": "reader 1" }, { clientId: "reader 1" }],
    [{ "client.id": 7 }, { clientId: "7" }],
    [{ "socket.timeout.ms": 5_000 }, { requestTimeoutMs: 5_000 }],
    [{ "socket.connection.setup.timeout.ms": "1000" }, { connectionTimeoutMs: 1_000 }],
    [{ "retry.backoff.ms": 5 }, { retryBackoffMs: 5 }],
    [{ "reconnect.backoff.ms": 5 }, { retryBackoffMs: 5 }],
    [{ "retry.backoff.max.ms": 100 }, { retryBackoffMaxMs: 100 }],
    [{ "reconnect.backoff.max.ms": "3000" }, { retryBackoffMaxMs: 3_000 }],
    [{ "retry.backoff.ms": 5_000 }, { retryBackoffMs: 5_000, retryBackoffMaxMs: 5_000 }],
    [{ "topic.metadata.refresh.interval.ms": 1 }, { metadataMaxAgeMs: 1 }],
    [{ "metadata.max.age.ms": 60_000 }, { metadataMaxAgeMs: 60_000 }],
    [{ "socket.nagle.disable": false }, { noDelay: false }],
    [{ "broker.address.family": "any" }, { addressFamily: 0 }],
    [{ "broker.address.family": "V4" }, { addressFamily: 4 }],
    [{ "broker.address.family": "v6" }, { addressFamily: 6 }],
    [{
      "socket.keepalive.enable": true,
      "topic.metadata.refresh.sparse": "true",
      "metadata.recovery.strategy": "rebootstrap",
      "max.in.flight": 1,
      "allow.auto.create.topics": false,
      "api.version.request": "true",
      "statistics.interval.ms": 0,
      "enable.metrics.push": false,
    }, {}],
  ] as readonly [KafkaProperties, Partial<ConnectionSettings>][]
) {
  Deno.test(`connectionSettings() reads ${JSON.stringify(properties)}`, () => {
    assertEquals(read(properties), { ...PLAIN, ...expected });
  });
}

for (
  const [name, value] of [
    ["client.id", ""],
    ["security.protocol", "tls"],
    ["security.protocol", "sasl"],
    ["sasl.mechanism", "GSSAPI"],
    ["sasl.mechanisms", "SCRAM"],
    ["enable.ssl.certificate.verification", "yes"],
    ["ssl.endpoint.identification.algorithm", "none"],
    ["sasl.oauthbearer.method", "oidc"],
    ["socket.timeout.ms", 9],
    ["socket.timeout.ms", 300_001],
    ["socket.connection.setup.timeout.ms", 999],
    ["retry.backoff.ms", 0],
    ["reconnect.backoff.max.ms", 300_001],
    ["topic.metadata.refresh.interval.ms", -1],
    ["metadata.max.age.ms", 0],
    ["broker.address.family", "ipv4"],
    ["max.in.flight", 5],
    ["allow.auto.create.topics", true],
    ["statistics.interval.ms", 1000],
    ["enable.metrics.push", "true"],
  ] as const
) {
  Deno.test(`connectionSettings() refuses ${name} ${Deno.inspect(value)}, and says what it takes`, () => {
    const message = refusal(() => read({ [name]: value }));
    assertStringIncludes(message, `Kafka property "${name}" takes `);
    assertStringIncludes(message, `got ${Deno.inspect(value)}`);
  });
}

Deno.test("connectionSettings() refuses a longest pause that is less than the first", () => {
  assertEquals(
    refusal(() => read({ "reconnect.backoff.ms": 500, "reconnect.backoff.max.ms": 400 })),
    'Kafka property "reconnect.backoff.max.ms" is 400: less than the first pause, 500 ms ' +
      '("reconnect.backoff.ms")',
  );
  assertStringIncludes(refusal(() => read({ "retry.backoff.max.ms": 99 })), "100 ms");
});

for (
  const [given, mechanism] of [
    ["PLAIN", "plain"],
    ["scram-sha-256", "scram-sha-256"],
    ["SCRAM-SHA-512", "scram-sha-512"],
  ] as const
) {
  Deno.test(`connectionSettings() reads SASL ${given}, under both names of the property`, () => {
    const { "sasl.mechanism": _, ...rest } = SASL;
    for (const name of ["sasl.mechanism", "sasl.mechanisms"]) {
      assertEquals(read({ ...rest, [name]: given }), {
        ...PLAIN,
        sasl: { mechanism, username: "ada", password: CANARY },
      });
    }
  });
}

Deno.test("connectionSettings() reads SASL over TLS, the protocol in any case", () => {
  const { ssl, sasl } = read({ ...SASL, "security.protocol": "SASL_SSL" });
  assertEquals(ssl, { verify: true });
  assertEquals(sasl, { mechanism: "scram-sha-256", username: "ada", password: CANARY });
});

for (const missing of ["sasl.mechanism", "sasl.username", "sasl.password"]) {
  Deno.test(`connectionSettings() asks for ${missing} where SASL has the others`, () => {
    const { [missing]: _, ...rest } = SASL as Record<string, string>;
    assertEquals(
      refusal(() => read(rest)),
      `"security.protocol" with sasl needs the property "${missing}"`,
    );
  });
}

for (
  const callback of [
    () => CANARY,
    () => ({ value: CANARY }),
    () => Promise.resolve(CANARY),
    () => Promise.resolve({ value: CANARY, extensions: {} }),
  ]
) {
  Deno.test(`connectionSettings() gives what the callback gives as a token: ${callback}`, async () => {
    const { sasl } = read({ ...OAUTH, "oauthbearer_token_refresh_cb": callback });
    if (sasl?.mechanism !== "oauthbearer") throw new Error("it is another mechanism");
    assertEquals(await sasl.token(), CANARY);
  });
}

for (
  const [what, callback] of [
    ["nothing", () => undefined],
    ["empty text", () => ""],
    ["null", () => Promise.resolve(null)],
    ["another object", () => ({ token: CANARY })],
    ["a number for a token", () => ({ value: 4711 })],
  ] as const
) {
  Deno.test(`connectionSettings() gives no token where the callback gives ${what}`, async () => {
    const properties = { ...OAUTH, "oauthbearer_token_refresh_cb": callback };
    const { sasl } = read(properties as unknown as KafkaProperties);
    if (sasl?.mechanism !== "oauthbearer") throw new Error("it is another mechanism");
    const error = await assertRejects(sasl.token, TypeError, "must return a token as text");
    assertEquals(Deno.inspect(error).includes(CANARY), false);
  });
}

Deno.test("connectionSettings() passes on the error that a callback throws", async () => {
  const { sasl } = read({
    ...OAUTH,
    "oauthbearer_token_refresh_cb": () => {
      throw new RangeError("no such user");
    },
  });
  if (sasl?.mechanism !== "oauthbearer") throw new Error("it is another mechanism");
  await assertRejects(sasl.token, RangeError, "no such user");
});

for (
  const [properties, expected] of [
    [OAUTH, '"security.protocol" with sasl needs the property "oauthbearer_token_refresh_cb"'],
    [
      { ...OAUTH, "oauthbearer_token_refresh_cb": () => CANARY, "sasl.username": "ada" },
      'Kafka property "sasl.username" has no effect without SASL PLAIN or SCRAM',
    ],
    [
      { ...OAUTH, "oauthbearer_token_refresh_cb": () => CANARY, "sasl.password": CANARY },
      'Kafka property "sasl.password" has no effect without SASL PLAIN or SCRAM',
    ],
    [
      { ...SASL, "oauthbearer_token_refresh_cb": () => CANARY },
      'Kafka property "oauthbearer_token_refresh_cb" has no effect without SASL OAUTHBEARER',
    ],
    [
      { ...SASL, "sasl.oauthbearer.method": "default" },
      'Kafka property "sasl.oauthbearer.method" has no effect without SASL OAUTHBEARER',
    ],
  ] as readonly [KafkaProperties, string][]
) {
  Deno.test(`connectionSettings() refuses a mechanism with properties of another: ${expected}`, () => {
    assertEquals(refusal(() => read(properties)), expected);
  });
}

Deno.test("connectionSettings() reads TLS with files", () => {
  assertEquals(
    read({
      "security.protocol": "ssl",
      "ssl.ca.location": "ca.pem",
      "ssl.certificate.location": "cert.pem",
      "ssl.key.location": "key.pem",
      "ssl.key.password": CANARY,
      "ssl.endpoint.identification.algorithm": "https",
      "enable.ssl.certificate.verification": false,
    }).ssl,
    {
      verify: false,
      ca: { path: "ca.pem" },
      cert: { path: "cert.pem" },
      key: { path: "key.pem" },
      keyPassword: CANARY,
    },
  );
});

Deno.test("connectionSettings() reads TLS with PEM text", () => {
  const key = PEM.replaceAll("CERTIFICATE", "PRIVATE KEY");
  assertEquals(
    read({
      "security.protocol": "ssl",
      "ssl.ca.pem": PEM,
      "ssl.certificate.pem": PEM,
      "ssl.key.pem": key,
      "enable.ssl.certificate.verification": "true",
    }).ssl,
    { verify: true, ca: { pem: PEM }, cert: { pem: PEM }, key: { pem: key } },
  );
});

for (const name of ["ca", "certificate", "key"]) {
  Deno.test(`connectionSettings() refuses a file and PEM text for the same: ${name}`, () => {
    const both = { [`ssl.${name}.pem`]: PEM, [`ssl.${name}.location`]: "file.pem" };
    assertEquals(
      refusal(() => read({ "security.protocol": "ssl", ...both })),
      `give either "ssl.${name}.location" or "ssl.${name}.pem", not both`,
    );
  });
}

for (const lone of ["ssl.key.location", "ssl.certificate.location"]) {
  Deno.test(`connectionSettings() refuses ${lone} alone`, () => {
    const message = refusal(() => read({ "security.protocol": "ssl", [lone]: "file.pem" }));
    assertStringIncludes(message, "only of use together");
  });
}

Deno.test("connectionSettings() refuses a key's password without a key", () => {
  const message = refusal(() => read({ "security.protocol": "ssl", "ssl.key.password": CANARY }));
  assertEquals(message, '"ssl.key.password" is only of use with "ssl.key.…"');
});

for (
  const [name, value, protocols] of [
    ["ssl.ca.location", "ca.pem", "ssl or sasl_ssl"],
    ["ssl.key.password", CANARY, "ssl or sasl_ssl"],
    ["ssl.endpoint.identification.algorithm", "https", "ssl or sasl_ssl"],
    ["enable.ssl.certificate.verification", "false", "ssl or sasl_ssl"],
    ["sasl.username", "ada", "sasl_plaintext or sasl_ssl"],
    ["sasl.password", CANARY, "sasl_plaintext or sasl_ssl"],
    ["sasl.mechanisms", "PLAIN", "sasl_plaintext or sasl_ssl"],
    ["oauthbearer_token_refresh_cb", () => CANARY, "sasl_plaintext or sasl_ssl"],
  ] as const
) {
  Deno.test(`connectionSettings() refuses ${name} where security.protocol makes nothing of it`, () => {
    const expected =
      `Kafka property "${name}" has no effect without "security.protocol": ${protocols}`;
    assertEquals(refusal(() => read({ [name]: value })), expected);
    const other = name.includes("ssl") ? SASL : { "security.protocol": "ssl" };
    assertEquals(refusal(() => read({ ...other, [name]: value })), expected);
  });
}

Deno.test("connectionSettings() refuses PEM text in place of a path, and does not show it", () => {
  const message = refusal(() =>
    read({ "security.protocol": "ssl", "ssl.key.location": PEM.replace("abc", CANARY) })
  );
  assertEquals(
    message,
    'Kafka property "ssl.key.location" takes a path; got a value that is not shown',
  );
});

Deno.test("connectionSettings() shows no secret when it is inspected, logged or turned into JSON", () => {
  const settings = read({
    ...SASL,
    "security.protocol": "sasl_ssl",
    "ssl.certificate.pem": PEM,
    "ssl.key.pem": PEM.replace("abc", CANARY),
    "ssl.key.password": CANARY,
  });
  for (
    const shown of [
      Deno.inspect(settings, { depth: 10, showHidden: true }),
      Deno.inspect(settings.sasl),
      inspect(settings, { depth: 10 }),
      JSON.stringify(settings),
    ]
  ) {
    assertEquals(shown.includes(CANARY), false, shown);
    assertStringIncludes(shown, "***");
    assertStringIncludes(shown, "ada");
  }
  assertEquals({ ...settings.sasl }, {
    mechanism: "scram-sha-256",
    username: "ada",
    password: CANARY,
  }, "but it is there");
});

for (const Config of [KafkaInputConfig, KafkaOutputConfig]) {
  Deno.test(`${Config.name} keeps its options to itself: inspecting it shows no secret`, () => {
    const config = new Config({
      brokers: ["localhost:9092"],
      topic: "orders",
      additionalProperties: SASL,
    });
    const shown = Deno.inspect(config, { depth: 10, showHidden: true }) + JSON.stringify(config);
    assertEquals(shown.includes(CANARY), false);
    assertStringIncludes(shown, Config.name);
  });
}
