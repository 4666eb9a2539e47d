/**
 * An exactly-once output against Kafka's side of transactions. Each test fails without the rule
 * that it names.
 */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { KafkaOutputConfig } from "millrace";
import { GroupEpoch } from "../../../../src/connectors/kafka/client/group_epoch.ts";
import { TransactionalSession } from "../../../../src/connectors/kafka/write/transactional_session.ts";
import { errorOfCode } from "../../../../src/connectors/kafka/wire/error_codes.ts";
import { eventually, idle } from "../../../support/eventually.ts";
import {
  type DriverOptions,
  emptyStore,
  EpochDriver,
} from "../../../support/kafka/epoch_driver.ts";
import { FAKE_TOPIC } from "../../../support/kafka/fake_broker.ts";
import { testPlace } from "../../../support/runtime/test_place.ts";
import { CODE, type Fate, TransactionLog } from "../../../support/kafka/transaction_log.ts";
import { Random } from "../../../support/values/random.ts";

/** The ids that the store knows, without their random part: `out.x.0` becomes `0`. */
function slotsOf(calls: readonly string[]): string[] {
  return calls.map((call) => call.replace(/ millrace\.step\.[0-9a-f]{8}\.(\d)$/, " $1"));
}

Deno.test("an epoch is one transaction, which begins with its first record and ends after the store", async () => {
  const log = new TransactionLog();
  await using broker = log.broker();
  await using run = new EpochDriver(broker, emptyStore());
  await run.begin();
  assertEquals(log.open, []);
  await run.write(["a", "b"]);
  await run.prepare();
  run.commitStore(0);
  await idle();
  assertEquals(log.visible, [[], []]);
  await run.commit(0);
  assertEquals(log.visible, [["a", "b"], []]);
});

Deno.test("three ids take turns, and each transaction has a new identity", async () => {
  const log = new TransactionLog();
  await using broker = log.broker();
  await using run = new EpochDriver(broker, emptyStore());
  await run.begin();
  assertEquals(slotsOf(log.calls).sort(), ["acquire 0", "acquire 1", "acquire 2"]);
  log.calls.length = 0;
  for (const value of ["a", "b", "c", "d"]) await run.run([value]);
  await eventually(() => log.calls.length === 11, "the ids of three epochs are acquired again");
  assertEquals(slotsOf(log.calls), [
    ...["begin 0", "commit 0"],
    ...["begin 1", "commit 1", "acquire 0"], // the store has epoch 1 by now
    ...["begin 2", "commit 2", "acquire 1"],
    ...["begin 0", "commit 0", "acquire 2"],
  ]);
  assertEquals(log.visible, [["a", "b", "c", "d"], []]);
});

Deno.test("an id is not acquired again while the store has its transaction", async () => {
  const log = new TransactionLog();
  const store = emptyStore();
  {
    await using broker = log.broker();
    await using run = new EpochDriver(broker, store);
    await run.begin();
    await run.run(["a"]);
    await run.close(); // the store still has epoch 0
  }
  log.calls.length = 0;
  await using broker = log.broker();
  await using run = new EpochDriver(broker, store);
  await run.open(); // commits epoch 0 again
  assertEquals(log.calls, []);
  assertEquals(log.visible, [["a"], []]);
});

Deno.test("an output tells how many transactions are open, and how old the oldest is", async () => {
  const log = new TransactionLog();
  await using broker = log.broker();
  await using run = new EpochDriver(broker, emptyStore());
  await run.begin();
  const [writer] = run.writers;
  assertEquals(writer.openTransactions!(), { count: 0, oldestMs: 0 });
  await run.write(["a"]);
  await eventually(() => log.open.length === 1, "the transaction has begun");
  const { now } = performance;
  performance.now = () => now.call(performance) + 5_000;
  try {
    await run.prepare(); // the store may have it, and it is open
    await run.write(["b"]);
    await eventually(() => log.open.length === 2, "the next one has begun");
    const { count, oldestMs } = writer.openTransactions!()!;
    assertEquals([count, oldestMs >= 5_000], [2, true]);
    run.commitStore(0);
    await run.commit(0);
    const after = writer.openTransactions!()!;
    assertEquals([after.count, after.oldestMs < 5_000], [1, true]);
  } finally {
    performance.now = now;
  }
});

