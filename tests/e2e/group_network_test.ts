/** Nodes of a group whose network is bad. `deno task test:group` does it for longer. */
import {
  COMMITTING,
  cutOff,
  loseAnswers,
  MEMBER,
  standStill,
  STANDSTILLS,
} from "../faults/group_network.ts";
import { testInTurn } from "../support/group_nodes/test_protocols.ts";

testInTurn(
  "answers get lost",
  (options, random) =>
    loseAnswers(options, random, [...COMMITTING, ...MEMBER[options.protocol]], ["cut"]),
);

testInTurn(
  "a node is cut off, and heals",
  (options, random) => cutOff(options, random, 1_000),
);

testInTurn("a node stands still in the middle of a commit", (options, random) => {
  const between = STANDSTILLS.filter(({ api, side }) => api === "endTxn" && side === "request");
  return standStill(options, random, between, 1_000);
});
