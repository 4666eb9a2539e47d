import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import {
  createLog,
  Dataflow,
  KafkaInputConfig,
  type KafkaItem,
  KafkaOutputConfig,
  type KafkaOutputItem,
  type KafkaProperties,
  run,
  type RunOptions,
  StepError,
  TestingInputConfig,
  TestingOutputConfig,
} from "millrace";
import { createTopic, produce } from "../support/kafka/kafka.ts";
import { asText, collect, follow, within } from "../support/kafka/reading.ts";
import { type Listener, secureKafka, unsignedToken } from "../support/kafka/secure.ts";

/** How long a refusal may take, in milliseconds. */
const LIMIT_MS = 12_000;

/** A wrong password. Everything that holds it is wrong, too. */
const WRONG = "canary-0815-wrong";

/** A token that expired ten minutes ago. */
const EXPIRED = unsignedToken("ada", -600);

/** A log that keeps its lines as one text. */
function keptLog(): { log: NonNullable<RunOptions["log"]>; text: () => string } {
  const lines: string[] = [];
  const log = createLog((level, message, fields) =>
    lines.push(`${level} ${message} ${JSON.stringify(fields)}`)
  );
  return { log, text: () => lines.join("\n") };
}

/** Everything that must not be shown: the broker's secrets, and those that tests use. */
async function secrets(): Promise<string[]> {
  const { plain, scram, keyPassword, files } = await secureKafka();
  const key = await Deno.readTextFile(files.key);
  const [, body] = key.split("\n");
  assert(body.length > 20);
  return [plain.password, scram.password, keyPassword, body, WRONG, EXPIRED];
}

async function assertShowsNoSecret(text: string): Promise<void> {
  for (const secret of await secrets()) assert(!text.includes(secret), "a secret is shown");
}

/** Writes a record and reads it back, both by the listener with the properties. */
async function assertRoundTrip(listener: Listener, properties: KafkaProperties): Promise<void> {
  const { brokers: { PLAINTEXT, [listener]: brokers } } = await secureKafka();
  const topic = await createTopic(PLAINTEXT, { partitions: 2 });
  const { log, text } = keptLog();
  const items: KafkaOutputItem[] = [["k", "grüße"], ["l", "two"], [null, "three"]];
  const output = new KafkaOutputConfig({ brokers, topic, additionalProperties: properties });
  const writing = new Dataflow("write").input("in", new TestingInputConfig(items)).capture(output);
  await within(run(writing, { log }), "the records were written");

  const input = new KafkaInputConfig({
    brokers,
    topic,
    tail: false,
    additionalProperties: properties,
  });
  const records = await within(collect(input, { log }), "the records were read");
  assertEquals(
    records.map(([key, value]) => `${key && asText(key)}: ${asText(value)}`).sort(),
    ["k: grüße", "l: two", "null: three"],
  );
  await assertShowsNoSecret(text() + inspect([input, output]));
}

/** The messages with which the output and the input are refused, in time and without a secret. */
async function refusals(listener: Listener, properties: KafkaProperties): Promise<string[]> {
  const { brokers: { PLAINTEXT, [listener]: brokers } } = await secureKafka();
  const topic = await createTopic(PLAINTEXT);
  const options = { brokers, topic, additionalProperties: properties };
  const [output, input] = [new KafkaOutputConfig(options), new KafkaInputConfig(options)];
  const flows = [
    new Dataflow("write").input("in", new TestingInputConfig<KafkaOutputItem>([["k", "v"]]))
      .capture(output),
    new Dataflow("read").input("in", input).capture(new TestingOutputConfig<KafkaItem>([])),
  ];
  return await all(flows.map(async (flow) => {
    const { log, text } = keptLog();
    const start = performance.now();
    const refused = assertRejects(() => run(flow, { log }), StepError);
    const error = await within(refused, "the run failed") as StepError;
    assert(performance.now() - start < LIMIT_MS, `refused after ${performance.now() - start} ms`);
    assertStringIncludes(error.message, brokers[0]);
    await assertShowsNoSecret(text() + inspect([error, input, output]));
    return error.message;
  }));
}

