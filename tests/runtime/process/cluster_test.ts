import { assert, assertEquals, assertLess, assertRejects, assertThrows } from "@std/assert";
import { StepError, UsageError } from "../../../src/core/errors.ts";
import { createLog } from "../../../src/core/log.ts";
import { MemoryRecoveryConfig } from "../../../src/recovery/memory_store.ts";
import type { RecoveryConfig } from "../../../src/recovery/store.ts";
import { type ClusterOptions, spawnCluster } from "../../../src/runtime/process/cluster.ts";
import type { RunResult } from "../../../src/runtime/run.ts";

/** What a flow prints. */
class Printed {
  stdout = "";
  stderr = "";
  #more = Promise.withResolvers<void>();
  readonly taps = {
    stdout: (bytes: Uint8Array) => {
      this.stdout += new TextDecoder().decode(bytes);
      this.#more.resolve();
      this.#more = Promise.withResolvers();
    },
    stderr: (bytes: Uint8Array) => void (this.stderr += new TextDecoder().decode(bytes)),
  };

  /** Waits for something on stdout. */
  async match(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const match = pattern.exec(this.stdout);
      if (match !== null) return match;
      await this.#more.promise;
    }
  }
}

/** Runs a flow of the end-to-end tests. */
function spawn(
  flow: string,
  options: ClusterOptions = {},
  printed: Printed = new Printed(),
): Promise<RunResult> {
  const url = new URL(`../../e2e/flows/${flow}`, import.meta.url);
  return spawnCluster(url, { taps: printed.taps, ...options });
}

Deno.test("spawnCluster() runs a flow and resolves with the counts of its steps", async () => {
  const printed = new Printed();
  assertEquals(await spawn("numbers.ts", {}, printed), {
    steps: [
      { stepId: "in", kind: "input", in: 0, out: 3 },
      { stepId: "map-1", kind: "map", in: 3, out: 3 },
      { stepId: "capture-1", kind: "capture", in: 3, out: 0 },
    ],
    stopped: false,
    exitCode: 0,
  });
  assertEquals([printed.stdout, printed.stderr], ["2\n4\n6\n", ""]);
});

Deno.test("spawnCluster() runs the export it is told to, with arguments", async () => {
  const printed = new Printed();
  await spawn("arguments.ts", { exportName: "awaited", args: ["one", "--two"] }, printed);
  assertEquals(printed.stdout, "called with one\ncalled with --two\n");
});

Deno.test("spawnCluster() hands all that a flow prints to its taps", async () => {
  const printed = new Printed();
  await spawn("many.ts", {}, printed);
  const lines = Array.from({ length: 200_000 }, (_, i) => `${i + 1}\n`).join("");
  assertEquals(printed.stdout.length, lines.length);
  assertEquals(printed.stdout === lines, true);
});

Deno.test("spawnCluster() stops gracefully when its signal is aborted", async () => {
  const printed = new Printed();
  const stop = new AbortController();
  const running = spawn("endless.ts", { exportName: "counts", signal: stop.signal }, printed);
  await printed.match(/^1$/m);
  stop.abort();
  const { steps, stopped } = await running;
  assertEquals(stopped, true);
  assertEquals(printed.stderr, `closed after ${steps[0].out}\n`);
  assertEquals(steps[1].in, steps[0].out);
});

Deno.test("spawnCluster() stops a flow at its start when its signal was aborted before", async () => {
  const options = { exportName: "counts", signal: AbortSignal.abort() };
  const { steps, stopped } = await spawn("endless.ts", options);
  assertEquals([stopped, steps], [true, []]);
});

Deno.test("spawnCluster() kills the workers when its killSignal is aborted", async () => {
  const printed = new Printed();
  const kill = new AbortController();
  const running = spawn("endless.ts", { exportName: "hangs", killSignal: kill.signal }, printed);
  const pid = Number((await printed.match(/^pid (\d+)$/m))[1]);
  kill.abort();
  await assertRejects(() => running, Error, "the run was stopped at once");
  assertThrows(() => Deno.kill(pid, "SIGCONT"), Deno.errors.NotFound); // there is no such process
});

Deno.test("spawnCluster() runs nothing when its killSignal was aborted before", async () => {
  const printed = new Printed();
  const options = { exportName: "hangs", killSignal: AbortSignal.abort() };
  await assertRejects(() => spawn("endless.ts", options, printed), Error, "stopped at once");
  assertEquals(printed.stdout, "");
});

Deno.test("spawnCluster() refuses a number of workers that is none", async () => {
  for (const workers of [0, 1025, 1.5]) {
    const message = `workers must be a whole number from 1 to 1024; got ${workers}`;
    await assertRejects(() => spawn("numbers.ts", { workers }), RangeError, message);
  }
});