Deno.test("an epoch without records has no transaction", async () => {
  const log = new TransactionLog();
  await using broker = log.broker();
  const store = emptyStore();
  await using run = new EpochDriver(broker, store);
  await run.begin();
  log.calls.length = 0;
  await run.run([]);
  assertEquals(log.calls, []);
  assertEquals([...store.positions.keys()].filter((name) => name.includes("open:")), []);
});

Deno.test("ids are stored before they are used, as unfinished work", async () => {
  const log = new TransactionLog();
  await using broker = log.broker();
  const store = emptyStore();
  await using run = new EpochDriver(broker, store);
  await run.open();
  await run.prepare(-1);
  run.commitStore(-1);
  assertEquals(log.ids, []);
  const [name] = store.positions.keys();
  assert(name.startsWith("unfinished:ids:millrace.step."), name);
  await run.commit(-1);
  assertEquals(log.ids, [0, 1, 2].map((slot) => `${name.replace("unfinished:ids:", "")}.${slot}`));
});

Deno.test("a commit is repeated until the broker has answered, and nothing else happens meanwhile", async () => {
  const log = new TransactionLog();
  const fates: Fate[] = ["lost", "unanswered"];
  await using broker = log.broker(({ api }) =>
    api === "EndTxn" ? fates.shift() ?? "answered" : "answered"
  );
  await using run = new EpochDriver(broker, emptyStore());
  await run.begin();
  log.refuse("EndTxn", CODE.busy, CODE.loading);
  await run.run(["a"]);
  assertEquals(fates, []);
  assertEquals(log.visible, [["a"], []]);
});

for (const code of [CODE.fencedOld, CODE.wrongState, CODE.unknownId, CODE.fenced]) {
  Deno.test(`a commit that the broker refuses with ${code} ends the run, and its id is not acquired`, async () => {
    const log = new TransactionLog();
    await using broker = log.broker();
    await using run = new EpochDriver(broker, emptyStore());
    await run.begin();
    log.calls.length = 0;
    log.refuse("EndTxn", code);
    await assertRejects(() => run.run(["a"]), Error);
    await run.fail();
    assertEquals(slotsOf(log.calls), ["begin 0"]);
  });
}

Deno.test("what a run before has left open is aborted once the store knows that nothing is to be committed", async () => {
  const log = new TransactionLog();
  const store = emptyStore();
  const first = log.broker();
  const killed = new EpochDriver(first, store);
  await killed.begin();
  await killed.write(["a"]);
  await killed.prepare(); // the store does not get it
  await killed.write(["b"]);
  await killed.prepare();
  await killed.die(first);
  assertEquals(log.open.length, 2);

  await using broker = log.broker();
  await using run = new EpochDriver(broker, store);
  await run.open();
  await run.prepare(-1);
  run.commitStore(-1);
  assertEquals(log.open.length, 2);
  await run.commit(-1);
  assertEquals(log.open, []);
  assertEquals(log.visible, [[], []]);
});

Deno.test("a second crash after the first commit of a run finds nothing to commit", async () => {
  const log = new TransactionLog();
  const store = emptyStore();
  const first = log.broker();
  const killed = new EpochDriver(first, store);
  await killed.begin();
  await killed.write(["a"]);
  await killed.prepare();
  killed.commitStore(0);
  await killed.die(first);

  for (let crash = 0; crash < 3; crash++) {
    const broker = log.broker();
    const run = new EpochDriver(broker, store);
    await run.begin(); // the ids are acquired, and then it dies
    await run.die(broker);
  }
  assertEquals(log.visible, [["a"], []]);
});

