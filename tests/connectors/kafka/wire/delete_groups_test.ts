import { assertEquals, assertRejects } from "@std/assert";
import {
  decodeDeleteGroups,
  deleteGroup,
  encodeDeleteGroups,
} from "../../../../src/connectors/kafka/wire/delete_groups.ts";
import { WrongAnswerError } from "../../../../src/connectors/kafka/wire/wrong_answer.ts";
import { type BytesByVersion, bytesOf } from "../../../support/bytes_by_version.ts";

/** What Java's kafka-clients 4.3.1 writes. */
const REQUESTS: BytesByVersion = [
  [[0, 1], "0000000100056170702e31"],
  [[2], "02066170702e3100"],
];
const RESPONSES: BytesByVersion = [
  [[0, 1], "000000140000000100056170702e310044"],
  [[2], "0000001402066170702e3100440000"],
];

Deno.test("a DeleteGroups request is the same as that of Java's client", () => {
  for (const [version, bytes] of bytesOf(REQUESTS)) {
    assertEquals(encodeDeleteGroups("app.1", version).toString("hex"), bytes.toString("hex"));
  }
});

Deno.test("a DeleteGroups response that Java wrote is read", () => {
  for (const [version, bytes] of bytesOf(RESPONSES)) {
    assertEquals(decodeDeleteGroups(bytes, version), {
      results: [{ groupId: "app.1", errorCode: 68 }],
      clientSideThrottleTime: version >= 1 ? 20 : 0,
    });
  }
});

Deno.test("deleteGroup throws if the broker refuses, or names another group", async () => {
  const ask = (groupId: string, errorCode: number) =>
    deleteGroup({
      versions: { 42: { maxVersion: 2 } },
      connectionPool: { send: () => Promise.resolve({ results: [{ groupId, errorCode }] }) },
    }, "app.1");
  await ask("app.1", 0);
  const full = await assertRejects(() => ask("app.1", 68));
  assertEquals((full as { type?: string }).type, "NON_EMPTY_GROUP");
  await assertRejects(() => ask("other", 0), WrongAnswerError, 'group "app.1"');
});
