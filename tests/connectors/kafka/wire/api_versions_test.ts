import { assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import {
  encodeApiVersions,
  finalizedFeatures,
} from "../../../../src/connectors/kafka/wire/api_versions.ts";
import type { Exchange } from "../../../../src/connectors/kafka/wire/request.ts";

/** What `ApiVersionsRequestData` of Java's kafka-clients 4.3.1 writes in version 3. */
const REQUEST = "096d696c6c72616365023000";
const RESPONSE =
  "0000020058000000000000000014030016021073747265616d732e76657273696f6e000000010001080000000000" +
  "000009022f031073747265616d732e76657273696f6e0001000100147472616e73616374696f6e2e76657273696f6e" +
  "0002000200";

Deno.test("an ApiVersions request is the same as that of Java's client", () => {
  assertEquals(encodeApiVersions().toString("hex"), REQUEST);
});

Deno.test("finalizedFeatures reads them from a response whose header has no tagged fields", async () => {
  const features = await finalizedFeatures({
    versions: { 18: { minVersion: 0, maxVersion: 4 } },
    connectionPool: {
      send: ({ response }: Exchange) => response.decode(Buffer.from(RESPONSE, "hex")),
    },
  });
  assertEquals([...features], [["streams.version", 1], ["transaction.version", 2]]);
});
