import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { KafkaInputConfig, type KafkaInputOptions, KafkaMessageInputConfig } from "millrace";

const OPTIONS: KafkaInputOptions = { brokers: ["localhost:9092"], topic: "orders" };

for (
  const [name, Config] of [
    ["KafkaInputConfig", KafkaInputConfig],
    ["KafkaMessageInputConfig", KafkaMessageInputConfig],
  ] as const
) {
  for (
    const startingOffset of [
      "latest",
      "earliest",
      "Beginning",
      "",
      0,
      -1,
      null,
      new Date(0),
      {},
      { timestamp: 0 },
      { timestamp: "2026-01-01" },
      { timestamp: new Date(NaN) },
    ]
  ) {
    Deno.test(`${name} refuses startingOffset ${Deno.inspect(startingOffset)}`, () => {
      const options = { ...OPTIONS, startingOffset } as KafkaInputOptions;
      const { message } = assertThrows(() => new Config(options), TypeError);
      assertEquals(
        message,
        `${name} needs startingOffset as "beginning", "end" or { timestamp: a valid Date }; got ` +
          Deno.inspect(startingOffset),
      );
    });
  }

  for (const tail of ["false", 0, null]) {
    Deno.test(`${name} refuses tail ${Deno.inspect(tail)}`, () => {
      const options = { ...OPTIONS, tail } as unknown as KafkaInputOptions;
      const { message } = assertThrows(() => new Config(options), TypeError);
      assertEquals(message, `${name} needs tail as true or false; got ${Deno.inspect(tail)}`);
    });
  }

  Deno.test(`${name} takes every starting offset, tail, and options left undefined`, () => {
    new Config({ ...OPTIONS, startingOffset: "beginning", tail: true });
    new Config({ ...OPTIONS, startingOffset: "end", tail: false });
    new Config({ ...OPTIONS, startingOffset: { timestamp: new Date(0) } });
    new Config({ ...OPTIONS, startingOffset: undefined, tail: undefined });
    new Config({ ...OPTIONS, additionalProperties: undefined });
    // None has thrown. What is checked is checked now, instead of when the run starts:
    assertThrows(() => new Config({ ...OPTIONS, topic: "no topic" }), TypeError);
  });

  Deno.test(`${name} keeps its options to itself: inspecting it shows no secret`, () => {
    const config = new Config({
      ...OPTIONS,
      additionalProperties: {
        "security.protocol": "sasl_plaintext",
        "sasl.mechanism": "PLAIN",
        "sasl.username": "ada",
        "sasl.password": "canary-4711",
      },
    });
    const shown = Deno.inspect(config, { depth: 10, showHidden: true }) + JSON.stringify(config);
    assertEquals(shown.includes("canary-4711"), false);
    assertStringIncludes(shown, name);
  });
}
