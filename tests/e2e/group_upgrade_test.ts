/** Upgrades of a flow that runs in a group: nothing is lost, and nothing comes twice. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { type CliProcess, flowFile, runCli, startCli } from "../support/cli.ts";
import { pollUntil } from "../support/eventually.ts";
import { GroupApp, stop } from "../support/group_nodes/app.ts";
import { createTopic, kafkaBrokers, produce, readAll } from "../support/kafka/kafka.ts";

const KEYS = ["a1", "a2", "b1", "b2", "c1"];
const DEADLINE_MS = 90_000;

/** An app whose flow comes in versions. */
class App extends GroupApp<Record<"from" | "to" | "letters", string>> {
  static async create(): Promise<App> {
    const brokers = await kafkaBrokers();
    const from = await createTopic(brokers, { partitions: 2 });
    return new App(brokers, {
      from,
      to: await createTopic(brokers),
      letters: await createTopic(brokers),
    });
  }

  argumentsOf(version: string, options: readonly string[], flow = "group_upgrade.ts"): string[] {
    const { from, to, letters } = this.topics;
    return [
      flowFile(flow),
      `--group=${this.name}`,
      "--shards=2",
      "--commit-interval=100ms",
      "--leave",
      ...options,
      "--",
      ...[version, this.brokers[0], from, to, letters],
    ];
  }

  /** A machine that leaves when it stops. */
  start(version: string, ...options: readonly string[]): CliProcess {
    const args = this.argumentsOf(version, options);
    return startCli(args, { ownLog: true, deadlineMs: DEADLINE_MS });
  }

  /** What a machine says that is refused. */
  async refused(version: string, ...options: readonly string[]): Promise<string> {
    const args = this.argumentsOf(version, options);
    const { code, stderr } = await runCli(args, { deadlineMs: DEADLINE_MS });
    const isWrong = options.some((option) => option.startsWith("--shards"));
    assertEquals(code, isWrong ? 2 : 1, stderr);
    return stderr;
  }

  async append(count: number): Promise<void> {
    const records = Array.from({ length: count }, (_, n) => ({
      key: KEYS[n % KEYS.length],
      value: "x",
    }));
    await this.write(records);
  }

  async results(topic: string): Promise<Record<string, number[]>> {
    const byKey: Record<string, number[]> = {};
    for (const { key, value } of await readAll(this.brokers, topic)) {
      (byKey[key!] ??= []).push(Number(value));
    }
    return byKey;
  }

  /** Waits until each record has its result. Each count is there once, in order. */
  async complete(machine: CliProcess): Promise<void> {
    let counts: Record<string, number[]> = {};
    const total = () => Object.values(counts).reduce((sum, { length }) => sum + length, 0);
    await untilAllHaveCome(async () => {
      counts = await this.results(this.topics.to);
      return total() >= this.written;
    }, machine);
    for (const [key, each] of Object.entries(counts)) {
      assertEquals(each, each.map((_, index) => index + 1), `key ${key}`);
    }
    assertEquals(total(), this.written);
  }
}

for (const protocol of ["streams", "classic"]) {
  Deno.test(`${protocol}: a flow gets a step and loses it, and each record counts once`, async () => {
    await using app = await App.create();
    await app.append(100);
    await using first = app.start("plain", `--protocol=${protocol}`);
    await app.complete(first);

    const text = await app.refused("letters");
    assertStringIncludes(text, `group "${app.name}" runs with 1 member in generation 1`);
    assertStringIncludes(text, 'step "letters" is new; exchange "letters" is new');
    assertStringIncludes(text, "stop all machines, and then start them again");

    await using second = app.start("letters", "--wait");
    await using beside = app.start("letters", "--wait"); // only one of them changes the app
    for (const { stderr } of [second, beside]) {
      await stderr.line(/waiting until no machine runs the app/);
    }
    await app.append(1_000); // some of which wait in shuffle topics when the machine stops
    await stop(first);
    await app.append(100);
    await app.complete(second);
    const { a, b } = await app.results(app.topics.letters);
    assertEquals([a[0], b[0]], [1, 1]); // a new step begins where the others are
    assertEquals(a, a.map((_, index) => index + 1));
    await app.append(1_000);
    await Promise.all([stop(second), stop(beside)]);

    const lost = await app.refused("plain");
    assertStringIncludes(lost, 'step "letters" is not in this flow: give it its id back, or start');
    await using third = app.start("plain", "--drop-step=letters");
    await app.append(100);
    await app.complete(third);
    await stop(third);
    assertStringIncludes(third.stderr.text, "topics of the layout before are of no more use");
  });
}

