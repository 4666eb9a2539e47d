import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { remove } from "../../../src/connectors/kafka_tasks/group_removal.ts";
import { findApp } from "../../../src/connectors/kafka_tasks/group_status.ts";
import { UsageError } from "../../../src/core/errors.ts";
import { TestClock } from "../../support/clock/test_clock.ts";
import { begunWith, FakeGroupAdmin, memberOf } from "../../support/kafka/group/fake_group_admin.ts";

function cluster(): FakeGroupAdmin {
  const admin = new FakeGroupAdmin();
  admin.sizes.set("app.control", 1).set("app.keyed.shuffle", 2).set("app.keyed.state", 2)
    .set("orders", 3);
  admin.said = begunWith();
  for (const generation of [1, 2]) admin.all.set(`app.${generation}`, {});
  return admin;
}

const clock = new TestClock();

const GROUPS = ["group app.2", "group app.1"];

Deno.test("an app is begun again: its groups go first, and what it is stays", async () => {
  const admin = cluster();
  await remove("reset", admin, await findApp(admin, "app"), clock);
  assertEquals(admin.done, [
    ...GROUPS,
    "topic app.keyed.shuffle",
    "topic app.keyed.state",
    "forget app",
  ]);
});

Deno.test("an app is deleted, what it is last of all", async () => {
  const admin = cluster();
  await remove("delete", admin, await findApp(admin, "app"), clock);
  assertEquals(admin.done, [
    ...GROUPS,
    "topic app.keyed.shuffle",
    "topic app.keyed.state",
    "topic app.control",
  ]);
  admin.said = { group: null, hasBegun: false, begunTasks: new Set(), moved: new Map() };
  await assertRejects(() => findApp(admin, "app"), UsageError);
});

Deno.test("what machines have told one another of moves is deleted too", async () => {
  const admin = cluster();
  const others = ["app.1.hand-over.x", "app.x.hand-over", "app.eu.1.hand-over", "app.hand-over"];
  for (const groupId of ["app.1.hand-over", "app.7.hand-over", ...others]) {
    admin.all.set(groupId, {});
  }
  await remove("reset", admin, await findApp(admin, "app"), clock);
  assertEquals(admin.done.slice(0, 4), [
    "group app.1.hand-over",
    "group app.7.hand-over",
    ...GROUPS,
  ]);
  assertEquals([...admin.all.keys()], others);
});

Deno.test("nothing is deleted while a machine runs the app, also one that joins meanwhile", async () => {
  for (const late of [false, true]) {
    const admin = cluster();
    const parts = await findApp(admin, "app");
    const members = [memberOf("one", []), memberOf("two", [])];
    const joins = () => admin.all.set("app.2", { description: { members } });
    if (!late) joins();
    else {
      const describe = admin.describe.bind(admin);
      admin.describe = async (groupId, protocol) => {
        const before = await describe(groupId, protocol);
        if (groupId === "app.1") joins();
        return before;
      };
    }
    const error = await assertRejects(() => remove("delete", admin, parts, clock), UsageError);
    assertStringIncludes(
      error.message,
      `group "app.2" has 2 members (on 10.0.0.1): stop all`,
    );
    assertStringIncludes(error.message, "stays a member until its session ends (9 s)");
    assertEquals(admin.done, []);
  }
});

Deno.test("what stopped halfway is finished by the same command", async () => {
  const admin = cluster();
  admin.refused.set("app.keyed.state", new Error("not now"));
  await assertRejects(
    async () => remove("reset", admin, await findApp(admin, "app"), clock),
    Error,
    "now",
  );
  assertEquals(admin.done.includes("forget app"), false); // so machines refuse to begin again
  admin.refused.clear();
  admin.done.length = 0;
  await remove("reset", admin, await findApp(admin, "app"), clock);
  assertEquals(admin.done, ["group app.2", "topic app.keyed.state", "forget app"]);
});

Deno.test("nothing is deleted while a machine enters the app, also one that came a moment ago", async () => {
  for (const late of [false, true]) {
    const admin = cluster();
    const enters = (agoMs: number) => {
      const { group, ...said } = begunWith();
      admin.said = { ...said, group: { ...group!, enteredAt: clock.now() - agoMs } };
    };
    if (!late) enters(0);
    const parts = await findApp(admin, "app");
    if (late) enters(19_999);
    const error = await assertRejects(() => remove("reset", admin, parts, clock), UsageError);
    assertStringIncludes(error.message, 'a machine has entered app "app" a moment ago');
    assertEquals(admin.done, []);
    enters(20_000); // it has never become a member
    await remove("reset", admin, parts, clock);
    assertEquals(admin.done.length, 5);
  }
});
