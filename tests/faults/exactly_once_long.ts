/**
 * The faults of `tests/e2e/kafka_exactly_once_faults_test.ts`, longer and at random:
 * `deno task test:exactly-once`, an hour or more. `FAULT_SEED` sets the first seed, which is
 * printed. `FAULT_SEEDS` sets the number of seeds, and `FAULT_KILLS` the kills of each combination
 * with a seed.
 */
import { KafkaCluster } from "../support/kafka/cluster.ts";
import { kafkaBrokers } from "../support/kafka/kafka.ts";
import { brokerOfThisRun } from "../support/kafka/broker/broker.ts";
import { raiseTransactionVersion } from "../support/kafka/transaction_versions.ts";
import { Random } from "../support/values/random.ts";
import { killAtRandom } from "./exactly_once_kills.ts";
import { killBroker, loseMessages, randomFaults, TRANSACTIONAL } from "./exactly_once_network.ts";
import { killAtPoints, POINTS, STORE_POINTS, VICTIMS } from "./exactly_once_points.ts";
import { loseEpoch, stopForLong, wakeRun } from "./exactly_once_zombies.ts";

const FIRST = Number(Deno.env.get("FAULT_SEED") ?? Math.floor(Math.random() * 1_000_000));
const SEEDS = Array.from(
  { length: Number(Deno.env.get("FAULT_SEEDS") ?? 10) },
  (_, n) => FIRST + n,
);
const KILLS = Number(Deno.env.get("FAULT_KILLS") ?? 10);
console.log(`FAULT_SEED=${FIRST} FAULT_SEEDS=${SEEDS.length} FAULT_KILLS=${KILLS}`);

/** A broker whose transaction.version is 1. It soon aborts transactions that take too long. */
async function olderKafka(): Promise<string[]> {
  const setup = { script: "transactions.sh", ports: 0 };
  const brokers = [(await brokerOfThisRun("older-transactions-kafka", setup)).address];
  await raiseTransactionVersion(brokers, 1);
  return brokers;
}

let older: Promise<string[]> | undefined;

const VERSIONS = [
  { version: 1, brokersOf: () => older ??= olderKafka() },
  { version: 2, brokersOf: kafkaBrokers },
];

for (const { version, brokersOf } of VERSIONS) {
  for (const workers of [1, 2]) {
    for (const store of ["SQLite", "Kafka"] as const) {
      const told = `transaction.version ${version}, ${workers} workers, store on ${store}`;
      Deno.test(`exactly once, killed at random: ${told}`, async (t) => {
        const brokers = await brokersOf();
        for (const seed of SEEDS) {
          await t.step(`seed ${seed}`, async () => {
            await killAtRandom({ brokers, workers, store, seed, kills: KILLS });
          });
        }
      });

      Deno.test(`exactly once, killed at named points: ${told}`, async (t) => {
        const brokers = await brokersOf();
        const points = store === "SQLite" ? POINTS : STORE_POINTS;
        for (const first of VICTIMS.keys()) {
          await t.step(`first ${VICTIMS[first]}`, async () => {
            const victim = (kill: number) => VICTIMS[(kill + first) % VICTIMS.length];
            await killAtPoints({ brokers, workers, store, points, victim });
          });
        }
      });
    }
  }
}

Deno.test("exactly once, messages are lost by chance", async (t) => {
  const brokers = await kafkaBrokers();
  for (const seed of SEEDS) {
    await t.step(`seed ${seed}`, async () => {
      const random = new Random(seed);
      await loseMessages(brokers, randomFaults(random, 20), 1 + random.below(2));
    });
  }
});

Deno.test("exactly once, the broker is killed while it answers", async (t) => {
  await using cluster = await KafkaCluster.start({ brokers: 1 });
  for (const workers of [1, 2]) {
    await t.step(`${workers} workers`, () => killBroker(cluster, TRANSACTIONAL, workers));
  }
});

Deno.test("exactly once, a worker is stopped for longer than its transaction may last", async () => {
  older ??= olderKafka();
  await stopForLong(await older);
});

Deno.test("exactly once, a run is stopped until another one has its store", async () => {
  await wakeRun(await kafkaBrokers());
});

Deno.test("exactly once, an epoch is lost: the run is refused until the loss is accepted", async () => {
  older ??= olderKafka();
  await loseEpoch(await older);
});
