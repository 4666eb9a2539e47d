/**
 * The command with `--group`, on machines that are processes here: what they write together is what
 * one machine writes. Longer faults are in `tests/e2e/group_kills_test.ts` and its kin.
 */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { type CliProcess, flowFile, folderOf, kill, runCli, startCli } from "../support/cli.ts";
import { pollUntil } from "../support/eventually.ts";
import { GroupApp, stop } from "../support/group_nodes/app.ts";
import { createTopic, kafkaBrokers, produce, readAll } from "../support/kafka/kafka.ts";
import { untilNoneIsOpen } from "../support/kafka/open_transactions.ts";

const PARTITIONS = 3;
const SHARDS = 4;
const TASKS = PARTITIONS + SHARDS;
const KEYS = 10;
const PATIENCE_MS = 40_000;
const RUNNING = /tasks running worker=(\d+) tasks="([^"]+)"/g;

/** An app whose machines use a protocol. One machine alone writes to the topic `one`. */
class App extends GroupApp<Record<"from" | "to" | "one", string>> {
  private constructor(
    readonly protocol: string,
    brokers: string[],
    topics: App["topics"],
    readonly folder: Awaited<ReturnType<typeof folderOf>>,
  ) {
    super(brokers, topics);
  }

  static async create(protocol: string): Promise<App> {
    const brokers = await kafkaBrokers();
    const from = await createTopic(brokers, { partitions: PARTITIONS });
    const to = await createTopic(brokers, { partitions: 2 });
    const one = await createTopic(brokers, { partitions: 2 });
    return new App(protocol, brokers, { from, to, one }, await folderOf({}));
  }

  /** A machine: its state is in a folder of its name. */
  start(machine: string, workers: number, options: readonly string[] = []): CliProcess {
    return startCli([
      flowFile("group_run.ts"),
      `--group=${this.name}`,
      `-w${workers}`,
      `--shards=${SHARDS}`,
      `--state-dir=${this.folder.path}/${machine}`,
      `--protocol=${this.protocol}`,
      "--commit-interval=100ms",
      ...options,
      "--",
      ...[this.brokers[0], this.topics.from, this.topics.to],
    ], { ownLog: true, deadlineMs: 2 * PATIENCE_MS });
  }

  /** Writes records; each partition gets some of each key in turn. */
  async append(count: number): Promise<void> {
    const records = Array.from({ length: count }, (_, n) => ({
      key: `k${n % KEYS}`,
      value: "x",
      partition: n % PARTITIONS,
    }));
    await this.write(records);
  }

  /** Waits until a result has come for each record. */
  async complete(...machines: readonly CliProcess[]): Promise<void> {
    await until(
      async () => (await readAll(this.brokers, this.topics.to)).length >= this.written,
      () => `${this.written} results have come\n${logsOf(machines)}`,
    );
  }

  /** Compares what the machines have written with what one machine writes. */
  async sameAsOnOneMachine(): Promise<void> {
    await untilNoneIsOpen(this.brokers, this.name);
    const { from, to, one } = this.topics;
    const { code, stderr } = await runCli(
      [flowFile("group_run.ts"), "--", this.brokers[0], from, one, "once"],
      { deadlineMs: PATIENCE_MS },
    );
    assertEquals(code, 0, stderr);
    assertEquals(await this.#byKey(to), await this.#byKey(one));
  }

  async #byKey(topic: string): Promise<Record<string, (string | null)[]>> {
    const records = await readAll(this.brokers, topic);
    const keys = [...Map.groupBy(records, ({ key }) => key!)].sort(([a], [b]) => a < b ? -1 : 1);
    return Object.fromEntries(keys.map(([key, all]) => [key, all.map(({ value }) => value)]));
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    await this.folder[Symbol.asyncDispose]();
    await super[Symbol.asyncDispose]();
  }
}

/** The tasks that a machine has begun to run, with their workers. */
function runningOn({ stderr: { text } }: CliProcess): Record<string, string> {
  return Object.fromEntries(
    [...text.matchAll(RUNNING)].flatMap(([, worker, ranges]) =>
      ranges.split(", ").flatMap(tasksIn).map((task) => [task, worker])
    ),
  );
}

/** The tasks that a log line writes as `count_0-2+5`. */
function tasksIn(text: string): string[] {
  const at = text.lastIndexOf("_");
  return text.slice(at + 1).split("+").flatMap((range) => {
    const [first, last = first] = range.split("-").map(Number);
    const tasks = Array.from({ length: last - first + 1 }, (_, n) => `${first + n}`);
    return tasks.map((partition) => `${text.slice(0, at)}_${partition}`);
  });
}

