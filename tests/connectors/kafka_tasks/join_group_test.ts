import { assertEquals } from "@std/assert";
import { memberTopology } from "../../../src/connectors/kafka_tasks/join_group.ts";

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
  const { subtopologies } = memberTopology("app", TOPOLOGY, {
    protocol: "streams",
    tellsChangelogs: true,
  });
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
  const before = memberTopology("app", TOPOLOGY, {
    protocol: "streams",
    tellsChangelogs: false,
  });
  assertEquals(before.subtopologies.flatMap(({ changelogTopics }) => changelogTopics), []);
});

Deno.test("members of a classic group tell one another which tasks have a state, inputs or not", () => {
  const { subtopologies } = memberTopology("app", TOPOLOGY, {
    protocol: "classic",
    tellsChangelogs: false,
  });
  assertEquals(
    subtopologies.flatMap(({ changelogTopics }) => changelogTopics.map(({ name }) => name)),
    ["app.count.state", "app.both.state"],
  );
});