Deno.test("spawnCluster() refuses relative URLs and invalid durations", async () => {
  await assertRejects(() => spawnCluster("flow.ts"), TypeError, "Invalid URL");
  const epoch = { interval: -1 };
  await assertRejects(() => spawn("numbers.ts", { epoch }), RangeError, "the epoch interval");
  const stopTimeout = { seconds: 0 };
  const zero = "the stop timeout must be more than zero; got 0 ms";
  await assertRejects(() => spawn("numbers.ts", { stopTimeout }), RangeError, zero);
  const mistyped = { wrokers: 2 } as ClusterOptions;
  const says = 'spawnCluster has no option "wrokers"; it has: workers,';
  await assertRejects(() => spawn("numbers.ts", mistyped), TypeError, says);
});

Deno.test("spawnCluster() rejects with the step's error as the worker had it", async () => {
  const running = spawn("failing.ts", { exportName: "inMap" });
  const error = await assertRejects(() => running, StepError) as StepError;
  const { stepId, worker, item } = error;
  assertEquals({ stepId, worker, item }, { stepId: "check", worker: 0, item: "10" });
  const cause = error.cause as Error;
  assertEquals([cause.name, cause.message], ["RangeError", "ten is too many"]);
  const frame = /^ {4}at check \(file:\/\/\/.*\/flows\/failing\.ts:\d+:\d+\)$/m;
  assert(frame.test(cause.stack!), cause.stack);
  assertEquals((cause.cause as Error).message, "nine is the most");
});

Deno.test("spawnCluster() rejects with a UsageError when there is no such export", async () => {
  const running = spawn("numbers.ts", { exportName: "nothing" });
  await assertRejects(() => running, UsageError, "numbers.ts has no export nothing");
});

Deno.test("spawnCluster() refuses a permission set as the workers' flags", async () => {
  const run = () => spawn("numbers.ts", { workerFlags: ["-P"] });
  await assertRejects(run, UsageError, "workerFlags cannot take -P: ");
});