Deno.test("each run has new ids, and ends what another number of workers has left", async () => {
  const log = new TransactionLog();
  const store = emptyStore();
  for (const [workers, sets] of [[3, 6], [1, 8], [2, 12], [1, 14]]) {
    {
      // One that dies before it has ended what others left: the store must still know of it.
      const broker = log.broker();
      const run = new EpochDriver(broker, store, { workers });
      await run.open();
      await run.prepare(run.epoch - 1);
      run.commitStore(run.epoch - 1);
      await run.die(broker);
    }
    const broker = log.broker();
    const run = new EpochDriver(broker, store, { workers });
    await run.begin();
    assertEquals(log.open, [], `${workers} workers`);
    const { epoch } = run;
    for (let worker = 0; worker < workers; worker++) {
      await run.write([`${epoch}.${worker}`], worker);
    }
    await run.prepare();
    run.commitStore(epoch);
    assertEquals(
      [...store.positions.keys()].filter((name) => name.includes("ids:")).length,
      workers,
    );
    for (let worker = 0; worker < workers; worker++) await run.write(["never committed"], worker);
    await eventually(() => log.open.length === 2 * workers, "each worker has two transactions");
    await run.die(broker);
    assertEquals(log.ids.length, 3 * sets, `${workers} workers`);
  }
  await using broker = log.broker();
  await using run = new EpochDriver(broker, store);
  await run.begin();
  assertEquals(log.open, []);
  assertEquals(log.visible[0].toSorted(), ["0.0", "0.1", "0.2", "1.0", "2.0", "2.1", "3.0"]);
});

Deno.test("an output that is no longer exactly-once commits what the store has, and aborts the rest", async () => {
  const log = new TransactionLog();
  const store = emptyStore();
  const first = log.broker();
  const killed = new EpochDriver(first, store);
  await killed.begin();
  await killed.write(["a"]);
  await killed.prepare();
  killed.commitStore(0);
  await killed.write(["b"]);
  await killed.die(first);

  await using broker = log.broker();
  await using run = new EpochDriver(broker, store, { delivery: "at-least-once" });
  await run.begin();
  assertEquals(log.open, []);
  await run.run(["c"]);
  assertEquals(log.visible, [["a", "c"], []]);
  assertEquals(store.positions, new Map());
});

Deno.test("a run that fails aborts the epoch that it writes, and none that is prepared", async () => {
  const log = new TransactionLog();
  await using broker = log.broker();
  const run = new EpochDriver(broker, emptyStore());
  await run.begin();
  await run.write(["a"]);
  await run.prepare(); // the store may have it
  await run.write(["b"]);
  await eventually(() => log.open.length === 2, "both epochs have a transaction");
  const [prepared] = log.open;
  await run.fail();
  assertEquals(log.open, [prepared]);
});

Deno.test("a run that fails aborts its epoch after the group's positions, which are on their way", async () => {
  const log = new TransactionLog();
  await using broker = log.broker();
  const run = new EpochDriver(broker, emptyStore());
  await run.begin();
  await run.write(["a"]);
  await eventually(() => log.open.length === 1, "the transaction has begun");
  const asked = Promise.withResolvers<void>();
  const answers = Promise.withResolvers<void>();
  log.beforeGroup = () => {
    asked.resolve();
    return answers.promise;
  };
  log.calls.length = 0;
  const note = new GroupEpoch("g", "fake", [{ topic: "in", partition: 0, offset: 1n }]);
  const prepared = assertRejects(
    async () => await run.writers[0].prepare(run.epoch, new Map([["in", note]])),
    Error,
    "the run has failed",
  );
  await asked.promise;
  const failing = run.fail();
  await idle(); // it has done all that it does without the answer
  answers.resolve();
  await Promise.all([prepared, failing]);
  assertEquals(log.calls.map((call) => call.replace(/ millrace.*/, "")), [
    "add group",
    "commit group",
    "abort",
  ]);
  assertEquals(log.open, []);
});

