import { assertEquals, assertRejects } from "@std/assert";
import { recoveryOf } from "../../src/cli/recovery.ts";
import { describeState } from "../../src/cli/state.ts";
import { UsageError } from "../../src/core/errors.ts";
import { exists } from "../../src/core/system_error.ts";
import { SqliteInspector } from "../../src/recovery/sqlite/inspector.ts";
import { SqliteRecoveryConfig } from "../../src/recovery/sqlite/sqlite_recovery.ts";
import { tempFolder } from "../support/files/temp_folder.ts";
import { makeStore } from "../support/recovery/sqlite_store.ts";
import { position } from "../support/recovery/stores.ts";
import { recordingLog } from "../support/recording_log.ts";

const given = (path: string) => ({ path, fromScratch: false, yes: false });

Deno.test("recoveryOf() accepts a file, or brokers and a prefix on Kafka", async () => {
  assertEquals((await recoveryOf(given("state.db"), null)).name, "state.db");
  assertEquals((await recoveryOf(given("./kafka/s.db"), null)).name, "./kafka/s.db");
  for (const path of ["kafka://a:9092/orders", "kafka://a:9092,b.example:9093/my.flow-1"]) {
    assertEquals((await recoveryOf(given(path), null)).name, path);
  }
});

Deno.test("recoveryOf() explains what is wrong with a store on Kafka", async () => {
  const paths = [
    "kafka:",
    "kafka://",
    "kafka://a:9092",
    "kafka://a:9092/",
    "kafka:///orders",
    "kafka://a/orders",
    "kafka://a:9092,/orders",
    "kafka://a:9092/my/orders",
    "kafka://a:9092/my orders",
    "kafka://a:9092/orders?x=1",
    "kafka://user:secret@a:9092/orders",
  ];
  for (const path of paths) {
    const message = "a store on Kafka is kafka://HOST:PORT,HOST:PORT/PREFIX; got kafka:";
    await assertRejects(() => recoveryOf(given(path), null), UsageError, message);
  }
});

Deno.test("recoveryOf() does not drop a store on Kafka without asking", async () => {
  const path = "kafka://127.0.0.1:1/orders";
  const command = { path, fromScratch: true, yes: false };
  await assertRejects(() => recoveryOf(command, null), UsageError, "give --yes too");
  await assertRejects(() => recoveryOf(command, () => false), UsageError, "nothing was dropped");
});

Deno.test("recoveryOf() drops a store at once, unless an output has left work unfinished in it", async () => {
  await using folder = await tempFolder();
  for (const [partition, isKept] of [["unfinished:t", true], ["t", false]] as const) {
    const path = folder.at(`${partition.replace(":", "-")}.db`);
    const store = await new SqliteRecoveryConfig(path).open("flow");
    const at = position(partition, new Uint8Array([1]), { step: "out", role: "output" });
    await store.commit(0, { state: [], positions: [at] });
    await store.close();
    const config = await recoveryOf({ path, fromScratch: true, yes: true }, null);
    assertEquals(await exists(path), isKept);
    const opened = await config.open("flow");
    assertEquals((await opened.resume())?.positions ?? null, isKept ? [at] : null);
    await opened.commit(-1, { state: [], positions: [] });
    await opened.close();
    using inspector = await SqliteInspector.open(path);
    assertEquals([inspector.epoch, inspector.positions()], [-1, []]);
  }
});

Deno.test("recoveryOf() warns of a store that cannot be read before it is dropped", async () => {
  await using folder = await tempFolder();
  const path = folder.at("state.db");
  await makeStore(path);
  const bytes = await Deno.readFile(path);
  await Deno.writeFile(path, bytes.fill(0xff, 100)); // what comes after the header
  const command = { path, fromScratch: true, yes: true };
  const { log, warnings } = recordingLog();
  await recoveryOf(command, null, log);
  assertEquals(warnings, [
    "what was dropped could not be read: output that was not visible yet is given up",
  ]);
});

Deno.test("state refuses an address that is not one of a store on Kafka", async () => {
  const command = { path: "kafka://a:9092", step: null, key: null, json: false, limit: 100 };
  const message = "a store on Kafka is kafka://HOST:PORT,HOST:PORT/PREFIX; got kafka://a:9092";
  await assertRejects(() => describeState(command), UsageError, message);
});

Deno.test("recoveryOf() does not repeat a password in the address", async () => {
  const path = "kafka://me:secret@localhost:9092/orders";
  const error = await assertRejects(
    () => recoveryOf({ path, fromScratch: false, yes: false }, null),
    UsageError,
  ) as UsageError;
  assertEquals(error.message.includes("secret"), false);
});