Deno.test("an app is switched to the other protocol and back, with other shards refused", async () => {
  await using app = await App.create();
  await app.append(100);
  await using first = app.start("plain", "--protocol=streams");
  await app.complete(first);
  assertStringIncludes(
    await app.refused("plain", "--protocol=classic"),
    "by the protocol streams, and this machine has --protocol classic: use --protocol streams",
  );
  assertStringIncludes(
    await app.refused("plain", "--shards=8"),
    "has 2 shards, and this machine was started with 8: use --shards 2",
  );
  await app.append(500);
  await stop(first);
  await using second = app.start("plain", "--protocol=classic");
  await app.append(100);
  await app.complete(second);
  await using beside = app.start("plain"); // follows the app
  await beside.stderr.line(/joining the group.*protocol="classic"/);
  await stop(beside);
  await app.append(500);
  await stop(second);
  await using third = app.start("plain", "--protocol=streams");
  await app.complete(third);
  await stop(third);
});

Deno.test("a step that is renamed is refused, as its state would be lost", async () => {
  await using app = await App.create();
  await app.append(100);
  await using first = app.start("plain");
  await app.complete(first);
  await stop(first);
  const text = await app.refused("renamed");
  assertStringIncludes(text, 'step "count" is not in this flow: give it its id back');
  assertStringIncludes(text, "--drop-step count, which drops its state, and items");
  await using again = app.start("plain"); // the refusal has changed nothing
  await app.append(100);
  await app.complete(again);
  await stop(again);
});

Deno.test("a machine that was away while the app changed ends, and nothing of it is seen", async () => {
  await using app = await App.create();
  await app.append(100);
  await using first = app.start("plain", "--protocol=classic");
  await app.complete(first);
  await app.append(500); // some of which it is working on
  const frozen = first.processes();
  for (const pid of frozen) Deno.kill(pid, "SIGSTOP");
  await using second = app.start("letters", "--wait");
  await app.complete(second); // once the session of the first has ended
  for (const pid of frozen) Deno.kill(pid, "SIGCONT");
  const { code, stderr } = await first.finished();
  assertEquals(code, 2, stderr);
  assertStringIncludes(stderr, `other machines have changed app "${app.name}" since this one has`);
  assertStringIncludes(stderr, "it runs a flow that is cut in another way now");
  await app.append(100);
  await app.complete(second);
  await stop(second);
});

Deno.test("windows by event time count each value once, as an input comes and goes", async () => {
  await using app = await App.create();
  const { from, to, letters: second } = app.topics;
  let seconds = 0;
  const append = async (topic: string, count: number) => {
    const records = Array.from({ length: count }, () => ({
      key: KEYS[seconds % KEYS.length],
      value: `${seconds++}`,
    }));
    await produce(app.brokers, topic, records);
  };
  const run = async (version: string, ...options: readonly string[]) => {
    const args = app.argumentsOf(version, options, "group_upgrade_windows.ts");
    await using machine = startCli(args, { ownLog: true, deadlineMs: DEADLINE_MS });
    await machine.stderr.line(/tasks running/);
    await append(from, 100);
    if (version === "both") await append(second, 40);
    await untilAllHaveCome(
      async () => {
        const counts = Object.values(await app.results(to));
        for (const each of counts) assertEquals(each.length, 1); // a window closes once
        return counts.reduce((sum, [count]) => sum + count, 0) === seconds;
      },
      machine,
    );
    await append(from, 30); // time goes on, in windows that stay open when the machine stops
    await stop(machine);
  };
  await run("one");
  await run("both");
  await run("one", "--drop-step=second");
});

/** Waits until all results of a machine have come. */
function untilAllHaveCome(haveCome: () => Promise<boolean>, { stderr }: CliProcess): Promise<void> {
  const what = () => `all results have come\n${stderr.text}`;
  return pollUntil(haveCome, what, { withinMs: DEADLINE_MS / 2, everyMs: 100 });
}
