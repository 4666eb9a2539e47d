import { assertEquals, assertRejects } from "@std/assert";
import { givenToRecovery } from "../../../src/connectors/kafka/properties/given_properties.ts";
import { connectionSettings } from "../../../src/connectors/kafka/properties/connection_settings.ts";
import { joinGroup, memberTopology } from "../../../src/connectors/kafka_tasks/join_group.ts";
import { UsageError } from "../../../src/core/errors.ts";
import { silentLog } from "../../../src/core/log.ts";

const part = (name: string, sourceTopics: string[], hasShuffle: boolean, hasState: boolean) => ({
  name,
  sourceTopics,
  hasShuffle,
  hasState,
  inputs: [],
  stateful: [],
});

const TOPOLOGY = {
  shards: 4,
  hash: "00000001",
  exchanges: [],
  subtopologies: [
    part("read", ["orders"], false, false),
    part("count", [], true, true),
    part("spread", [], true, false),
    part("both", ["late"], true, true),
  ],
};

Deno.test("members tell of changelogs that have a partition for each task", () => {
  const { subtopologies } = memberTopology("app", TOPOLOGY, "streams");
  assertEquals(
    subtopologies.map(({ sourceTopics, changelogTopics }) => [
      ...sourceTopics,
      ...changelogTopics.map(({ name, partitions }) => `${name} ${partitions}`),
    ]),
    [
      ["orders"],
      ["app.count.shuffle", "app.count.state 0"],
      ["app.spread.shuffle"],
      ["late", "app.both.shuffle"], // the input may have more partitions than there are shards
    ],
  );
});

Deno.test("members of a classic group tell one another which tasks have a state, inputs or not", () => {
  const { subtopologies } = memberTopology("app", TOPOLOGY, "classic");
  assertEquals(
    subtopologies.flatMap(({ changelogTopics }) => changelogTopics.map(({ name }) => name)),
    ["app.count.state", "app.both.state"],
  );
});

Deno.test("a machine does not choose the session of a streams group", async () => {
  const settings = connectionSettings(givenToRecovery({}));
  const joining = joinGroup({
    place: { brokers: ["127.0.0.1:1"], settings },
    token: null,
    app: "orders",
    groupId: "orders.1",
    topology: TOPOLOGY,
    protocol: "streams",
    standbys: null,
    sessionMs: 9_000,
    handOverMs: 0,
    processId: "p",
    log: silentLog,
    signal: AbortSignal.abort(),
  });
  await assertRejects(() => joining, UsageError, '"orders" has a streams group, for which the');
});
