/** The suite of memberships on a classic group in memory. */
import { testMembership } from "../../../conformance/membership.ts";
import { classicWorld } from "../../../support/kafka/group/worlds.ts";

testMembership("a classic group", classicWorld({ keyed: 8 }), 100);
