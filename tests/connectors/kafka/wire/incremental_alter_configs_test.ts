import { assertEquals, assertRejects } from "@std/assert";
import { Buffer } from "node:buffer";
import {
  decodeIncrementalAlterConfigs,
  encodeSetGroupConfigs,
  setGroupConfigs,
} from "../../../../src/connectors/kafka/wire/incremental_alter_configs.ts";
import { WrongAnswerError } from "../../../../src/connectors/kafka/wire/wrong_answer.ts";

/** What `IncrementalAlterConfigsRequestData` of Java's kafka-clients 4.3.1 writes in version 1. */
const REQUEST =
  "022004617070022373747265616d732e696e697469616c2e726562616c616e63652e64656c61792e6d7300023000000000";
const RESPONSE = "0000001402002808746f6f206c6f7720046170700000";

const CONFIGS = { "streams.initial.rebalance.delay.ms": "0" };

Deno.test("an IncrementalAlterConfigs request for a group is the same as that of Java's client", () => {
  assertEquals(encodeSetGroupConfigs("app", CONFIGS).toString("hex"), REQUEST);
});

Deno.test("an IncrementalAlterConfigs response that Java wrote is read", () => {
  assertEquals(decodeIncrementalAlterConfigs(Buffer.from(RESPONSE, "hex")), {
    results: [{ errorCode: 40, errorMessage: "too low", type: 32, name: "app" }],
    clientSideThrottleTime: 20,
  });
});

Deno.test("setGroupConfigs throws what the broker says about a setting that it refuses", async () => {
  const set = (group: string, errorCode: number, errorMessage: string | null) =>
    setGroupConfigs(
      {
        versions: { 44: { maxVersion: 1 } },
        connectionPool: {
          send: () =>
            Promise.resolve({ results: [{ errorCode, errorMessage, type: 32, name: "app" }] }),
        },
      },
      group,
      CONFIGS,
    );
  await set("app", 0, null);
  await assertRejects(() => set("app", 40, "too low"), Error, 'setting of group "app": too low');
  await assertRejects(() => set("app", 30, null), Error, "Not authorized to access group");
  await assertRejects(() => set("other", 0, null), WrongAnswerError, 'group "other"');
});
