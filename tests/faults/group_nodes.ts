/**
 * Nodes of groups on real brokers under faults by chance: `deno task test:group`. Both protocols
 * have each test, with ten seeds; `GROUP_SEED=n` runs one of them. `GROUP_MINUTES` is how long
 * nodes come and go in the last one.
 */
import { bounceBrokers } from "./group_brokers.ts";
import { blockStep, churn, comeAndGo, growInput } from "./group_changes.ts";
import { killAgain, killNode, killWorkers, restartInTurn } from "./group_kills.ts";
import { LOSSES, startAfter } from "./group_losses.ts";
import {
  COMMITTING,
  cutOff,
  loseAnswers,
  MEMBER,
  standStill,
  STANDSTILLS,
} from "./group_network.ts";
import { testSeeds } from "../support/group_nodes/test_protocols.ts";

const SEEDS = 10;
const MINUTES = Number(Deno.env.get("GROUP_MINUTES") ?? 5);

testSeeds("workers are killed", (options, random) => killWorkers(options, random, 5), SEEDS);

testSeeds("a worker that dies again leaves, and comes back", killAgain, SEEDS);

for (const returns of [false, true]) {
  const how = returns ? "and comes back" : "for good";
  const play: Parameters<typeof testSeeds>[1] = (options, random) =>
    killNode(options, random, { returns });
  testSeeds(`a node is killed ${how}`, play, SEEDS);
}

testSeeds("a node is cut off", (options, random) => cutOff(options, random, 60_000), SEEDS);

testSeeds(
  "a node stands still",
  (options, random) => standStill(options, random, STANDSTILLS, random.below(20_000)),
  SEEDS,
);

testSeeds("a rolling restart moves nothing", restartInTurn, SEEDS);

testSeeds("nodes come and go", async (options, random) => {
  console.log(options.protocol, await comeAndGo(options, random));
}, SEEDS);

testSeeds("answers get lost", (options, random) => {
  const apis = [...COMMITTING, ...MEMBER[options.protocol]];
  return loseAnswers(options, random, apis, ["cut", "late", "cut"]);
}, SEEDS);

testSeeds(
  "three brokers are killed in turn",
  (options, random) => bounceBrokers(options, random, 3),
  SEEDS,
);

testSeeds(
  "a step blocks its thread",
  (options, random) => blockStep(options, random, 60_000),
  SEEDS,
);

for (const loss of LOSSES) {
  testSeeds(
    `it has lost ${loss.what}`,
    (options, random) => startAfter(options, loss, random.below(2) === 0),
    SEEDS,
  );
}

testSeeds("the input gets partitions", growInput, SEEDS);

testSeeds(
  "nodes change every two seconds",
  (options, random) => churn(options, random, { forMs: 60_000, everyMs: 2_000 }),
  SEEDS,
);

testSeeds(
  `nodes change for ${MINUTES} minutes`,
  (options, random) => churn(options, random, { forMs: MINUTES * 60_000, everyMs: 3_000 }),
  1,
);