Deno.test("after the last epoch, the store needs the ids alone, and nothing is unfinished", async () => {
  const log = new TransactionLog();
  await using broker = log.broker();
  const store = emptyStore();
  await using run = new EpochDriver(broker, store);
  await run.begin();
  await run.run(["a"]);
  const settled = run.writers[0].settled!();
  assertEquals([...settled.keys()].map((name) => name.replace(/[0-9a-f]{8}$/, "")), [
    "ids:millrace.step.",
  ]);
  store.positions = settled;
  await run.close();
  await using next = new EpochDriver(broker, store);
  await next.begin();
  await next.run(["b"]);
  assertEquals(log.ids.length, 6); // new ones
  assertEquals(log.visible, [["a", "b"], []]);
});

Deno.test("another run that has acquired an id ends this one, and not the other way round", async () => {
  const log = new TransactionLog();
  const store = emptyStore();
  await using broker = log.broker();
  const paused = new EpochDriver(broker, store);
  await paused.begin();
  await paused.run(["a"]);
  await paused.run(["b"]);

  await using run = new EpochDriver(broker, { ...store });
  await run.begin();
  await run.run(["c"]);
  // The paused one wakes between two transactions, and is about to acquire the id of epoch 1 again.
  await paused.run([]);
  await eventually(() => paused.places[0].failures.length === 1, "the paused run fails");
  assertStringIncludes(`${paused.places[0].failures[0]}`, "another producer has taken over");
  await paused.fail();
  for (const value of ["e", "f", "g"]) await run.run([value]);
  assertEquals(log.visible, [["a", "b", "c", "e", "f", "g"], []]);
});

Deno.test("a permission for its ids that is missing ends a run before its first record", async () => {
  const log = new TransactionLog();
  await using broker = log.broker();
  await using run = new EpochDriver(broker, emptyStore());
  log.refuse("InitProducerId", 53, 53, 53);
  const { message } = await assertRejects(() => run.begin(), Error);
  assertStringIncludes(message, 'ids that begin with "millrace.step" (PREFIXED)');
});

Deno.test("a timeout that the broker does not allow is an error that names both settings", async () => {
  const log = new TransactionLog();
  log.longestTimeoutMs = 600_000;
  await using broker = log.broker();
  await using run = new EpochDriver(broker, emptyStore());
  const { message } = await assertRejects(() => run.begin(), Error);
  assertStringIncludes(message, "transaction.max.timeout.ms");
  assertStringIncludes(message, `"transaction.timeout.ms"`);
});

Deno.test("a timeout that is too short for the epoch interval is refused before anything is asked", async () => {
  const log = new TransactionLog();
  await using broker = log.broker();
  const properties = { "transaction.timeout.ms": 61_000 }; // epochs of 1 s
  await using run = new EpochDriver(broker, emptyStore(), { properties });
  await assertRejects(() => run.open(), Error, "it must be at least 62000");
  const config = new KafkaOutputConfig({
    brokers: broker.brokers,
    topic: FAKE_TOPIC,
    delivery: "exactly-once",
  });
  await assertRejects(
    () => config.open(testPlace({ recovery: { intervalMs: 1_200_000 } })),
    Error,
    "it must be at least 2460000, twice that and a minute; brokers allow 900000 unless",
  );
  assertEquals(broker.requests, []);
});

Deno.test("a run without a recovery store is refused before anything is asked", async () => {
  const log = new TransactionLog();
  await using broker = log.broker();
  const config = new KafkaOutputConfig({
    brokers: broker.brokers,
    topic: FAKE_TOPIC,
    delivery: "exactly-once",
  });
  await assertRejects(
    () => config.open(testPlace({ recovery: null })),
    Error,
    'delivery: "exactly-once" needs a recovery store',
  );
  assertEquals(broker.requests, []);
});

