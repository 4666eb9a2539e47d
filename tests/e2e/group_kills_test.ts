/** Nodes of a group are killed and started again. `deno task test:group` does it for longer. */
import {
  killAgain,
  killNode,
  killNodeWithCopies,
  killWorkers,
  restartInTurn,
} from "../faults/group_kills.ts";
import { groupKafka } from "../support/kafka/group_kafka.ts";
import { testInTurn } from "../support/group_nodes/test_protocols.ts";

testInTurn(
  "workers are killed five times",
  (options, random) => killWorkers(options, random, 5),
);

testInTurn("a worker that dies again leaves, and comes back", killAgain);

testInTurn(
  "a node is killed for good",
  (options, random) => killNode(options, random, { returns: false }),
);

testInTurn(
  "a node is killed, and comes back",
  (options, random) => killNode(options, random, { returns: true }),
);

Deno.test("streams group: a node is killed, and another one has copies of its states", async () => {
  // Only these groups have copies.
  await killNodeWithCopies({ brokers: await groupKafka(), protocol: "streams" });
});

testInTurn("a rolling restart moves nothing", restartInTurn);
