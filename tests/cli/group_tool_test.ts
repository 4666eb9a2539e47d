import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { parseCommand } from "../../src/cli/arguments.ts";
import { runGroupTool } from "../../src/cli/group_tool.ts";
import type { GroupToolCommand } from "../../src/cli/group_tool_arguments.ts";
import { UsageError } from "../../src/core/errors.ts";
import type { TaskId } from "../../src/core/task_id.ts";
import { ProtocolError } from "../../src/connectors/kafka/wire/error_codes.ts";
import { part } from "../support/group/part.ts";
import { begunWith, FakeGroupAdmin, memberOf } from "../support/kafka/group/fake_group_admin.ts";

const parse = (...args: string[]) =>
  parseCommand(["group", ...args], () => undefined, { onTerminal: false });

const AT = ["--brokers", "a:1,b:2"];

const COMMAND: GroupToolCommand = {
  kind: "group-tool",
  app: "orders",
  action: "show",
  brokers: ["a:1", "b:2"],
  flow: null,
  flowArgs: [],
  properties: {},
  json: false,
  yes: false,
};

Deno.test("the command line of group says what is done, and where", () => {
  assertEquals(parse("orders", ...AT), COMMAND);
  assertEquals(parse(...AT, "orders", "--json"), { ...COMMAND, json: true });
  assertEquals(parse("orders", "reset", ...AT, "--yes", "--property", "sasl.mechanism=PLAIN"), {
    ...COMMAND,
    action: "reset",
    yes: true,
    properties: { "sasl.mechanism": "PLAIN" },
  });
  assertEquals(parse("delete", "delete", ...AT), { ...COMMAND, app: "delete", action: "delete" });
  assertEquals(parse("orders", "--flow=flow.ts:other", "--", "a"), {
    ...COMMAND,
    brokers: [],
    flow: "flow.ts:other",
    flowArgs: ["a"],
  });
  assertEquals(parse("reset", ...AT), { ...COMMAND, app: "reset" });
  assertEquals(parse("--help"), { kind: "help", of: "group" });
  assertEquals(parse("orders", "--version"), { kind: "version" });
});

Deno.test("a wrong command line of group names the cure", () => {
  for (
    const [args, part] of [
      [[], "needs the name of an app"],
      [["orders"], "--brokers HOST:PORT,HOST:PORT, or --flow flow.ts"],
      [["orders", ...AT, "--flow", "f.ts"], "so --brokers does not go with it"],
      [["orders", "--flow", "f.ts", "--property", "a=b"], "so --property does not go with it"],
      [["orders", "rest", ...AT], `no action "rest": it has reset and delete. Did you mean reset?`],
      [["orders", "foo", ...AT], `group orders has no action "foo": it has reset and delete`],
      [["orders", "reset", "more", ...AT], "accepts reset or delete after it"],
      [["orders", ...AT, "--yes"], "group accepts no option --yes"],
      [["orders", "delete", ...AT, "--json"], "group APP delete accepts no option --json"],
      [["orders", ...AT, "--property", "x"], "--property must be NAME=VALUE"],
      [["orders", ...AT, "--", "x"], "group runs no flow"],
    ] as const
  ) assertStringIncludes(assertThrows(() => parse(...args), UsageError).message, part);
});

function cluster(): FakeGroupAdmin {
  const admin = new FakeGroupAdmin();
  admin.sizes.set("orders.control", 1).set("orders.keyed.shuffle", 2).set("orders.keyed.state", 2);
  admin.said = begunWith(part("keyed", { hasShuffle: true, hasState: true }));
  admin.all.set("orders.2", {});
  return admin;
}

function run(admin: FakeGroupAdmin, command: Partial<GroupToolCommand>, answer: boolean | null) {
  const asked: string[] = [];
  const confirm = answer === null ? null : (text: string) => {
    asked.push(text);
    return answer;
  };
  const open = () =>
    Promise.resolve({ admin, [Symbol.asyncDispose]: () => admin[Symbol.asyncDispose]() });
  return { asked, done: runGroupTool({ ...COMMAND, ...command }, { confirm, open }) };
}

