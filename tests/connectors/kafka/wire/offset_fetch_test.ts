import { assertEquals, assertRejects } from "@std/assert";
import {
  committedOffsets,
  decodeOffsetFetch,
  encodeOffsetFetch,
  offsetFetch,
} from "../../../../src/connectors/kafka/wire/offset_fetch.ts";
import { WrongAnswerError } from "../../../../src/connectors/kafka/wire/wrong_answer.ts";
import { Buffer } from "node:buffer";

const PARTITIONS = [
  { topic: "orders", partition: 1 },
  { topic: "orders", partition: 258 },
  { topic: "late", partition: 0 },
];

/** As `OffsetFetchRequestData` of Java's kafka-clients 4.3.1 writes version 7. */
const JAVA_REQUEST = "066170702e3103076f726465727303000000010000010200056c6174650200000000000100";

/** As `OffsetFetchResponseData` of Java's kafka-clients 4.3.1 writes version 7. */
const JAVA_RESPONSE = "0000001403076f72646572730300000001000001000000000900000003026d0000000000" +
  "0102ffffffffffffffffffffffff0100580000056c6174650200000000ffffffffffffffffffffffff" +
  "0100000000000000";

Deno.test("an OffsetFetch request is the same as that of Java's client", () => {
  assertEquals(encodeOffsetFetch("app.1", PARTITIONS).toString("hex"), JAVA_REQUEST);
});

Deno.test("an OffsetFetch request for all that is committed is the same as that of Java's client", () => {
  const ours = encodeOffsetFetch("app", null, { isStable: false });
  assertEquals(ours.toString("hex"), "04617070000000");
});

Deno.test("committedOffsets leaves out partitions without a position, or with an error", async () => {
  const answered = [[5n, 0], [-1n, 0], [7n, 88]] as const;
  const found = await committedOffsets({
    versions: { 9: { minVersion: 1, maxVersion: 10 } },
    connectionPool: {
      send: () =>
        Promise.resolve({
          errorCode: 0,
          offsets: answered.map(([offset, errorCode], i) => ({
            ...PARTITIONS[i],
            offset,
            metadata: "m",
            errorCode,
          })),
        }),
    },
  }, "app");
  assertEquals(found, [{ ...PARTITIONS[0], offset: 5n }]);
});

Deno.test("an OffsetFetch response that Java wrote is read", () => {
  const none = { offset: -1n, metadata: "", errorCode: 0 };
  assertEquals(decodeOffsetFetch(Buffer.from(JAVA_RESPONSE, "hex")), {
    offsets: [
      { ...PARTITIONS[0], offset: 2n ** 40n + 9n, metadata: "m", errorCode: 0 },
      { ...PARTITIONS[1], ...none, errorCode: 88 },
      { ...PARTITIONS[2], ...none },
    ],
    errorCode: 0,
    clientSideThrottleTime: 20,
  });
});

Deno.test("OffsetFetch throws if a partition is refused or left out, or the group is", async () => {
  const answered = (answer: { errorCode?: number; codes: readonly number[] }) =>
    offsetFetch(
      {
        versions: { 9: { minVersion: 1, maxVersion: 10 } },
        connectionPool: {
          send: () =>
            Promise.resolve({
              errorCode: answer.errorCode ?? 0,
              offsets: answer.codes.map((errorCode, i) => ({
                ...PARTITIONS[i],
                offset: i === 0 ? 5n : -1n,
                metadata: "",
                errorCode,
              })),
            }),
        },
      },
      "app.1",
      PARTITIONS,
    );
  assertEquals((await answered({ codes: [0, 0, 0] })).map(({ offset }) => offset), [
    5n,
    null,
    null,
  ]);
  const unstable = await assertRejects(() => answered({ codes: [0, 88, 0] }));
  assertEquals((unstable as { type?: string }).type, "UNSTABLE_OFFSET_COMMIT");
  const refused = await assertRejects(() => answered({ errorCode: 30, codes: [] }));
  assertEquals((refused as { type?: string }).type, "GROUP_AUTHORIZATION_FAILED");
  await assertRejects(() => answered({ codes: [0, 0] }), WrongAnswerError, 'topic "late"');
});
