import { assertEquals, assertStringIncludes } from "@std/assert";
import { isFatal, messageOfKafka } from "../../../../src/connectors/kafka/client/errors.ts";
import {
  advertisedHint,
  denialOf,
  unknownHostHint,
} from "../../../../src/connectors/kafka/client/unreachable.ts";

/** An error of connecting, as KafkaJS throws it. */
function connectionError(message: string, broker: string, code?: string): Error {
  const error = new Error(`Connection error: ${message}`);
  return Object.assign(error, { name: "KafkaJSConnectionError", broker, code });
}

/** The same, as the cause of an error of KafkaJS's own retries. */
const retried = (cause: Error) => Object.assign(new Error(cause.message, { cause }), { name: "x" });

const BROKERS = ["kafka:9092", "Other:9093"];

for (
  const [what, error] of Object.entries({
    "an IP address": connectionError(
      'Requires net access to "10.0.0.7:9092", run again with the --allow-net flag',
      "10.0.0.7:9092",
    ),
    "a host": connectionError("getaddrinfo EPERM kafka-1", "kafka-1:9092", "EPERM"),
  })
) {
  Deno.test(`a permission that is missing for ${what} ends the run, and its flag is named`, () => {
    const address = (error as { broker?: string }).broker;
    for (const each of [error, retried(error)]) {
      assertEquals(isFatal(each), true);
      assertStringIncludes(messageOfKafka(each), `may not connect to ${address}: give it `);
      assertStringIncludes(
        messageOfKafka(each),
        `--allow-net=${address}, with the address of every`,
      );
    }
  });
}

Deno.test("denialOf() returns the address in Deno's own error", () => {
  const error = new Deno.errors.NotCapable(
    'Requires net access to "10.0.0.7:9092", run again with …',
  );
  assertStringIncludes(denialOf(error)!, "--allow-net=10.0.0.7:9092,");
});

for (
  const error of [
    connectionError("connect EPERM 10.0.0.7:9092", "10.0.0.7:9092", "EPERM"), // of a firewall
    connectionError("getaddrinfo ENOTFOUND kafka", "kafka:9092", "ENOTFOUND"),
    new Error("Closed connection"),
    "text",
  ]
) {
  Deno.test(`denialOf() finds no permission missing: ${error}`, () => {
    assertEquals(denialOf(error), null);
  });
}

Deno.test("advertisedHint() names the address that the cluster gave, and its setting", () => {
  const unknown = connectionError("getaddrinfo ENOTFOUND kafka-1", "kafka-1:9092", "ENOTFOUND");
  for (const error of [unknown, retried(unknown)]) {
    assertEquals(
      advertisedHint(error, BROKERS),
      "the cluster names kafka-1:9092 as the address of a broker, and no such host is known here: " +
        "set the broker's advertised.listeners to a name that clients can resolve",
    );
    assertEquals(unknownHostHint(error, BROKERS), advertisedHint(error, BROKERS));
  }
});

Deno.test("advertisedHint() does not mistake a broker that is down for an unknown host", () => {
  const refused = connectionError(
    "connect ECONNREFUSED ::1:9092",
    "localhost:9092",
    "ECONNREFUSED",
  );
  assertStringIncludes(
    advertisedHint(refused, BROKERS)!,
    "is it running, and are its advertised.l",
  );
  assertEquals(unknownHostHint(refused, BROKERS), null);
  const timeout = connectionError("Connection timeout", "10.0.0.7:9092");
  assertStringIncludes(advertisedHint(timeout, BROKERS)!, "10.0.0.7:9092");
});

for (const broker of ["kafka:9092", "KAFKA:9092", "other:9093"]) {
  Deno.test(`advertisedHint() says nothing of ${broker}, which was given by the user`, () => {
    const error = connectionError("getaddrinfo ENOTFOUND", broker, "ENOTFOUND");
    assertEquals([advertisedHint(error, BROKERS), unknownHostHint(error, BROKERS)], [null, null]);
  });
}

Deno.test("advertisedHint() returns null for errors without an address", () => {
  assertEquals(advertisedHint(new Error("Closed connection"), BROKERS), null);
  assertEquals(advertisedHint(undefined, BROKERS), null);
});