/** All values, once none is running any more, as a leftover would fail the next test. */
async function all<R>(promises: readonly Promise<R>[]): Promise<R[]> {
  await Promise.allSettled(promises);
  return await Promise.all(promises);
}

const inspect = (value: unknown) => Deno.inspect(value, { depth: 100, showHidden: true });

/** Checks that both are refused for that cause, with that advice. */
async function assertRefused(
  listener: Listener,
  properties: KafkaProperties,
  ...expected: (RegExp | string)[]
): Promise<void> {
  for (const message of await refusals(listener, properties)) {
    for (const part of expected) {
      if (typeof part === "string") assertStringIncludes(message, part);
      else assertMatch(message, part);
    }
  }
}

const MECHANISMS = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] as const;

/** The properties of a user that the mechanism knows, without a protocol. */
async function user(mechanism: typeof MECHANISMS[number]): Promise<KafkaProperties> {
  const { plain, scram } = await secureKafka();
  const { username, password } = mechanism === "PLAIN" ? plain : scram;
  return { "sasl.mechanism": mechanism, "sasl.username": username, "sasl.password": password };
}

/** The properties for TLS, without a protocol. */
async function tls(): Promise<KafkaProperties> {
  const { files } = await secureKafka();
  return { "ssl.ca.location": files.ca };
}

/** The properties for TLS with a certificate of the client. */
async function mutualTls(): Promise<KafkaProperties> {
  const { files } = await secureKafka();
  return {
    "security.protocol": "ssl",
    "ssl.ca.location": files.ca,
    "ssl.certificate.location": files.certificate,
    "ssl.key.location": files.key,
  };
}

/** The same, without some of them. */
function without(properties: KafkaProperties, ...names: string[]): KafkaProperties {
  return Object.fromEntries(Object.entries(properties).filter(([name]) => !names.includes(name)));
}

for (const mechanism of MECHANISMS) {
  Deno.test(`Kafka by SASL ${mechanism}: a round trip without TLS`, async () => {
    const properties = { "security.protocol": "sasl_plaintext", ...await user(mechanism) };
    await assertRoundTrip("SASL_PLAINTEXT", properties);
  });

  Deno.test(`Kafka by SASL ${mechanism}: a round trip over TLS`, async () => {
    const properties = {
      "security.protocol": "SASL_SSL",
      ...await tls(),
      ...await user(mechanism),
    };
    await assertRoundTrip("SASL_SSL", properties);
  });

  Deno.test(`Kafka by SASL ${mechanism} refuses a wrong password, and names the property`, async () => {
    const properties = { "security.protocol": "sasl_plaintext", ...await user(mechanism) };
    await assertRefused(
      "SASL_PLAINTEXT",
      { ...properties, "sasl.password": WRONG },
      `SASL ${mechanism === "PLAIN" ? "PLAIN" : "SCRAM"}`,
      /invalid (username or password|credentials)/i,
      "sasl.password",
    );
  });

  Deno.test(`Kafka by SASL ${mechanism} refuses an unknown user, and names the property`, async () => {
    const properties = {
      "security.protocol": "sasl_ssl",
      ...await tls(),
      ...await user(mechanism),
    };
    await assertRefused(
      "SASL_SSL",
      { ...properties, "sasl.username": "nobody" },
      /invalid (username or password|credentials)/i,
      "sasl.username",
    );
  });
}

Deno.test("Kafka by a SASL mechanism that the listener lacks: the error names it and the property", async () => {
  for (const mechanism of ["PLAIN", "SCRAM-SHA-256"] as const) {
    await assertRefused(
      "ONE_MECHANISM",
      { "security.protocol": "sasl_plaintext", ...await user(mechanism) },
      mechanism,
      "sasl.mechanism",
    );
  }
  const right = { "security.protocol": "sasl_plaintext", ...await user("SCRAM-SHA-512") };
  await assertRoundTrip("ONE_MECHANISM", right);
});

