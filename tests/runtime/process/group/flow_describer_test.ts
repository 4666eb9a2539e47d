import { assertEquals, assertMatch, assertNotEquals, assertRejects } from "@std/assert";
import { silentLog } from "../../../../src/core/log.ts";
import {
  type DescriberOptions,
  FlowDescriber,
} from "../../../../src/runtime/process/group/flow_describer.ts";

const MODULE = import.meta.resolve("../../../support/group/token_flow.ts");

const OF_MODULE = {
  moduleUrl: MODULE,
  exportName: null,
  logModule: MODULE,
  logLevel: "info",
} as const;

const LOCATE = { kind: "locate", ...OF_MODULE } as const;

const LOAD = {
  kind: "load",
  ...OF_MODULE,
  app: "orders",
  shards: 2,
  protocol: "auto",
  dropSteps: [],
  waits: false,
  guarantee: "exactly-once",
} as const;

function describerOf(load: DescriberOptions["load"], ...args: string[]): FlowDescriber {
  return new FlowDescriber({
    load,
    flags: () => ["-A"],
    args,
    running: [],
    taps: {},
    log: silentLog,
    onStopRequested: () => {},
  });
}

Deno.test("FlowDescriber makes tokens in the process that has found the cluster", async () => {
  await using describer = describerOf(LOCATE);
  const { place, needsTokens } = await describer.locate();
  assertEquals({ place, needsTokens }, { place: { brokers: ["k1:9092"] }, needsTokens: true });
  const tokens = await Promise.all([describer.token(), describer.token()]);
  const [, pid] = tokens[0].split(" of ");
  assertEquals(tokens, [`token 1 of ${pid}`, `token 2 of ${pid}`]);
});

Deno.test("FlowDescriber starts one process for all tokens after its own has ended", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await using describer = describerOf(LOAD, `${folder}/ended`);
    assertEquals((await describer.describe()).groupId, "orders.1");
    const [, before] = (await describer.token()).split(" of ");
    const error = await assertRejects(() => describer.token(), Error);
    assertMatch(error.message, /ended with code 3/);
    const tokens = await Promise.all([describer.token(), describer.token()]);
    const [, pid] = tokens[0].split(" of ");
    assertEquals(tokens, [`token 1 of ${pid}`, `token 2 of ${pid}`]);
    assertNotEquals(pid, before);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
