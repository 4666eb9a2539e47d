import { assertEquals } from "@std/assert";
import codes from "kafkajs/src/protocol/error.js";
import { errorOfCode } from "../../../../src/connectors/kafka/wire/error_codes.ts";

/** KafkaJS's own table, which its types leave out. */
const { errorCodes } = codes as unknown as {
  errorCodes: readonly { readonly code: number; readonly type: string; readonly message: string }[];
};

Deno.test("an error has the same text as KafkaJS's error with that code", () => {
  assertEquals(errorCodes.length, 89);
  for (const { code, type, message } of errorCodes) {
    const error = errorOfCode(code, "Fetch");
    assertEquals([error.code, error.type, error.message], [code, type, message]);
    assertEquals(error.apiName, "Fetch");
  }
});

Deno.test("codes newer than KafkaJS have names, and the errors of unknown codes have the number", () => {
  assertEquals(errorOfCode(90).type, "PRODUCER_FENCED");
  assertEquals(errorOfCode(103).type, "INCONSISTENT_TOPIC_ID");
  assertEquals(errorOfCode(30_000).message, "Unknown error code 30000");
  assertEquals("apiName" in errorOfCode(90), false);
});
