/** The suite of memberships on a streams group in memory. */
import { testMembership } from "../../../conformance/membership.ts";
import { streamsWorld } from "../../../support/kafka/group/worlds.ts";

testMembership("a streams group", streamsWorld({ keyed: 8 }), 100);