Deno.test("an epoch that has taken almost all of its transaction's time does not count", async () => {
  const log = new TransactionLog();
  const store = emptyStore();
  await using broker = log.broker();
  await using run = new EpochDriver(broker, store);
  await run.begin();
  await run.write(["a"]);
  await eventually(() => log.open.length === 1, "the transaction has begun");
  const { now } = performance;
  performance.now = () => now.call(performance) + 871_000;
  try {
    await assertRejects(() => run.prepare(), Error, "broker aborts its transaction after 15 min");
  } finally {
    performance.now = now;
  }
});

/** A session whose cluster refuses some acquisitions, with the errors that end the run. */
function sessionWith(refusals: Map<string, number>) {
  const failures: unknown[] = [];
  const acquired: string[] = [];
  const cluster = {
    acquire: (transactionalId: string) => {
      acquired.push(transactionalId);
      const code = refusals.get(transactionalId);
      refusals.delete(transactionalId);
      if (code !== undefined) return Promise.reject(errorOfCode(code));
      return Promise.resolve({ transactionalId, producerId: 1n, producerEpoch: acquired.length });
    },
    begin: () => ({
      add: () => Promise.resolve(),
      commitOffsets: () => Promise.resolve(),
      end: () => Promise.resolve(),
    }),
  };
  const own = { prefix: "p", slots: 3, cluster: null };
  const session = new TransactionalSession(cluster, {
    topic: "t",
    ids: { own, leftOver: [] },
    timeoutMs: 900_000,
    fail: (error) => failures.push(error),
  });
  const epochs = async (from: number, to: number) => {
    for (let epoch = from; epoch <= to; epoch++) {
      if (epoch >= 0) await session.writesTo([0]);
      session.prepare(epoch);
      await session.commit(epoch);
      await session.settledAhead();
    }
  };
  return { session, epochs, failures, acquired };
}

Deno.test("a broker that is away while no records come does not end the run", async () => {
  const refusals = new Map<string, number>();
  const { session, epochs, failures, acquired } = sessionWith(refusals);
  await epochs(-1, 0);
  refusals.set("p.0", CODE.loading); // its acquisition ahead has failed for too long
  await epochs(1, 1);
  await idle();
  assertEquals(failures, []);
  acquired.length = 0;
  await epochs(2, 2);
  const { producerEpoch } = await session.writesTo([0]); // epoch 3 has the id again
  assertEquals(acquired, ["p.1", "p.0"]);
  assertEquals(producerEpoch, 2);
});

Deno.test("an id that is refused ahead ends the run at once", async () => {
  const refusals = new Map<string, number>();
  const { epochs, failures } = sessionWith(refusals);
  await epochs(-1, 0);
  refusals.set("p.0", CODE.fenced);
  await epochs(1, 1);
  await idle();
  assertEquals(failures.map((error) => (error as { type: string }).type), ["PRODUCER_FENCED"]);
});

Deno.test("an id that the broker has forgotten, as after a week, is acquired again at the first record", async () => {
  const log = new TransactionLog();
  await using broker = log.broker();
  await using run = new EpochDriver(broker, emptyStore());
  await run.begin();
  log.forget();
  log.calls.length = 0;
  await run.run(["a"]);
  assertEquals(slotsOf(log.calls), ["acquire 0", "begin 0", "commit 0"]);
  assertEquals(log.visible, [["a"], []]);
});

Deno.test("an id that is forgotten in the middle of its transaction ends the run", async () => {
  const log = new TransactionLog(2);
  await using broker = log.broker();
  await using run = new EpochDriver(broker, emptyStore());
  await run.begin();
  await run.write(["a"]);
  await eventually(() => log.pending.length === 1, "the record has arrived");
  log.forget();
  await run.writers[0].write([{ key: "k", value: "b", partition: 1 }], 0);
  await assertRejects(() => run.prepare(), Error, "the broker has forgotten the transactional id");
});

Deno.test("records of a transaction that is not ours any more are refused in the same words", async () => {
  const log = new TransactionLog();
  await using broker = log.broker();
  await using run = new EpochDriver(broker, emptyStore());
  await run.begin();
  log.refuse("Produce", CODE.fencedOld);
  const { message } = await assertRejects(() => run.run(["a"]), Error);
  assertStringIncludes(message, "another producer has taken over the transactional id");
});

