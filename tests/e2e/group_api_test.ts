/** What a machine of a group shows over HTTP, and what `cli.ts group` says of it. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { flowFile, folderOf, runCli, startCli } from "../support/cli.ts";
import { kafkaClient } from "../support/kafka/client.ts";
import { OtlpReceiver } from "../support/ops/otlp_receiver.ts";
import { createTopic, kafkaBrokers, produce } from "../support/kafka/kafka.ts";

const DEADLINE = { deadlineMs: 90_000 };

/** Asks again until the answer is good. */
async function until<T>(ask: () => Promise<T>, isGood: (answer: T) => boolean): Promise<T> {
  for (;;) {
    const answer = await ask();
    if (isGood(answer)) return answer;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

Deno.test("a machine of a group shows its tasks, and is ready when all of them run", async () => {
  const brokers = await kafkaBrokers();
  const app = `app-${crypto.randomUUID()}`;
  await using folder = await folderOf({});
  await using otlp = new OtlpReceiver();
  const from = await createTopic(brokers, { partitions: 2 });
  const to = await createTopic(brokers);
  {
    await using cli = startCli([
      flowFile("group_run.ts"),
      `--group=${app}`,
      "-w2",
      "--shards=4",
      "--commit-interval=100ms",
      `--state-dir=${folder.path}`,
      "--leave",
      "--api=0",
      "--log-level=info",
      "--",
      brokers[0],
      from,
      to,
    ], { ...DEADLINE, env: otlp.env });
    const [url] = await cli.stderr.line(/http:\/\/127\.0\.0\.1:\d+/);
    const get = async (path: string) => {
      const response = await fetch(new URL(path, url));
      return { status: response.status, text: await response.text() };
    };
    const early = await get("/readyz");
    assertEquals(early.status, 503);
    type Task = Record<"task" | "state", string> & Record<"worker" | "in" | "out", number>;
    const tasksNow = async () => JSON.parse((await get("/tasks")).text);
    const read = (all: { tasks: Task[] }, name: string, side: "in" | "out") =>
      all.tasks.filter(({ task }) => task.startsWith(name))
        .reduce((sum, task) => sum + task[side], 0);
    // One worker has all tasks until the other one is a member: what it counts goes with a task.
    const hasHalf = ({ tasks }: { tasks: Task[] }) =>
      [0, 1].every((each) =>
        tasks.filter(({ worker, state }) => worker === each && state === "running").length === 3
      );
    await until(tasksNow, hasHalf);
    const isAll = ({ text }: { text: string }) => text.includes('"found":"6 running"');
    assertEquals((await until(() => get("/readyz"), isAll)).status, 200);
    const records = Array.from({ length: 60 }, (_, i) => ({ key: `k${i % 6}`, value: "x" }));
    await produce(brokers, from, records);
    const shown = await until(tasksNow, (all) => read(all, "count", "out") === 60);
    assertEquals([shown.app, shown.groupId, shown.protocol], [app, `${app}.1`, "streams"]);
    assertEquals(shown.tasks.map(({ task }: Task) => task), [
      "count_0",
      "count_1",
      "count_2",
      "count_3",
      "in_0",
      "in_1",
    ]);
    assertEquals(read(shown, "in", "in"), 60);
    assertEquals(new Set(shown.tasks.map(({ worker }: Task) => worker)), new Set([0, 1]));
    const assigned = shown.members.reduce(
      (sum: number, each: { assigned: number; givenUp: number }) =>
        sum + each.assigned - each.givenUp,
      0,
    );
    assertEquals(assigned, 6);

    const healthy = await get("/healthz");
    assertEquals(healthy.status, 200, healthy.text);
    const { text } = await get("/metrics");
    const has = (name: string, ...labels: string[]) =>
      text.split("\n").filter((line) => line.startsWith(`millrace_${name}{`))
        .some((line) => labels.every((label) => line.includes(label)) && !line.endsWith(" 0"));
    assert(has("tasks", 'flow="counts"', 'subtopology="count"', 'state="running"', 'worker="0"'));
    assert(has("step_items_in_total", 'flow="counts"', 'step="count"'), text);
    assertEquals(JSON.parse((await get("/state")).text), { steps: [{ step: "count", keys: 6 }] });
    assertEquals(JSON.parse((await get("/state/count/k3")).text).value, 10);
    const graph = JSON.parse((await get("/graph")).text);
    assertEquals(graph.name, "counts");

    const command = ["group", app, "--brokers", brokers[0]];
    const told = JSON.parse((await runCli([...command, "--json"], DEADLINE)).stdout);
    const ofFlow = ["group", app, "--flow", flowFile("group_run.ts"), "--json"];
    const same = await runCli([...ofFlow, "--", brokers[0], from, to], DEADLINE);
    assertEquals(JSON.parse(same.stdout).groups[0].members, told.groups[0].members, same.stderr);
    assertEquals(told.groups[0].members.length, 2);
    assertEquals(told.groups[0].tasks.length, 6);
    assert(told.groups[0].tasks.every(({ owner }: { owner: string }) => owner !== null));
    const lag = await until(
      async () =>
        JSON.parse((await runCli([...command, "--json"], DEADLINE)).stdout).groups[0].lags,
      (lags) => lags.every(({ records }: { records: number }) => records === 0),
    );
    assertEquals(lag.map(({ kind }: { kind: string }) => kind), ["shuffle", "input"]);
    cli.kill("SIGTERM");
    assertEquals((await cli.finished()).code, 0);
    assertEquals(otlp.sum("millrace_step_items_in_total", { step: "count" }), 60);
    const [point] = otlp.points("millrace_tasks_assigned_total");
    assertMatch(String(point.resource["service.instance.id"]), /-coordinator$/);
    const joined = otlp.logs.filter(({ text }) => text.startsWith("joining the group"));
    assertEquals(joined.length, 1);
    const { code, stderr } = await runCli(
      ["group", app, "delete", "--brokers", brokers[0], "--yes"],
      DEADLINE,
    );
    assertEquals(code, 0, stderr);
  }
  const admin = kafkaClient(brokers).admin();
  await admin.connect();
  try {
    assertEquals((await admin.listTopics()).filter((topic) => topic.startsWith(app)), []);
    await admin.deleteTopics({ topics: [from, to] });
  } finally {
    await admin.disconnect();
  }
});
