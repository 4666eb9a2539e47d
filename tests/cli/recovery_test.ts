import { assertEquals, assertRejects } from "@std/assert";
import { recoveryOf } from "../../src/cli/recovery.ts";
import { describeState } from "../../src/cli/state.ts";
import { UsageError } from "../../src/core/errors.ts";

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

Deno.test("state refuses an address that is not one of a store on Kafka", async () => {
  const command = { path: "kafka://a:9092", step: null, key: null };
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
