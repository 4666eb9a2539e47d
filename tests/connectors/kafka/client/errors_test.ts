import { assertEquals } from "@std/assert";
import {
  type ErrorKind,
  errorKind,
  errorName,
  isAnswer,
  isFatal,
  isFinalForWrites,
  messageOfKafka,
} from "../../../../src/connectors/kafka/client/errors.ts";
import { TopicDeletedError } from "../../../../src/connectors/kafka/client/deleted_topic.ts";
import { errorOfCode } from "../../../../src/connectors/kafka/wire/error_codes.ts";

/** Kinds without a row: of no code, of our own errors, or of a code that is tested by itself. */
type WithoutCodes = "retry" | "loginRefused" | "topicDeleted";

/** The codes of the protocol that are not only retried, with what they mean to us. */
const KINDS: Readonly<Record<Exclude<ErrorKind, WithoutCodes>, readonly number[]>> = {
  denied: [29, 30, 31, 53],
  unsupported: [17, 35, 76],
  unknownTopic: [3],
  offsetOutOfRange: [1],
  notCoordinator: [14, 15, 16],
  notMember: [22, 25, 82, 110, 113],
  groupRefused: [12, 24, 28, 69],
  rebalance: [27],
  transactionPending: [51],
  alreadyWritten: [46],
  sequenceBroken: [45, 49, 59],
  fenced: [47, 90],
  transactionRefused: [48, 50, 120],
  tooLarge: [10, 18],
  recordRefused: [32, 87],
  corrupt: [2],
  batchRefused: [21, 43],
  againstPolicy: [44],
  settingRefused: [40],
  topicExists: [36],
  notController: [7, 41],
  deletionDisabled: [73],
  replicationRefused: [38],
};

const CODES = Array.from({ length: 134 }, (_, index) => index - 1).filter((code) => code !== 0);

Deno.test("each code of the protocol has one kind, and all others are retried", () => {
  const expected = new Map<number, ErrorKind>(
    Object.entries(KINDS).flatMap(([kind, codes]) =>
      codes.map((code) => [code, kind as ErrorKind] as const)
    ),
  );
  expected.set(33, "loginRefused");
  for (const code of CODES) {
    const error = errorOfCode(code);
    assertEquals(errorKind(error), expected.get(code) ?? "retry", `${code} ${error.type}`);
  }
});

Deno.test("retrying is useless without a permission, a request or a session", () => {
  const fatal = CODES.filter((code) => isFatal(errorOfCode(code)));
  assertEquals(fatal, [17, 29, 30, 31, 33, 35, 53, 76]);
  for (const name of ["UnsupportedRequestError", "KafkaSecurityError", "KafkaJSNotImplemented"]) {
    assertEquals(isFatal(Object.assign(new Error("x"), { name })), true, name);
  }
  assertEquals(isFatal(new RangeError("a response of the broker is cut off")), true);
  assertEquals(isFatal(new Error('Requires read access to "/ca.pem"')), true);
  assertEquals(isFatal(new Error("connection refused")), false);
});

Deno.test("a batch is not sent again after an error that would repeat, or that breaks its sequence", () => {
  const final = CODES.filter((code) => isFinalForWrites(errorOfCode(code)));
  const fatal = [17, 29, 30, 31, 33, 35, 53, 76];
  const ofBatches = [2, 10, 18, 21, 32, 43, 44, 45, 47, 48, 49, 50, 59, 87, 90, 120];
  const ofGroups = [12, 22, 24, 25, 28, 69, 82, 110, 113]; // positions in a transaction
  assertEquals(final, [...fatal, ...ofBatches, ...ofGroups].sort((a, b) => a - b));
  const deleted = new TopicDeletedError("topic", errorOfCode(3));
  assertEquals([isFinalForWrites(deleted), isFatal(deleted)], [true, false]);
});

Deno.test("an error shows whether a broker was in reach", () => {
  assertEquals(isAnswer(errorOfCode(29)), true); // no permission for the topic
  assertEquals(isAnswer(errorOfCode(33)), false); // another SASL mechanism
  assertEquals(isAnswer(Object.assign(new Error("x"), { name: "UnsupportedRequestError" })), true);
  assertEquals(isAnswer(new Error("connection refused")), false);
});

Deno.test("an error is identified by its name in the protocol, or else by its own", () => {
  assertEquals(errorName(errorOfCode(3)), "UNKNOWN_TOPIC_OR_PARTITION");
  assertEquals(errorName(new RangeError("x")), "RangeError");
  assertEquals(errorName({}), "unknown");
});

Deno.test("a vague message names the request that it answers", () => {
  assertEquals(
    messageOfKafka(errorOfCode(42, "Fetch")),
    `Fetch: ${errorOfCode(42).message}`,
  );
  assertEquals(messageOfKafka(errorOfCode(3, "Fetch")), errorOfCode(3).message);
});