/** Waits until the machines have begun to run each task, and each of them has one. */
async function untilAllRun(...machines: readonly CliProcess[]): Promise<void> {
  const tasks = () => machines.map((machine) => Object.keys(runningOn(machine)));
  await until(
    () => tasks().every(({ length }) => length > 0) && new Set(tasks().flat()).size === TASKS,
    () => `all tasks run\n${logsOf(machines)}`,
  );
}

function until(condition: () => boolean | Promise<boolean>, what: () => string): Promise<void> {
  return pollUntil(condition, what, { withinMs: PATIENCE_MS });
}

function logsOf(machines: readonly CliProcess[]): string {
  return machines.map(({ stderr }) => `--- machine\n${stderr.text}`).join("\n");
}

/**
 * Waits until machines end with the step's error, also those on which it did not fail. On one of
 * them it must: what others quote may be the error of machines that ran before.
 */
async function assertFail(...machines: readonly CliProcess[]): Promise<void> {
  for (const machine of machines) {
    const { code, stderr } = await machine.finished();
    assertEquals(code, 1, stderr);
    assertMatch(stderr, /RangeError: a bad value/);
  }
  assertStringIncludes(logsOf(machines), "a step fails: all machines of the group end");
}

Deno.test("streams: a machine that comes after a step has failed waits for members that died", async () => {
  await using app = await App.create("streams"); // with sessions of 45 s
  await using first = app.start("a", 1);
  await untilAllRun(first);
  await using dying = app.start("b", 2);
  await until(() => Object.keys(runningOn(dying)).length > 1, () => logsOf([first, dying]));
  for (const pid of dying.processes()) kill(pid);
  await produce(
    app.brokers,
    app.topics.from,
    Array.from({ length: PARTITIONS }, (_, partition) => ({ key: "k", value: "bad", partition })),
  );
  await assertFail(first);
  await using second = app.start("c", 2);
  await assertFail(second);
  const { text } = second.stderr;
  assertMatch(text, /another machine has ended .* this machine waits for that/);
  assertMatch(text, /members=2 /); // those that died, and none of the first machine
  assertMatch(text, /a step fails: all machines of the group end/); // its own step, once it has run
});

for (const protocol of ["streams", "classic"]) {
  Deno.test(`${protocol}: one machine works alone, commits on SIGTERM, and goes on with its tasks`, async () => {
    await using app = await App.create(protocol);
    await app.append(300);
    await using first = app.start("a", 2);
    await untilAllRun(first);
    await app.complete(first);
    await app.append(300);
    await stop(first);
    assertMatch(first.stderr.text, /stopping: what has been read is committed tasks=\d/);
    assertMatch(first.stderr.text, /stopped: it keeps its \d+ tasks until its session ends/);
    await using again = app.start("a", 2);
    await untilAllRun(again);
    // The group waits for the members of that disk, so nothing moves.
    assertEquals(runningOn(again), runningOn(first));
    await app.append(300);
    await app.complete(again);
    await stop(again);
    await using fewer = app.start("a", 1);
    await untilAllRun(fewer); // within less than the session of those that do not come back
    await app.append(300);
    await app.complete(fewer);
    await stop(fewer);
    await app.sameAsOnOneMachine();
  });

  Deno.test(`${protocol}: two machines share the tasks; one dies, comes back, and leaves`, async () => {
    await using app = await App.create(protocol);
    await app.append(300);
    await using first = app.start("a", 2);
    await untilAllRun(first);
    await using second = app.start("b", 1);
    await untilAllRun(second, first);
    await until(() => Object.keys(runningOn(second)).length > 1, () => logsOf([first, second]));
    await app.append(3_000);
    await app.complete(first, second);
    await app.append(3_000);
    for (const pid of first.processes()) kill(pid); // as a loss of power does
    await app.append(300);
    await using back = app.start("a", 2);
    await app.complete(back, second);
    second.kill("SIGTERM"); // one that leaves
    await second.finished();
    await using leaver = app.start("b", 1, ["--leave"]);
    await until(() => Object.keys(runningOn(leaver)).length > 0, () => logsOf([leaver]));
    await stop(leaver);
    await app.append(300);
    await app.complete(back); // it has all tasks, within its session
    await stop(back);
    await app.sameAsOnOneMachine();
  });

  Deno.test(`${protocol}: a step that fails ends all machines with its error, and they can begin again`, async () => {
    await using app = await App.create(protocol);
    await using first = app.start("a", 1);
    await untilAllRun(first);
    await using second = app.start("b", 2);
    await until(() => Object.keys(runningOn(second)).length > 1, () => logsOf([first, second]));
    await produce(app.brokers, app.topics.from, [{ key: "k", value: "bad", partition: 1 }]);
    await assertFail(first, second);
    await using third = app.start("a", 1);
    await using fourth = app.start("b", 2);
    await assertFail(third, fourth);
  });
}
