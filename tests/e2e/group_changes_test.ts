/** Nodes of a group come and go, or block. `deno task test:group` does it for longer. */
import { blockStep, churn, comeAndGo, growInput } from "../faults/group_changes.ts";
import { testInTurn } from "../support/group_nodes/test_protocols.ts";

testInTurn("nodes come and go", comeAndGo);

testInTurn("the input gets partitions", growInput);

testInTurn(
  "nodes change all the time",
  (options, random) => churn(options, random, { forMs: 10_000, everyMs: 1_000 }),
);

testInTurn("a step blocks its thread", (options, random) => blockStep(options, random, 12_000));