Deno.test("an app is shown as text, with short ids where these are clear", async () => {
  const admin = cluster();
  const [a, b] = ["11111111-aaaa", "22222222-bbbb"];
  admin.all.set("orders.2", {
    description: {
      state: "Reconciling",
      status: "waits for\u001b[2J topics",
      members: [
        memberOf(b, [], { processId: null, epoch: null, host: "/10.0.0.2" }),
        memberOf(a, ["keyed_0"], {
          target: new Set<TaskId>(),
          standbys: new Set(["keyed_1" as TaskId]),
          onDisk: new Map([["keyed_0" as TaskId, 41]]),
        }),
      ],
    },
  });
  admin.ended.set("orders.keyed.state-0", { first: 0, last: 100 });
  admin.ended.set("orders.keyed.state-1", { first: 0, last: 0 });
  admin.ended.set("orders.keyed.shuffle-0", { first: 0, last: 7 });
  assertEquals(
    await run(admin, {}, null).done,
    `app        orders
topology   0000000a, 2 shards
protocol   streams
topics     orders.control (1), orders.keyed.shuffle (2), orders.keyed.state (2)

group      orders.2: Reconciling, epoch 7
tasks      1 of 2 have a member
waits      waits for\\u001b[2J topics

node  host      member    epoch  tasks  standbys
-     10.0.0.2  22222222  -      0      0
node  10.0.0.1  11111111  7      1      1

task     member    input lag  shuffle lag  state
keyed_0  11111111  -          6            100 records, 41 % on disk
keyed_1  nobody    -          0            0 records

topic                 read as  lag
orders.keyed.shuffle  shuffle  6
`,
  );
  assert(admin.isClosed);
  const json = JSON.parse(await run(admin, { json: true }, null).done);
  assertEquals(json.groups[0].members[1].tasks, ["keyed_0"]);
  assertEquals(json.groups[0].members[1].standbys, ["keyed_1"]);
  assertEquals(json.groups[0].tasks[0].shuffleLag, 6);
});

Deno.test("a group that the cluster does not have is explained: after a reset, or as expired", async () => {
  const admin = cluster();
  admin.all.clear();
  const gone = await run(admin, {}, null).done;
  assertStringIncludes(
    gone,
    "orders.2: the cluster does not have it any more: it has expired or was deleted. If machines",
  );
  admin.said = { ...admin.said, hasBegun: false };
  const reset = await run(admin, {}, null).done;
  assertStringIncludes(
    reset,
    "group      orders.2: not there yet: the app was reset or is new, and begins with the next " +
      "start of a machine",
  );
  assertEquals(JSON.parse(await run(admin, { json: true }, null).done).groups[0].state, "Dead");
});

Deno.test("a change that waits for machines to stop is shown", async () => {
  const admin = cluster();
  const moving = { hash: "0000000b", protocol: "classic" };
  admin.said = { ...admin.said, group: { ...admin.said.group!, moving } };
  assertStringIncludes(
    await run(admin, {}, null).done,
    "changes    to 0000000b (classic), once no machine runs the app\n",
  );
});

Deno.test("a removal is asked for, and told", async () => {
  const admin = cluster();
  const unasked = await assertRejects(
    () => run(admin, { action: "delete" }, null).done,
    UsageError,
  );
  assertStringIncludes(unasked.message, "give --yes too");
  const no = run(admin, { action: "delete" }, false);
  await assertRejects(() => no.done, UsageError, "nothing was deleted");
  assertEquals(no.asked, [
    "Delete 1 group (orders.2) and 3 topics (orders.keyed.shuffle, orders.keyed.state, " +
    "orders.control)? All that it has is then gone.",
  ]);
  assertEquals(admin.done, []);
  assertEquals(
    await run(admin, { action: "reset", yes: true }, null).done,
    "deleted 1 group (orders.2) and 2 topics (orders.keyed.shuffle, orders.keyed.state): " +
      "the app begins again with its next start\n",
  );
  assertEquals(
    await run(cluster(), { action: "delete" }, true).done.then((text) => text.split(": ")[1]),
    "nothing is left of the app in the cluster. The folders orders in the --state-dir of its " +
      "machines may be removed too\n",
  );
});

Deno.test("machines that run the app are named before anybody is asked", async () => {
  const admin = cluster();
  admin.all.set("orders.2", { description: { members: [memberOf("one", [])] } });
  const { asked, done } = run(admin, { action: "delete" }, true);
  await assertRejects(() => done, UsageError, "stop all machines first");
  assertEquals(asked, []);
});

Deno.test("what the user may not do is named with what to allow", async () => {
  const admin = cluster();
  const cause = new ProtocolError(30, "DeleteGroups");
  admin.refused.set("orders.2", new Error("cannot use a:1", { cause }));
  const denied = await assertRejects(() => run(admin, {}, null).done, Error);
  assertStringIncludes(
    denied.message,
    "no permission for group orders (GROUP_AUTHORIZATION_FAILED)",
  );
  assertStringIncludes(denied.message, `Describe and Read on the topics that begin with "orders."`);
});
