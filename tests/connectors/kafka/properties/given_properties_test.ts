import { assertEquals, assertStringIncludes } from "@std/assert";
import {
  GivenProperties,
  givenToInput,
  givenToOutput,
  type KafkaProperties,
} from "../../../../src/connectors/kafka/properties/given_properties.ts";
import {
  CONNECTION,
  INPUT,
  OUTPUT,
  type Properties,
} from "../../../../src/connectors/kafka/properties/property_table.ts";
import { REFUSED } from "../../../../src/connectors/kafka/properties/refused_properties.ts";
import { CANARY, refusal } from "../../../support/error_messages.ts";

const SIDES = [["input", givenToInput], ["output", givenToOutput]] as const;

Deno.test("givenToInput() returns defaults if nothing is given", () => {
  for (const given of [givenToInput({}), givenToInput({ "check.crcs": "true" })]) {
    assertEquals(given.get("check.crcs"), true);
    assertEquals(given.get("client.id"), "millrace");
    assertEquals(given.get("group.id"), undefined);
    assertEquals(given.givenAs("client.id"), undefined);
  }
});

Deno.test("givenToOutput() remembers by which name each property was given", () => {
  const given = givenToOutput({ "retries": 3, "acks": "all", "client.id": true });
  assertEquals(given instanceof GivenProperties, true);
  assertEquals(given.get("message.send.max.retries"), 3);
  assertEquals(given.get("client.id"), "true");
  assertEquals(given.givenAs("message.send.max.retries"), "retries");
  assertEquals([...given.names()], [
    { name: "message.send.max.retries", as: "retries" },
    { name: "acks", as: "acks" },
    { name: "client.id", as: "client.id" },
  ]);
});

for (
  const [table, otherSide, refuse] of [
    [INPUT, "inputs; this is an output", givenToOutput],
    [OUTPUT, "outputs; this is an input", givenToInput],
  ] as readonly [Properties, string, (properties: KafkaProperties) => unknown][]
) {
  Deno.test(`properties for ${otherSide}: each is refused by the name it was given by`, () => {
    for (const [name, { aliases = [] }] of Object.entries(table)) {
      for (const each of [name, ...aliases]) {
        assertEquals(
          refusal(() => refuse({ [each]: CANARY })),
          `Kafka property "${each}" is for ${otherSide}`,
        );
      }
    }
  });
}

for (const [side, given] of SIDES) {
  Deno.test(`an ${side} refuses each property without an equivalent, and says why`, () => {
    for (const { names, why, instead } of REFUSED) {
      for (const name of names) {
        assertEquals(
          refusal(() => given({ [name]: CANARY })),
          `Kafka property "${name}" is not supported: ${why} (${instead ?? "leave it out"})`,
        );
      }
    }
  });
}

for (
  const [unknown, near] of [
    ["compresion.type", "compression.type"],
    ["acksx", "acks"],
    ["sasl.pasword", "sasl.password"],
    ["Client.Id", "client.id"],
    ["queue.buffering.max.mbytes", "queue.buffering.max.kbytes"],
    ["request.required.ack", "request.required.acks"],
    ["sesion.timeout.ms", "session.timeout.ms"],
    ["toString", null],
    ["__proto__", null],
    ["constructor", null],
    ["", null],
  ] as const
) {
  Deno.test(`givenToOutput() refuses ${JSON.stringify(unknown)}, and names the nearest`, () => {
    const properties = JSON.parse(`{ ${JSON.stringify(unknown)}: ${JSON.stringify(CANARY)} }`);
    const message = refusal(() => givenToOutput(properties));
    assertStringIncludes(message, `Kafka property "${unknown}" is not supported: librdkafka has`);
    if (near !== null) assertStringIncludes(message, `(the nearest is "${near}")`);
  });
}

Deno.test("givenToInput() does not offer a property of outputs as the nearest", () => {
  assertStringIncludes(
    refusal(() => givenToInput({ "batch.sizes": 1 })),
    "librdkafka has no property of that name",
  );
  assertEquals(refusal(() => givenToInput({ "batch.sizes": 1 })).includes('"batch.size"'), false);
});

for (const value of ["acks=1", new Map([["acks", "1"]]), [["acks", "1"]], null, 7, () => "acks"]) {
  Deno.test(`givenToOutput() refuses ${Deno.inspect(value)} in the place of an object`, () => {
    assertEquals(
      refusal(() => givenToOutput(value as unknown as KafkaProperties)),
      "additionalProperties must be an object such as { acks: 1 }",
    );
  });
}

Deno.test("givenToOutput() refuses two values for one setting under two names", () => {
  assertEquals(
    refusal(() => givenToOutput({ acks: 1, "request.required.acks": "all" })),
    'Kafka properties "acks" and "request.required.acks" are one setting here: give one of them',
  );
});

Deno.test("givenToOutput() accepts one value under two names", () => {
  const given = givenToOutput({ "retry.backoff.ms": 50, "reconnect.backoff.ms": "50" });
  assertEquals(given.get("retry.backoff.ms"), 50);
});

for (const value of [null, undefined, ["gzip"], { type: "gzip" }, 1n, () => "gzip"]) {
  Deno.test(`givenToOutput() refuses a value of another kind: ${Deno.inspect(value)}`, () => {
    const properties = { "compression.codec": value } as unknown as KafkaProperties;
    assertEquals(
      refusal(() => givenToOutput(properties)),
      'Kafka property "compression.codec" takes none, gzip, snappy, lz4 or zstd; got ' +
        Deno.inspect(value),
    );
  });
}

Deno.test("givenToInput() shows no secret, but reports a missing one", () => {
  const secrets = Object.entries(CONNECTION as Properties).filter(([, { secret }]) => secret);
  assertEquals(secrets.length, 9);
  for (const [name, { values: { takes } }] of secrets) {
    for (const value of [{ value: CANARY }, [CANARY], undefined, null, "", `${name} ${CANARY}`]) {
      const properties = { [name]: value } as unknown as KafkaProperties;
      const nothing = value === undefined || value === null || value === "";
      if (typeof value === "string" && /password|location/.test(name) && !nothing) continue; // fine
      assertEquals(
        refusal(() => givenToInput(properties)),
        `Kafka property "${name}" takes ${takes}; got ` +
          (nothing ? Deno.inspect(value) : "a value that is not shown"),
      );
    }
  }
});