for (
  const [what, give] of Object.entries({
    "text": (token: string) => token,
    "{ value }": (token: string) => ({ value: token }),
    "a promise": (token: string) => Promise.resolve({ value: token }),
  })
) {
  Deno.test(`Kafka by SASL OAUTHBEARER: a round trip with a token as ${what}`, async () => {
    const properties: KafkaProperties = {
      "sasl.mechanism": "OAUTHBEARER",
      "oauthbearer_token_refresh_cb": () => give(unsignedToken("ada")),
    };
    await assertRoundTrip("SASL_PLAINTEXT", {
      "security.protocol": "sasl_plaintext",
      ...properties,
    });
    const overTls = { "security.protocol": "sasl_ssl", ...await tls(), ...properties };
    await assertRoundTrip("SASL_SSL", overTls);
  });
}

for (
  const [what, value] of [["has expired", EXPIRED], ["is none", WRONG]]
) {
  Deno.test(`Kafka by SASL OAUTHBEARER refuses a token that ${what}, and names the property`, async () => {
    await assertRefused(
      "SASL_PLAINTEXT",
      {
        "security.protocol": "sasl_plaintext",
        "sasl.mechanism": "OAUTHBEARER",
        "oauthbearer_token_refresh_cb": () => ({ value }),
      },
      /token/,
      "oauthbearer_token_refresh_cb",
    );
  });
}

for (
  const [what, callback, cause] of [
    ["throws", () => Promise.reject(new Error("no token today")), "no token today"],
    ["gives none", () => ({ value: "" }), "{ value: text }"],
  ] as const
) {
  Deno.test(`Kafka by SASL OAUTHBEARER: a callback that ${what} is named, with the reason`, async () => {
    await assertRefused(
      "SASL_PLAINTEXT",
      {
        "security.protocol": "sasl_plaintext",
        "sasl.mechanism": "OAUTHBEARER",
        "oauthbearer_token_refresh_cb": callback,
      },
      "oauthbearer_token_refresh_cb",
      cause,
    );
  });
}

Deno.test("Kafka by SASL OAUTHBEARER: a round trip with a kept token that is valid for few seconds more", async () => {
  const kept = unsignedToken("ada", 9);
  await assertRoundTrip("SASL_PLAINTEXT", {
    "security.protocol": "sasl_plaintext",
    "sasl.mechanism": "OAUTHBEARER",
    "oauthbearer_token_refresh_cb": () => kept,
  });
});

