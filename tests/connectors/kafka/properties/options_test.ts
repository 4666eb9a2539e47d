import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { KafkaInputConfig, KafkaMessageInputConfig, KafkaOutputConfig } from "millrace";
import {
  checkBrokers,
  checkDelivery,
  checkLostEpoch,
  checkTopic,
} from "../../../../src/connectors/kafka/properties/options.ts";

const BROKERS = ["localhost:9092"];

/** The message of the TypeError that `make` throws. */
function refusal(make: () => unknown): string {
  return assertThrows(make, TypeError).message;
}

Deno.test("checkBrokers() accepts a list of host:port, and returns a frozen copy of it", () => {
  const given = ["localhost:9092", "b-1.kafka.example.com:9094", "10.0.0.7:65535", "host_1:1"];
  const checked = checkBrokers("KafkaInputConfig", given);
  assertEquals(checked, given);
  given.push("later:1");
  assertEquals(checked.length, 4);
  assertThrows(() => (checked as string[]).push("later:1"), TypeError);
});

for (
  const [what, brokers] of [
    ["a string instead of a list", "localhost:9092"],
    ["an empty list", []],
    ["nothing", undefined],
    ["null", null],
    ["a Set", new Set(BROKERS)],
  ] as const
) {
  Deno.test(`checkBrokers() refuses ${what}, and shows how a list looks`, () => {
    const message = refusal(() => checkBrokers("KafkaInputConfig", brokers));
    assertStringIncludes(message, 'KafkaInputConfig needs brokers as a list such as ["localhost:9');
    assertStringIncludes(message, `got ${Deno.inspect(brokers)}`);
  });
}

for (
  const broker of [
    "localhost",
    "localhost:",
    ":9092",
    "localhost:kafka",
    "localhost:-1",
    "kafka://localhost:9092",
    "localhost:9092,other:9092",
    "localhost:9092/",
    " localhost:9092",
    "local host:9092",
    "",
    9092,
    null,
    { host: "localhost", port: 9092 },
  ]
) {
  Deno.test(`checkBrokers() refuses the broker ${Deno.inspect(broker)}, and shows it`, () => {
    assertEquals(
      refusal(() => checkBrokers("KafkaOutputConfig", ["localhost:9092", broker])),
      `KafkaOutputConfig needs each broker as "host:port"; got ${Deno.inspect(broker)}`,
    );
  });
}

for (const broker of ["localhost:0", "localhost:65536", "localhost:99092", "localhost:123456"]) {
  Deno.test(`checkBrokers() says of ${broker} which ports there are`, () => {
    assertEquals(
      refusal(() => checkBrokers("KafkaOutputConfig", [broker])),
      `KafkaOutputConfig needs a port from 1 to 65535 after "host:"; got "${broker}"`,
    );
  });
}

Deno.test("checkBrokers() reports that it does not accept IPv6 literals", () => {
  const message = refusal(() => checkBrokers("KafkaInputConfig", ["[::1]:9092"]));
  assertStringIncludes(message, "IPv6 literals are not supported: give a host name");
});

Deno.test("checkTopic() accepts what Kafka allows as a topic's name", () => {
  for (const topic of ["orders", "a.b_c-D9", "_", "...", "x".repeat(249)]) {
    assertEquals(checkTopic("KafkaInputConfig", topic), topic);
  }
});

for (
  const topic of [
    "",
    ".",
    "..",
    "a b",
    "a/b",
    "größe",
    "x".repeat(250),
    "a\n",
    undefined,
    null,
    7,
    [
      "a",
    ],
    /orders/,
  ]
) {
  const shown = Deno.inspect(topic);
  Deno.test(`checkTopic() refuses ${shown.length > 60 ? "250 letters" : shown}`, () => {
    const message = refusal(() => checkTopic("KafkaInputConfig", topic));
    assertStringIncludes(message, "KafkaInputConfig needs a topic of letters, digits");
    assertStringIncludes(message, `got ${shown}`);
  });
}

// deno-lint-ignore no-explicit-any
type AnyConfig = new (options: any) => unknown;

for (
  const [name, Config, option] of [
    ["KafkaInputConfig", KafkaInputConfig, "starting_offset"],
    ["KafkaMessageInputConfig", KafkaMessageInputConfig, "startingoffset"],
    ["KafkaOutputConfig", KafkaOutputConfig, "tail"],
  ] as readonly [string, AnyConfig, string][]
) {
  Deno.test(`${name} refuses an option that it has not, at construction and by its own name`, () => {
    const message = refusal(() => new Config({ brokers: BROKERS, topic: "t", [option]: true }));
    assertStringIncludes(message, `${name} has no option "${option}"; it has: brokers, topic, `);
  });

  Deno.test(`${name} checks brokers, topic and properties at construction`, () => {
    assertStringIncludes(
      refusal(() => new Config({ brokers: "localhost:9092", topic: "t" })),
      `${name} needs brokers as a list`,
    );
    assertStringIncludes(
      refusal(() => new Config({ brokers: BROKERS })),
      `${name} needs a topic`,
    );
    assertStringIncludes(
      refusal(() => new Config({ brokers: BROKERS, topic: "t", additionalProperties: { a: 1 } })),
      `Kafka property "a" is not supported`,
    );
  });
}

Deno.test("an output delivers at least once, unless it is told otherwise", () => {
  assertEquals(checkDelivery("KafkaOutputConfig", undefined), "at-least-once");
  assertEquals(checkDelivery("KafkaOutputConfig", "exactly-once"), "exactly-once");
});

for (const [delivery, shown] of [["exactly_once", '"exactly_once"'], [true, "true"], [1, "1"]]) {
  Deno.test(`checkDelivery() refuses ${shown}`, () => {
    assertEquals(
      refusal(() => checkDelivery("KafkaOutputConfig", delivery)),
      `KafkaOutputConfig needs delivery as "at-least-once" or "exactly-once"; got ${shown}`,
    );
  });
}

for (const epoch of [-1, 1.5, "17", NaN, null]) {
  Deno.test(`checkLostEpoch() refuses ${Deno.inspect(epoch)}`, () => {
    assertEquals(
      refusal(() => checkLostEpoch("KafkaOutputConfig", epoch)),
      `KafkaOutputConfig needs acceptLostEpoch as the number of an epoch; got ${
        Deno.inspect(epoch)
      }`,
    );
  });
}
