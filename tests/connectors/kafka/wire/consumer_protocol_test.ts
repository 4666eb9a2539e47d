import { assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import {
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
} from "../../../../src/connectors/kafka/wire/consumer_protocol.ts";

/** Java's `ConsumerProtocol` writes it in front of the message itself. */
const VERSION = "0000";

const OURS = Buffer.of(7, 8);

Deno.test("a subscription is the same as that of Java's consumers, and its user data is read", () => {
  const bytes = encodeSubscription(["orders", "late"], OURS);
  assertEquals(bytes.toString("hex"), `${VERSION}0000000200066f726465727300046c617465000000020708`);
  assertEquals(decodeSubscription(bytes), OURS);
});

Deno.test("an assignment is the same as that of Java's consumers, and its user data is read", () => {
  const bytes = encodeAssignment([{ topic: "orders", partitions: [0, 2] }], OURS);
  assertEquals(
    bytes.toString("hex"),
    `${VERSION}0000000100066f7264657273000000020000000000000002000000020708`,
  );
  assertEquals(decodeAssignment(bytes), OURS);
});