/** Holds Produce requests. Each call of `release` lets the oldest one be carried out. */
function holdProduce(log: TransactionLog): { readonly held: number; release(): void } {
  const held: (() => void)[] = [];
  log.beforeProduce = () => new Promise((resolve) => void held.push(resolve));
  return {
    get held() {
      return held.length;
    },
    release: () => held.shift()!(),
  };
}

/**
 * Begins a run, and ends its first epoch. Its one record, `a`, is held on its way, so what the test
 * writes meanwhile begins the next transaction ahead.
 */
async function whileEpochEnds(
  test: (at: {
    readonly log: TransactionLog;
    readonly run: EpochDriver;
    readonly produce: ReturnType<typeof holdProduce>;
    /** Resolves when the epoch is prepared. */
    readonly preparing: Promise<void>;
  }) => Promise<void>,
  options: DriverOptions = {},
): Promise<void> {
  const log = new TransactionLog();
  await using broker = log.broker();
  await using run = new EpochDriver(broker, emptyStore(), options);
  await run.begin();
  log.calls.length = 0;
  const produce = holdProduce(log);
  await run.write(["a"]);
  const preparing = run.prepare();
  preparing.catch(() => {}); // a test may close the output before
  await test({ log, run, produce, preparing });
}

Deno.test("the next transaction begins while an epoch ends, and its records are sent after that", async () => {
  await whileEpochEnds(async ({ log, run, produce, preparing }) => {
    await run.write(["b"]);
    await eventually(() => log.open.length === 2 && produce.held === 1, "both have begun");
    assertEquals(slotsOf(log.calls), ["begin 0", "begin 1"]);
    produce.release();
    await preparing; // it does not wait for the records of the next epoch
    assertEquals(log.pending, ["a"]);
    run.commitStore(0);
    const open = [...run.store.positions.keys()].filter((name) => name.includes("open:"));
    assertEquals(open.map((name) => name.slice(-2)), [".0"]);
    await run.commit(0);
    await eventually(() => produce.held === 1, "the next record is on its way");
    produce.release();
    await run.prepare();
    run.commitStore(1);
    await run.commit(1);
    assertEquals(slotsOf(log.calls).filter((call) => !call.startsWith("acquire")), [
      ...["begin 0", "begin 1", "commit 0", "commit 1"],
    ]);
    assertEquals(log.visible, [["a", "b"], []]);
  });
});

Deno.test("records of both epochs count for the room that is left", async () => {
  await whileEpochEnds(async ({ run, produce, preparing }) => {
    await run.write(["b"]);
    let hasRoom = false;
    const writing = run.write(["c"]).then(() => hasRoom = true);
    await eventually(() => produce.held === 1, "the first record is on its way");
    await idle();
    assertEquals(hasRoom, false);
    produce.release();
    await preparing;
    await eventually(() => produce.held === 1, "the others are on their way");
    assertEquals(hasRoom, false); // half of the room has to be free
    produce.release();
    await writing;
  }, { properties: { "queue.buffering.max.messages": 3 } });
});

Deno.test("an epoch after which nothing comes begins no transaction ahead", async () => {
  const log = new TransactionLog();
  await using broker = log.broker();
  await using run = new EpochDriver(broker, emptyStore());
  await run.begin();
  log.calls.length = 0;
  await run.run(["a"]);
  await run.run([]);
  assertEquals(slotsOf(log.calls).filter((call) => call.startsWith("begin")), ["begin 0"]);
});

Deno.test("a transaction that has begun ahead is aborted too when the output is closed", async () => {
  await whileEpochEnds(async ({ log, run, produce }) => {
    await run.write(["b"]);
    await eventually(() => log.open.length === 2 && produce.held === 1, "both have begun");
    const closing = run.close();
    log.beforeProduce = () => {};
    produce.release();
    await closing;
    assertEquals([log.open, log.visible], [[], [[], []]]);
  });
});

