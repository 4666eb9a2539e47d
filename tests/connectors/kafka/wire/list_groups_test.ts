import { assertEquals, assertRejects } from "@std/assert";
import {
  decodeListGroups,
  encodeListGroups,
  listGroups,
} from "../../../../src/connectors/kafka/wire/list_groups.ts";
import { type BytesByVersion, bytesOf } from "../../../support/bytes_by_version.ts";

/** What Java's kafka-clients 4.3.1 writes. */
const REQUESTS: BytesByVersion = [[[1, 2], ""], [[3], "00"], [[4], "0100"], [[5], "010100"]];
const RESPONSES: BytesByVersion = [
  [
    [1, 2],
    "00000014000000000002000c6170702e30303030303030310008636f6e73756d657200056f7468657200077374" +
    "7265616d73",
  ],
  [
    [3],
    "000000140000030d6170702e303030303030303109636f6e73756d657200066f746865720873747265616d7300" +
    "00",
  ],
  [
    [4],
    "000000140000030d6170702e303030303030303109636f6e73756d657207537461626c6500066f746865720873" +
    "747265616d7306456d7074790000",
  ],
  [
    [5],
    "000000140000030d6170702e303030303030303109636f6e73756d657207537461626c6508436c617373696300" +
    "066f746865720873747265616d7306456d7074790853747265616d730000",
  ],
];
const GROUPS = [
  { groupId: "app.00000001", protocolType: "consumer" },
  { groupId: "other", protocolType: "streams" },
];

Deno.test("a ListGroups request is the same as that of Java's client", () => {
  for (const [version, bytes] of bytesOf(REQUESTS)) {
    assertEquals(encodeListGroups(version).toString("hex"), bytes.toString("hex"), `${version}`);
  }
});

Deno.test("a ListGroups response that Java wrote is read", () => {
  for (const [version, bytes] of bytesOf(RESPONSES)) {
    assertEquals(decodeListGroups(bytes, version), {
      errorCode: 0,
      groups: GROUPS,
      clientSideThrottleTime: version >= 2 ? 20 : 0,
    });
  }
});

Deno.test("listGroups throws if the broker refuses", async () => {
  const ask = (errorCode: number) =>
    listGroups({
      versions: { 16: { maxVersion: 4 } },
      connectionPool: { send: () => Promise.resolve({ errorCode, groups: GROUPS }) },
    });
  assertEquals(await ask(0), GROUPS);
  const denied = await assertRejects(() => ask(31));
  assertEquals((denied as { type?: string }).type, "CLUSTER_AUTHORIZATION_FAILED");
});
