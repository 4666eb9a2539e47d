/**
 * Windows by event time in a group of nodes. They are those that one machine has, and the same
 * values are late. `deno task test:group` does it for longer.
 */
import { windowsWhileDead } from "../faults/group_times.ts";
import { testInTurn } from "../support/group_nodes/test_protocols.ts";

testInTurn(
  "windows by event time, while a node is dead for long",
  (options, random) => windowsWhileDead(options, random, 1),
);