Deno.test("a refusal to begin ahead counts once the transaction is needed", async () => {
  await whileEpochEnds(async ({ log, run, produce, preparing }) => {
    await eventually(() => produce.held === 1, "the record is on its way");
    log.refuse("AddPartitionsToTxn", CODE.fenced, CODE.fenced);
    await run.write(["b"]);
    produce.release();
    await preparing; // epoch 0 is not to blame
    run.commitStore(0);
    await run.commit(0);
    await assertRejects(() => run.prepare(), Error, "another producer has taken over");
    assertEquals(log.visible, [["a"], []]);
  });
});

Deno.test("records that come while the ids are acquired wait for that", async () => {
  const log = new TransactionLog();
  await using broker = log.broker();
  await using run = new EpochDriver(broker, emptyStore());
  await run.open();
  await run.prepare(-1);
  run.commitStore(-1);
  log.refuse("InitProducerId", CODE.loading, CODE.loading);
  const committing = run.commit(-1);
  await run.write(["a"]);
  await committing;
  await run.prepare();
  run.commitStore(0);
  await run.commit(0);
  assertEquals(log.visible, [["a"], []]);
});

/** How many orders of crashes are tried. */
const SEEDS = Number(Deno.env.get("CRASH_SEEDS") ?? 3);

/** Runs with random crashes, and returns what readers get. */
async function withCrashes(seed: number, options: DriverOptions = {}): Promise<string[]> {
  const random = new Random(seed);
  const log = new TransactionLog();
  const store = emptyStore();
  let read = 0; // how far the input has been read, as the store has it
  for (let crashes = 0; crashes < 10; crashes++) {
    let left = random.below(40); // requests until the crash; the last one may be carried out
    const last = random.pick<Fate>(["lost", "unanswered", "answered"]);
    const died = Promise.withResolvers<never>();
    died.promise.catch(() => {});
    const broker = log.broker(() => {
      if (left-- > 0) return "answered";
      died.reject(new Error("killed"));
      return left === -1 ? last : "lost";
    });
    const run = new EpochDriver(broker, store, options);
    const work = async () => {
      await run.begin();
      let at = read;
      const write = async () => {
        const values = Array.from({ length: random.below(3) }, () => `${at++}`);
        await run.write(values);
      };
      for (let turn = 0; turn < 20; turn++) {
        const { epoch } = run;
        await write();
        const end = at;
        const preparing = run.prepare();
        preparing.catch(() => {}); // a crash may end both
        if (random.below(2) === 0) await write(); // the next epoch, while this one ends
        await preparing;
        if (random.below(10) === 0) { // it is killed while the store is busy
          await idle();
          left = 0;
          return;
        }
        if (left < 0) return; // a process that is dead stores nothing
        read = end;
        run.commitStore(epoch);
        if (random.below(2) === 0) await write(); // the next epoch, before the commit comes
        const committing = run.commit(epoch);
        committing.catch(() => {});
        if (random.below(2) === 0) await write(); // and while it is under way
        await committing;
      }
    };
    const working = work();
    await Promise.race([working, died.promise]).catch((error) => {
      if (error.message !== "killed" && left >= 0) throw error;
    });
    left = -1;
    await run.die(broker);
    await Promise.allSettled([working]);
    await run.close(); // what was being opened
  }
  await using broker = log.broker();
  await using run = new EpochDriver(broker, store, options);
  await run.begin();
  assertEquals(log.open, []);
  assertEquals(log.visible[0].length, read, `seed ${seed}`);
  return log.visible[0];
}

Deno.test("random crashes between any two requests lose, repeat and reorder nothing", async () => {
  const first = Number(Deno.env.get("CRASH_SEED") ?? Math.floor(Math.random() * 1_000_000));
  for (let seed = first; seed < first + SEEDS; seed++) {
    const got = await withCrashes(seed);
    assertEquals(got, got.map((_, n) => `${n}`), `CRASH_SEED=${seed}`);
  }
});