Deno.test("Kafka by SASL OAUTHBEARER: reading continues while short tokens are kept and expire", async () => {
  const { brokers: { PLAINTEXT, SASL_PLAINTEXT: brokers } } = await secureKafka();
  const topic = await createTopic(PLAINTEXT);
  let kept = "";
  let keptUntil = 0;
  let tokens = 0;
  const token = () => {
    if (Date.now() < keptUntil) return kept;
    tokens++;
    keptUntil = Date.now() + 2_000;
    return kept = unsignedToken("ada", 4); // of whole seconds: valid for three or more
  };
  const { log, text } = keptLog();
  const input = new KafkaInputConfig({
    brokers,
    topic,
    additionalProperties: {
      "security.protocol": "sasl_plaintext",
      "sasl.mechanism": "OAUTHBEARER",
      "oauthbearer_token_refresh_cb": token,
    },
  });
  await using flow = follow(input, { log });
  for (let n = 1; tokens < 3; n++) {
    await produce(PLAINTEXT, topic, [{ value: `v${n}` }]);
    await flow.until(n);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  await flow.stop();
  assertEquals(flow.items.map(([, value]) => asText(value)), flow.items.map((_, n) => `v${n + 1}`));
  assert(!text().includes("waiting for broker"), text());
});

Deno.test("Kafka at an unknown address: the error names it, and advertised.listeners", async () => {
  await assertRefused(
    "UNKNOWN_NAME",
    {},
    /the cluster names kafka\.unknown\.invalid:\d+ as the address of a broker, and no such host/,
    "set the broker's advertised.listeners to a name that clients can resolve",
  );
});

Deno.test("Kafka over TLS: a round trip with the authority as a file, and as text", async () => {
  const { files } = await secureKafka();
  await assertRoundTrip("SSL", { "security.protocol": "ssl", "ssl.ca.location": files.ca });
  const pem = await Deno.readTextFile(files.ca);
  await assertRoundTrip("SSL", { "security.protocol": "ssl", "ssl.ca.pem": pem });
});

Deno.test("Kafka over TLS: a bundle of several authorities", async () => {
  const { files } = await secureKafka();
  const pems = await Promise.all([files.otherCa, files.ca].map((path) => Deno.readTextFile(path)));
  await assertRoundTrip("SSL", { "security.protocol": "ssl", "ssl.ca.pem": pems.join("") });
});

Deno.test("Kafka over TLS accepts any certificate only if told so", async () => {
  const unchecked = { "security.protocol": "ssl", "enable.ssl.certificate.verification": false };
  await assertRoundTrip("WRONG_HOST", unchecked);
});

Deno.test("Kafka over TLS refuses a broker of an unknown authority, and names the property", async () => {
  const { files } = await secureKafka();
  const none = { "security.protocol": "ssl" };
  const other = { ...none, "ssl.ca.location": files.otherCa };
  await assertRefused("SSL", none, /certificate/, "ssl.ca.location");
  await assertRefused("SSL", other, /certificate/, "ssl.ca.location");
});

Deno.test("Kafka over TLS refuses a broker of another name, and shows both names", async () => {
  await assertRefused(
    "WRONG_HOST",
    { "security.protocol": "ssl", ...await tls() },
    /certificate/,
    "localhost",
    "kafka.elsewhere.example",
    "brokers",
  );
});

Deno.test("Kafka over TLS: a missing file is named with its property", async () => {
  const properties = { "security.protocol": "ssl", "ssl.ca.location": "not-there.pem" };
  await assertRefused("SSL", properties, "ssl.ca.location", "not-there.pem");
});

Deno.test("Kafka over TLS: a file that holds no certificate is named by its property", async () => {
  const { files } = await secureKafka();
  const properties = { "security.protocol": "ssl", "ssl.ca.location": files.key };
  await assertRefused("SSL", properties, "ssl.ca");
});

Deno.test("Kafka over mutual TLS: a round trip with certificate and key as files, and as text", async () => {
  const { files } = await secureKafka();
  await assertRoundTrip("MTLS", await mutualTls());
  await assertRoundTrip("MTLS", {
    "security.protocol": "ssl",
    "ssl.ca.pem": await Deno.readTextFile(files.ca),
    "ssl.certificate.pem": await Deno.readTextFile(files.certificate),
    "ssl.key.pem": await Deno.readTextFile(files.key),
  });
});

Deno.test("Kafka over mutual TLS: a round trip with a key that is encrypted", async () => {
  const { files, keyPassword } = await secureKafka();
  const encrypted = {
    ...await mutualTls(),
    "ssl.key.location": files.encryptedKey,
    "ssl.key.password": keyPassword,
  };
  await assertRoundTrip("MTLS", encrypted);
});

Deno.test("Kafka over mutual TLS: the error for a key that cannot be decrypted is another than for a refused one", async () => {
  const { files } = await secureKafka();
  const encrypted = { ...await mutualTls(), "ssl.key.location": files.encryptedKey };
  await assertRefused("MTLS", encrypted, "ssl.key.password");
  const wrong = { ...encrypted, "ssl.key.password": WRONG };
  await assertRefused("MTLS", wrong, "ssl.key.password");
});

Deno.test("Kafka over mutual TLS: the error reports a key of another certificate", async () => {
  const { files } = await secureKafka();
  const mixed = { ...await mutualTls(), "ssl.certificate.location": files.ca };
  await assertRefused("MTLS", mixed, "ssl.key", "ssl.certificate");
});

Deno.test("Kafka over mutual TLS refuses a client without a certificate, and names the property", async () => {
  const none = without(await mutualTls(), "ssl.certificate.location", "ssl.key.location");
  await assertRefused("MTLS", none, /certificate/, "ssl.certificate.location");
});

Deno.test("Kafka over mutual TLS refuses a certificate of an unknown authority, and names the property", async () => {
  const { files } = await secureKafka();
  const stranger = {
    ...await mutualTls(),
    "ssl.certificate.location": files.otherCa,
    "ssl.key.location": files.otherKey,
  };
  await assertRefused("MTLS", stranger, "does not accept", "ssl.certificate");
});

// All at once, as each is tried for as long as a broker may take to start.
Deno.test("Kafka with the wrong protocol for a port fails in time, and names security.protocol", async () => {
  const sasl = await user("PLAIN");
  const ssl = { "security.protocol": "ssl", ...await tls() };
  const cases: [Listener, KafkaProperties][] = [
    ["SSL", {}],
    ["SASL_SSL", {}],
    ["SASL_PLAINTEXT", {}],
    ["SASL_SSL", { "security.protocol": "sasl_plaintext", ...sasl }],
    ["PLAINTEXT", { "security.protocol": "sasl_plaintext", ...sasl }],
    ["PLAINTEXT", ssl],
    ["SASL_PLAINTEXT", ssl],
    ["SASL_SSL", ssl],
    ["SSL", { "security.protocol": "sasl_ssl", ...await tls(), ...sasl }],
    ["SASL_PLAINTEXT", { "security.protocol": "sasl_ssl", ...await tls(), ...sasl }],
  ];
  await all(
    cases.map(([listener, given]) => assertRefused(listener, given, "security.protocol")),
  );
});

Deno.test("Kafka by Kerberos is refused when the config is made, with the alternatives", () => {
  const additionalProperties = { "security.protocol": "sasl_ssl", "sasl.mechanism": "GSSAPI" };
  const error = assertThrows(
    () => new KafkaInputConfig({ brokers: ["localhost:9093"], topic: "t", additionalProperties }),
    TypeError,
  );
  assertStringIncludes(error.message, "SCRAM-SHA-512");
});

/** The properties in the documentation's examples, by their headings. */
function documented(): Map<string, string> {
  const text = Deno.readTextFileSync(`${import.meta.dirname}/../../docs/kafka_security.md`);
  return new Map(
    [...text.matchAll(/^## (.*)$(?:(?!^## )[^])*?additionalProperties: (\{[^]*?^ {4}\})/gm)]
      .map(([, heading, properties]) => [heading, properties]),
  );
}

Deno.test("docs/kafka_security.md: each example connects", async () => {
  const { files, keyPassword, plain, scram } = await secureKafka();
  const examples: Record<string, { to: Listener; user?: typeof plain }> = {
    "TLS": { to: "SSL" },
    "Mutual TLS": { to: "MTLS" },
    "SASL PLAIN": { to: "SASL_SSL", user: plain },
    "SASL SCRAM": { to: "SASL_SSL", user: scram },
    "SASL OAUTHBEARER": { to: "SASL_SSL" },
  };
  const found = documented();
  assertEquals(Object.keys(examples), [...found.keys()].slice(0, 5));
  const paths: Record<string, string> = {
    "ca.pem": files.ca,
    "client.pem": files.certificate,
    "client.key": files.encryptedKey,
  };
  for (const [heading, { to, user }] of Object.entries(examples)) {
    const variables: Record<string, string | undefined> = {
      KAFKA_USERNAME: user?.username,
      KAFKA_PASSWORD: user?.password,
      KAFKA_KEY_PASSWORD: keyPassword,
    };
    // The unchanged example, with our variables, and the callback that it leaves to the reader.
    const made: KafkaProperties = new Function(
      "Deno",
      "fetchToken",
      `return ${found.get(heading)!.replaceAll(")!", ")")}`,
    )({ env: { get: (name: string) => variables[name] } }, () => unsignedToken("ada"));
    const properties = Object.entries(made).map(([name, value]) => [
      name,
      name.endsWith(".location") ? paths[String(value)] : value,
    ]);
    await assertRoundTrip(to, Object.fromEntries(properties));
  }
});
