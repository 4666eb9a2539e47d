import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import {
  heal,
  type HealingCluster,
  inWords,
  LostTransactionError,
} from "../../../../src/connectors/kafka/transactions/healing.ts";
import type { StoredTransaction } from "../../../../src/connectors/kafka/transactions/ids.ts";
import { errorOfCode } from "../../../../src/connectors/kafka/wire/error_codes.ts";
import { emptyStore, EpochDriver, type Stored } from "../../../support/kafka/epoch_driver.ts";
import { TransactionLog } from "../../../support/kafka/transaction_log.ts";
import { testPlace } from "../../../support/runtime/test_place.ts";

const MINUTE = 60_000;

const STORED: StoredTransaction = {
  transactionalId: "p.0",
  producerId: 7n,
  producerEpoch: 1,
  epoch: 17,
  openedAt: Date.parse("2026-11-28T10:00:00Z"),
  timeoutMs: 15 * MINUTE,
  cluster: "c",
};

/** A cluster that answers a commit with a code. */
function answering(code: number): HealingCluster {
  return {
    end: () => code === 0 ? Promise.resolve() : Promise.reject(errorOfCode(code, "EndTxn")),
    evidenceOf: () => Promise.resolve("Kafka has aborted it"),
  };
}

/** Heals 23 minutes after the transaction has begun. */
async function healAt(code: number, acceptLostEpoch?: number): Promise<string[]> {
  const { log, logged } = testPlace();
  const options = acceptLostEpoch === undefined ? {} : { acceptLostEpoch };
  const now = () => STORED.openedAt + 23 * MINUTE;
  await heal(answering(code), STORED, { topic: "totals", log, now, ...options });
  return logged;
}

Deno.test("a transaction that the broker commits, again or for the first time, is healed", async () => {
  assertEquals(await healAt(0), []);
});

for (const code of [47, 48, 90]) {
  Deno.test(`a commit that is refused with ${code} is a loss, which is refused with all that is known`, async () => {
    const { message } = await assertRejects(() => healAt(code), LostTransactionError);
    assertEquals(
      message,
      `the output of epoch 17 to topic "totals" cannot be committed any more, and the recovery ` +
        "store has the state after it: Kafka has aborted it (its transaction began 23 min ago, at " +
        "2026-11-28T10:00:00.000Z, with a timeout of 15 min; transactional id p.0, " +
        `${errorOfCode(code).type}); to continue without it, give the output acceptLostEpoch: 17`,
    );
  });
}

Deno.test("an id that the broker has forgotten leaves it open what has become of its output", async () => {
  const { message } = await assertRejects(() => healAt(49), LostTransactionError);
  assertStringIncludes(message, "nobody knows whether the output of epoch 17");
  assertStringIncludes(message, "acceptLostEpoch: 17");
});

Deno.test("the user's word counts for one epoch, and leaves a warning", async () => {
  const [warning] = await healAt(90, 17);
  assertStringIncludes(
    warning,
    'warn: the output of epoch 17 to topic "totals" cannot be committed any more',
  );
  await assertRejects(() => healAt(90, 16), LostTransactionError);
});

Deno.test("another error is not a loss: it may be healed later", async () => {
  const error = await assertRejects(() => healAt(53, 17), Error);
  assertEquals(error instanceof LostTransactionError, false);
});

Deno.test("durations are told in seconds or minutes", () => {
  assertEquals([90_000, 119_000, 120_000, 900_000].map(inWords), [
    "90 s",
    "119 s",
    "2 min",
    "15 min",
  ]);
});

/** A store with an epoch whose transaction is not committed, as its run was killed. */
async function killedInTheWindow(log: TransactionLog): Promise<Stored> {
  const store = emptyStore();
  const broker = log.broker();
  const run = new EpochDriver(broker, store);
  await run.begin();
  await run.write(["a"]);
  await run.prepare();
  run.commitStore(0);
  await run.die(broker);
  return store;
}

Deno.test("an output that was away for too long is refused, until the user does without its epoch", async () => {
  const log = new TransactionLog();
  const store = await killedInTheWindow(log);
  log.timeOut();
  for (let start = 0; start < 2; start++) {
    await using broker = log.broker();
    await using run = new EpochDriver(broker, store);
    const { message } = await assertRejects(() => run.open(), LostTransactionError);
    assertStringIncludes(message, "Kafka has aborted it, as it was open for longer");
    assertStringIncludes(message, "acceptLostEpoch: 0");
  }
  await using broker = log.broker();
  await using run = new EpochDriver(broker, store, { acceptLostEpoch: 0 });
  await run.begin();
  await run.run(["b"]);
  assertEquals(log.visible, [["b"], []]);
});

Deno.test("a transaction of another cluster is refused, and nothing is asked for it here", async () => {
  const log = new TransactionLog();
  const store = await killedInTheWindow(log);
  const [[name, state]] = [...store.positions].filter(([name]) => name.includes("open:"));
  store.positions = new Map([...store.positions, [name, { ...state as object, cluster: "other" }]]);
  log.calls.length = 0;
  {
    await using broker = log.broker();
    await using run = new EpochDriver(broker, store);
    await assertRejects(() => run.open(), Error, "waits for its commit in Kafka cluster other");
    assertEquals(log.calls, []);
  }
  await using broker = log.broker();
  await using run = new EpochDriver(broker, store, { acceptLostEpoch: 0 });
  await run.begin();
});
