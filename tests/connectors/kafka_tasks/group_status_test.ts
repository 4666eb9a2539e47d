import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { appStatus, findApp } from "../../../src/connectors/kafka_tasks/group_status.ts";
import { TaskLogError } from "../../../src/connectors/kafka_tasks/task_log_error.ts";
import { UsageError } from "../../../src/core/errors.ts";
import type { TaskId } from "../../../src/core/task_id.ts";
import { part } from "../../support/group/part.ts";
import {
  begunWith,
  FakeGroupAdmin,
  HASH,
  memberOf,
} from "../../support/kafka/group/fake_group_admin.ts";

/** An app of two parts: three partitions of "orders", and two shards. */
function cluster(): FakeGroupAdmin {
  const admin = new FakeGroupAdmin();
  admin.sizes.set("orders", 3).set("app.control", 1).set("app.keyed.shuffle", 2)
    .set("app.keyed.state", 2).set("unrelated", 9);
  admin.said = begunWith(
    part("read", { sourceTopics: ["orders"] }),
    part("keyed", { hasShuffle: true, hasState: true }),
  );
  return admin;
}

Deno.test("each task is shown with its owner and with what waits for it", async () => {
  const admin = cluster();
  admin.all.set(`app.2`, {
    description: {
      state: "Reconciling",
      members: [
        memberOf("one", ["read_0", "keyed_0"], {
          target: new Set(["read_0", "keyed_1"] as TaskId[]),
        }),
        memberOf("two", ["read_1", "keyed_1"], {
          target: new Set(["read_1", "keyed_0"] as TaskId[]),
          onDisk: new Map([["keyed_1" as TaskId, 15]]),
        }),
      ],
    },
    committed: [
      { topic: "orders", partition: 0, offset: 4n },
      { topic: "app.keyed.shuffle", partition: 0, offset: 8n },
      { topic: "app.keyed.shuffle", partition: 1, offset: 9n },
      { topic: "deleted", partition: 0, offset: 9n },
    ],
  });
  admin.ended.set("orders-0", { first: 0, last: 10 });
  admin.ended.set("orders-1", { first: 2, last: 5 }); // nothing of it is committed
  admin.ended.set("app.keyed.shuffle-0", { first: 0, last: 20 });
  admin.ended.set("app.keyed.shuffle-1", { first: 9, last: 10 }); // the end of a transaction
  admin.ended.set("app.keyed.state-1", { first: 5, last: 25 });

  const { groups: [group], topics } = await appStatus(admin, "app");
  assertEquals(topics.map(({ topic }) => topic), [
    "app.control",
    "app.keyed.shuffle",
    "app.keyed.state",
  ]);
  assertEquals(
    group.tasks.map((each) => [
      each.task,
      each.owner,
      each.next,
      each.inputLag,
      each.shuffleLag,
      each.stateRecords,
      each.onDisk,
    ]),
    [
      ["read_0", "one", null, 6, null, null, null],
      ["read_1", "two", null, 3, null, null, null],
      ["read_2", null, null, 0, null, null, null], // it has no leader
      ["keyed_0", "one", "two", null, 11, null, null],
      ["keyed_1", "two", "one", null, 0, 20, 10],
    ],
  );
  assertEquals(group.lags, [
    { topic: "app.keyed.shuffle", kind: "shuffle", records: 11 },
    { topic: "orders", kind: "input", records: 9 },
  ]);
});

Deno.test("groups of other generations are shown after the current one", async () => {
  const admin = cluster();
  const committed = [{ topic: "orders", partition: 1, offset: 3n }];
  admin.all.set("app.1", {
    protocolType: "consumer",
    description: { members: [memberOf("old", ["b_10", "b_2", "a_0"])] },
    committed,
  });
  for (const stranger of ["app.eu.3", "app.other", "app.03", "application.3"]) {
    admin.all.set(stranger, {});
  }
  admin.ended.set("orders-1", { first: 0, last: 10 });
  const { groups } = await appStatus(admin, "app");
  assertEquals(
    groups.map(({ groupId, protocol, isCurrent, state }) => [groupId, protocol, isCurrent, state]),
    [
      [`app.2`, "streams", true, "Dead"], // no machine has been there yet
      ["app.1", "classic", false, "Stable"],
    ],
  );
  assertEquals(groups[1].tasks.map(({ task }) => task) as string[], ["a_0", "b_2", "b_10"]);
  assertEquals(groups[1].lags, [{ topic: "orders", kind: "input", records: 7 }]);
});

Deno.test("topics of an app whose name begins like another's belong to that one", async () => {
  const admin = cluster();
  admin.sizes.set("app.eu.control", 1).set("app.eu.keyed.state", 2).set("app.old.state", 2)
    .set("app.data", 1).set("app", 1);
  const of = async (app: string) => (await findApp(admin, app)).topics.map(({ topic }) => topic);
  assertEquals(await of("app"), [
    "app.control",
    "app.keyed.shuffle",
    "app.keyed.state",
    "app.old.state", // of a part that the flow does not have any more
  ]);
  assertEquals(await of("app.eu"), ["app.eu.control", "app.eu.keyed.state"]);
});

Deno.test("an app does not own the topics of another one, whatever its settings say", async () => {
  const admin = cluster();
  const ofAnother = part("eu.keyed", { hasShuffle: true, hasState: true });
  const { group } = admin.said;
  admin.said = { ...admin.said, group: { ...group!, subtopologies: [ofAnother] } };
  admin.sizes.set("app.eu.keyed.shuffle", 2).set("app.eu.keyed.state", 2);
  const of = async (app: string) => (await findApp(admin, app)).topics.map(({ topic }) => topic);
  assertEquals(await of("app"), ["app.control", "app.keyed.shuffle", "app.keyed.state"]);
  assertEquals(await of("app.eu"), ["app.eu.keyed.shuffle", "app.eu.keyed.state"]);
});

Deno.test("an app that is not there is an error that names those that are", async () => {
  const admin = cluster();
  const missing = await assertRejects(() => appStatus(admin, "ap"), UsageError);
  assertStringIncludes(missing.message, `no app "ap": neither a topic "ap.control" nor a group`);
  assertStringIncludes(missing.message, "it has app. Did you mean app?");
  admin.sizes.clear();
  const empty = await assertRejects(() => appStatus(admin, "app"), UsageError);
  assertEquals(empty.message.endsWith("may describe"), true, empty.message);
});

Deno.test("an app that no machine has set up yet, or that an older one has, is shown", async () => {
  const admin = cluster();
  admin.said = { group: null, hasBegun: false, begunTasks: new Set(), moved: new Map() };
  assertEquals((await appStatus(admin, "app")).groups, []);
  admin.said = {
    group: { ...cluster().said.group!, format: 2 },
    hasBegun: true,
    begunTasks: new Set(),
    moved: new Map(),
  };
  await assertRejects(() => findApp(admin, "app"), TaskLogError, "topics of format 2");
  const old = { format: 1, generation: 1, shards: 2, protocol: "classic", hash: HASH };
  // without the parts of the flow
  admin.said = { group: old as never, hasBegun: true, begunTasks: new Set(), moved: new Map() };
  const { groups: [group] } = await appStatus(admin, "app");
  assertEquals([group.protocol, group.tasks], ["classic", []]);
});
