/**
 * Exactly once from Kafka to Kafka under faults. Processes and a broker are killed, requests of
 * killed runs arrive late, and answers are lost. `deno task test:exactly-once` does it for longer.
 */
import { AssertionError, assertRejects } from "@std/assert";
import { killAtRandom } from "../faults/exactly_once_kills.ts";
import { firstFaults, killBroker, loseMessages } from "../faults/exactly_once_network.ts";
import { killAtPoints, POINTS, VICTIMS } from "../faults/exactly_once_points.ts";
import { acquireLate, arriveLate, startTwice, wakeUp } from "../faults/exactly_once_zombies.ts";
import { KafkaCluster } from "../support/kafka/cluster.ts";
import { kafkaBrokers } from "../support/kafka/kafka.ts";

const SEED = Number(Deno.env.get("EXACTLY_ONCE_SEED") ?? Math.floor(Math.random() * 1_000_000));

const DELIVERY = "at-least-once";

Deno.test("at least once: the tests below find what comes twice", async () => {
  const brokers = await kafkaBrokers();
  await assertRejects(
    () =>
      killAtPoints({
        brokers,
        workers: 1,
        store: "SQLite",
        points: POINTS.filter(({ api, during }) => api === "produce" && during === "epoch"),
        victim: () => "all",
        delivery: DELIVERY,
      }),
    AssertionError,
    "Values are not equal",
  );
});

for (const workers of [1, 2]) {
  Deno.test(`exactly once: ${workers} workers, killed at named points`, async () => {
    const brokers = await kafkaBrokers();
    await killAtPoints({
      brokers,
      workers,
      store: "SQLite",
      points: POINTS,
      victim: (kill) => VICTIMS[(kill + workers) % VICTIMS.length],
    });
  });

  Deno.test(`exactly once: ${workers} workers, killed at random: EXACTLY_ONCE_SEED=${SEED}`, async () => {
    const brokers = await kafkaBrokers();
    await killAtRandom({ brokers, workers, store: "SQLite", seed: SEED, kills: 6 });
  });
}

for (const api of ["produce", "addPartitionsToTxn", "endTxn"] as const) {
  Deno.test(`exactly once: a killed run's ${api} arrives late`, async () => {
    await arriveLate(await kafkaBrokers(), api);
  });
}

Deno.test("exactly once: a killed run acquires its ids late, and the next run is not disturbed", async () => {
  await acquireLate(await kafkaBrokers());
});

Deno.test("exactly once: a stopped worker wakes up after the next run", async () => {
  await wakeUp(await kafkaBrokers());
});

for (const store of ["SQLite", "Kafka"] as const) {
  Deno.test(`exactly once: a second run with the same store on ${store} is refused`, async () => {
    await startTwice(await kafkaBrokers(), store);
  });
}

Deno.test("exactly once: requests and answers are lost, and the run goes on", async () => {
  await loseMessages(await kafkaBrokers(), firstFaults(), 1);
});

Deno.test("exactly once: the broker is killed while it commits, and the run goes on", async () => {
  await using cluster = await KafkaCluster.start({ brokers: 1 });
  await killBroker(cluster, ["endTxn"], 2);
});
