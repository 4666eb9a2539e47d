/** Nodes of a group are killed and started again. `deno task test:group` does it for longer. */
import { killNode, killWorkers, restartInTurn } from "../faults/group_kills.ts";
import { testInTurn } from "../support/group_nodes/test_protocols.ts";

testInTurn(
  "workers are killed five times",
  (options, random) => killWorkers(options, random, 5),
);

testInTurn(
  "a node is killed for good",
  (options, random) => killNode(options, random, { returns: false }),
);

testInTurn(
  "a node is killed, and comes back",
  (options, random) => killNode(options, random, { returns: true }),
);

testInTurn("a rolling restart moves nothing", restartInTurn);
