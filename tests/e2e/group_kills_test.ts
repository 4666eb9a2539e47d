/** Nodes of a group are killed and started again. `deno task test:group` does it for longer. */
import {
  killAgain,
  killNode,
  killNodeWithCopies,
  killWorkers,
  restartInTurn,
  restartSwapped,
} from "../faults/group_kills.ts";
import { PROTOCOLS } from "../support/group_nodes/scene.ts";
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

for (const protocol of PROTOCOLS) {
  Deno.test(`${protocol} group: a node is killed, and another one has copies of its states`, async () => {
    await killNodeWithCopies({ brokers: await groupKafka(), protocol });
  });
}

Deno.test("classic group: nodes that start in another order get their tasks back", async () => {
  // A streams group does not know what is on disks.
  await restartSwapped({ brokers: await groupKafka(), protocol: "classic" });
});

testInTurn("a rolling restart moves nothing", restartInTurn);