Deno.test("spawnCluster() says that a module takes long to load, and then runs the flow", async () => {
  const folder = await Deno.makeTempDir();
  const printed = new Printed();
  const lines: string[] = [];
  const said = Promise.withResolvers<void>();
  const log = createLog((_level, message, fields) => {
    lines.push(`${message.split(":")[0]} ${fields.workers}`);
    if (message.includes("still loading")) said.resolve();
  });
  const original = performance.now;
  try {
    const args = [`${folder}/file`];
    const running = spawn("loads_late.ts", { args, log, workers: 2 }, printed);
    performance.now = () => original.call(performance) + 10_000; // as if that had passed since
    await Promise.race([said.promise, running]);
    await Deno.writeTextFile(args[0], "");
    await running;
    assertEquals(printed.stdout, "loaded\n");
    assertEquals(lines[0], "the flow's module is still loading 0,1");
    assertEquals(lines.filter((line) => line.includes("still loading")).length, 1);
  } finally {
    performance.now = original;
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("spawnCluster() tells how far the run is, where it is asked to", async () => {
  const printed = new Printed();
  const stop = new AbortController();
  const items: number[] = [];
  await spawn("endless.ts", {
    exportName: "counts",
    signal: stop.signal,
    onStatus: ({ steps, progress }) => {
      items.push(steps[0].out);
      assertEquals(progress, null);
      if (items.length === 2) stop.abort();
    },
  }, printed);
  assert(items.length >= 2 && items[0] > 0 && items[1] > items[0], items.join());
});

Deno.test("spawnCluster() hands on the lines of log that matter enough", async () => {
  const lines: string[] = [];
  const log = createLog((level, message, fields) => {
    lines.push(`${level} ${message} ${JSON.stringify(fields)}`);
  });
  await spawn("numbers.ts", { log });
  assertEquals(lines, [
    `info flow loaded {"flow":"numbers","steps":3}`,
    `info flow running {"workers":1}`,
    `info flow finished {"stopped":false,"in":3,"out":3}`,
  ]);
});

Deno.test("spawnCluster() does not wait for processes that the flow has left behind", async () => {
  const printed = new Printed();
  const started = performance.now();
  await spawn("leaves_child.ts", {}, printed);
  assertLess(performance.now() - started, 10_000); // the other one stays for 20 s
  Deno.kill(Number(printed.stdout), "SIGKILL");
});

/** After the last epoch was stored, the process is busy, until workers have finished and exited. */
function busyAtTheEnd(): RecoveryConfig {
  const inner = new MemoryRecoveryConfig();
  return {
    name: "busy",
    drop: () => inner.drop(),
    open: async (flow) => {
      const store = await inner.open(flow);
      return {
        resume: () => store.resume(),
        steps: () => store.steps(),
        byKey: store.byKey,
        load: (step) => store.load(step),
        close: () => store.close(),
        commit: async (epoch, changes) => {
          await store.commit(epoch, changes);
          if (epoch < 0) return;
          setTimeout(() => {
            for (const until = performance.now() + 600; performance.now() < until;);
          }, 5);
        },
      };
    },
  };
}

Deno.test("spawnCluster() takes no worker for lost that has finished and exited before it was heard", async () => {
  const recovery = busyAtTheEnd();
  const { stopped } = await spawn("slow_to_close.ts", { workers: 6, recovery });
  assertEquals(stopped, false);
});

/** A store that never gets done with the first epoch after a run's beginning. */
function hungStore(): { recovery: RecoveryConfig; hung: Promise<void> } {
  const inner = new MemoryRecoveryConfig();
  const hung = Promise.withResolvers<void>();
  const recovery: RecoveryConfig = {
    name: "hung",
    drop: () => inner.drop(),
    open: async (flow) => {
      const store = await inner.open(flow);
      return {
        resume: () => store.resume(),
        steps: () => store.steps(),
        byKey: store.byKey,
        load: (step) => store.load(step),
        close: () => store.close(),
        commit: (epoch, changes) => {
          if (epoch < 0) return store.commit(epoch, changes);
          hung.resolve();
          return new Promise(() => {});
        },
      };
    },
  };
  return { recovery, hung: hung.promise };
}

Deno.test("spawnCluster() ends in time although its store never gets done with an epoch", async () => {
  const options: ClusterOptions = { workers: 2, epoch: { interval: 1 } };
  const stopped = hungStore();
  const stop = new AbortController();
  const stopTimeout = { milliseconds: 500 };
  const { recovery } = stopped;
  const stopping = spawn("endless.ts", {
    ...options,
    exportName: "counts",
    recovery,
    signal: stop.signal,
    stopTimeout,
  });
  await stopped.hung;
  stop.abort();
  assertEquals((await stopping).stopped, true);

  const killed = hungStore();
  const kill = new AbortController();
  const running = spawn("endless.ts", {
    ...options,
    exportName: "counts",
    recovery: killed.recovery,
    killSignal: kill.signal,
  });
  await killed.hung;
  kill.abort();
  await assertRejects(() => running, Error, "stopped at once");
});

/** What a worker is started with, and what is in its folder's place by then. */
interface Started {
  readonly args: readonly string[];
  readonly folder: string;
  readonly mode: number;
}

/** Runs a flow on two workers, and notes what each of them is started with. */
async function startedWith(workerFlags?: readonly string[]): Promise<Started[]> {
  const started: Started[] = [];
  const { Command } = Deno;
  Deno.Command = class extends Command {
    constructor(path: string | URL, options: Deno.CommandOptions) {
      super(path, options);
      const { folder } = JSON.parse(options.env!.MILLRACE_WORKER);
      const { mode } = Deno.lstatSync(folder.path);
      started.push({ args: options.args!, folder: folder.path, mode: mode! & 0o777 });
    }
  };
  try {
    await spawn("numbers.ts", { workers: 2, workerFlags });
  } finally {
    Deno.Command = Command;
  }
  return started;
}

Deno.test("spawnCluster() has made the workers' folder, for its user only, before it starts the first", async () => {
  const started = await startedWith();
  assertEquals(started.map(({ mode }) => mode), [0o700, 0o700]);
  for (const { args, folder } of started) {
    assertEquals(args.filter((arg) => arg.includes(folder.split("/").at(-1)!)), []);
  }
});

Deno.test("spawnCluster() names the folder to others only where Deno has no other way to allow it", async () => {
  for (const { args, folder, mode } of await startedWith(["--no-prompt"])) {
    assertEquals(mode, 0o700);
    const naming = args.filter((arg) => arg.includes(folder)).map((arg) => arg.split("=")[0]);
    assertEquals(naming, ["--allow-read", "--allow-write", "--allow-net"]);
    assertEquals(args.filter((arg) => /[0-9a-f]{64}/.test(arg)), []); // no key
  }
});

Deno.test("spawnCluster() does not wait for half a message that a worker has left behind", async () => {
  const printed = new Printed();
  const stop = new AbortController();
  const started = performance.now();
  const options = { exportName: "holds", signal: stop.signal, stopTimeout: { hours: 1 } };
  const failing = assertRejects(
    () => spawn("hostile.ts", options, printed),
    Error,
    "worker 0 ended with code 0 while it ran",
  );
  const [, left] = await printed.match(/^left (\d+)$/m);
  stop.abort();
  try {
    await failing;
    assertLess(performance.now() - started, 20_000); // and not a minute
  } finally {
    Deno.kill(Number(left), "SIGKILL");
  }
});

Deno.test("spawnCluster() does not wait for a worker that has hung up and stays", async () => {
  await assertRejects(
    () => spawn("hostile.ts", { exportName: "hangsUp" }),
    Error,
    "worker 0 has hung up, and its process goes on",
  );
});

for (const [exportName, who] of [["atOnce", "coordinator"], ["unseen", "other worker"]]) {
  Deno.test(`spawnCluster() names a worker that is killed as they connect, if the ${who} sees it first`, async () => {
    await assertRejects(
      () => spawn("dies_connecting.ts", { exportName, workers: 2 }),
      Error,
      "worker 0 ended by SIGKILL while it ran",
    );
  });
}
