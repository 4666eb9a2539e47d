/** A group whose brokers die, or lose what it needs. `deno task test:group` does it for longer. */
import { bounceBrokers } from "../faults/group_brokers.ts";
import { LOSSES, startAfter } from "../faults/group_losses.ts";
import { testInTurn } from "../support/group_nodes/test_protocols.ts";

testInTurn("the broker is killed", (options, random) => bounceBrokers(options, random, 1));

for (const [n, loss] of LOSSES.entries()) {
  testInTurn(`it has lost ${loss.what}`, (options) => startAfter(options, loss, n % 2 === 0));
}
