import { assertEquals } from "@std/assert";
import type { Clock } from "../../../src/core/clock.ts";
import { createLog } from "../../../src/core/log.ts";
import {
  Liveness,
  type ProcessState,
  stateOfProcess,
} from "../../../src/runtime/process/liveness.ts";
import { idle } from "../../support/eventually.ts";
import { TestClock } from "../../support/clock/test_clock.ts";

/** Workers that a test lets answer or not, and what is said about them. */
class Workers {
  readonly clock = new TestClock();
  readonly asked: number[] = [];
  readonly looked: number[] = [];
  readonly stopped: number[] = [];
  readonly lines: string[] = [];
  /** Who answers. */
  readonly answering: Set<number>;
  /** What their processes look like. */
  state: ProcessState | Promise<ProcessState> = "running";
  readonly liveness: Liveness;

  constructor(workers: number, clock: Clock = this.clock) {
    this.answering = new Set(Array.from({ length: workers }, (_, worker) => worker));
    const log = createLog((level, message, fields) => {
      this.lines.push(`${level} ${message} ${JSON.stringify(fields)}`);
    });
    this.liveness = new Liveness(workers, {
      ping: (worker) => {
        this.asked.push(worker);
        if (this.answering.has(worker)) this.liveness.heard(worker);
      },
      stateOf: async (worker) => {
        this.looked.push(worker);
        return await this.state;
      },
      onStopped: (worker) => void this.stopped.push(worker),
    }, { clock, log });
  }

  /** Lets seconds go by, with all that happens in each. */
  async pass(seconds: number): Promise<void> {
    for (let second = 0; second < seconds; second++) {
      this.clock.advance(1_000);
      await idle(1);
    }
  }
}

Deno.test("Liveness asks every worker each second, from start() to stop()", async () => {
  const workers = new Workers(2);
  await workers.pass(2);
  assertEquals(workers.asked, []);
  workers.liveness.start();
  workers.clock.advance(999);
  assertEquals(workers.asked, []);
  workers.clock.advance(1);
  assertEquals(workers.asked, [0, 1]);
  await workers.pass(3);
  assertEquals(workers.asked.length, 8);
  workers.liveness.stop();
  await workers.pass(3);
  assertEquals([workers.asked.length, workers.clock.sleeps], [8, []]);
});

Deno.test("Liveness looks at no process whose worker answers, and says nothing", async () => {
  const workers = new Workers(3);
  workers.state = "stopped";
  workers.liveness.start();
  await workers.pass(60);
  assertEquals([workers.looked, workers.stopped, workers.lines], [[], [], []]);
});

Deno.test("Liveness reports a stopped process at the fourth question without an answer", async () => {
  const workers = new Workers(3);
  workers.liveness.start();
  await workers.pass(5);
  workers.answering.delete(1);
  workers.state = "stopped";
  await workers.pass(3);
  assertEquals([workers.looked, workers.stopped], [[], []]);
  await workers.pass(1);
  assertEquals([workers.looked, workers.stopped, workers.lines], [[1], [1], []]);
});

Deno.test("Liveness begins to count again with each message of a worker", async () => {
  const workers = new Workers(1);
  workers.answering.clear();
  workers.state = "stopped";
  workers.liveness.start();
  for (let round = 0; round < 5; round++) {
    await workers.pass(3);
    workers.liveness.heard(0);
  }
  assertEquals([workers.looked, workers.stopped], [[], []]);
});

Deno.test("Liveness reports a process only when it is found stopped, not when it is unknown", async () => {
  const workers = new Workers(1);
  workers.answering.clear();
  workers.liveness.start();
  for (const state of ["running", "unknown"] as const) {
    workers.state = state;
    await workers.pass(10);
  }
  assertEquals(workers.stopped, []);
  workers.state = "stopped";
  await workers.pass(1);
  assertEquals(workers.stopped, [0]);
});

Deno.test("Liveness does not report a worker that answers while its process is looked at", async () => {
  const workers = new Workers(1);
  const looking = Promise.withResolvers<ProcessState>();
  workers.answering.clear();
  workers.state = looking.promise;
  workers.liveness.start();
  await workers.pass(4);
  assertEquals(workers.looked, [0]);
  workers.liveness.heard(0);
  looking.resolve("stopped");
  await idle();
  assertEquals(workers.stopped, []);
});

Deno.test("Liveness logs once that a worker is busy, and that it answers again", async () => {
  const workers = new Workers(2);
  workers.answering.delete(1);
  workers.liveness.start();
  await workers.pass(10);
  assertEquals(workers.lines, []);
  await workers.pass(30);
  const busy = "warn worker does not answer: a step is at work without a pause " +
    `{"worker":1,"seconds":10}`;
  assertEquals(workers.lines, [busy]);
  workers.answering.add(1);
  await workers.pass(30);
  assertEquals(workers.lines, [busy, `warn worker answers again {"worker":1}`]);
  assertEquals(workers.stopped, []);
});

Deno.test("Liveness does not log that a worker answers again that was never said to be busy", async () => {
  const workers = new Workers(1);
  workers.answering.clear();
  workers.liveness.start();
  await workers.pass(10);
  workers.liveness.heard(0);
  assertEquals(workers.lines, []);
});

Deno.test("Liveness counts questions and not time: it may have been stopped itself", async () => {
  const clock = new TestClock();
  let missed = 0; // the time in which nothing ran
  const workers = new Workers(2, {
    now: () => clock.now() + missed,
    wakeAt: (at, wake) => clock.wakeAt(at - missed, wake),
  });
  const second = async (): Promise<void> => {
    clock.advance(1_000);
    await idle(1);
  };
  workers.answering.clear();
  workers.liveness.start();
  await second();
  assertEquals(workers.asked.length, 2);
  missed = 3_600_000;
  workers.state = "stopped"; // as it is still found where the workers go on a little later
  await second();
  assertEquals(workers.asked.length, 4); // one question, and not one for each second missed
  await second();
  assertEquals([workers.looked, workers.stopped, workers.lines], [[], [], []]);
});

/** Starts a process that does nothing. It is gone after the test. */
function startChild(): AsyncDisposable & { pid: number; signal(signal: Deno.Signal): void } {
  const child = new Deno.Command("sleep", { args: ["60"], stdout: "null" }).spawn();
  return {
    pid: child.pid,
    signal: (signal) => child.kill(signal),
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL");
      await child.status;
    },
  };
}

/** Looks at a process until its state is what it should be. */
async function becomes(pid: number, state: ProcessState): Promise<void> {
  const until = performance.now() + 5_000;
  while (await stateOfProcess(pid) !== state) {
    if (performance.now() > until) throw new Error(`waited in vain until the process is ${state}`);
  }
}

Deno.test("stateOfProcess() tells a process that was stopped from one that runs", async () => {
  await using child = startChild();
  assertEquals(await stateOfProcess(child.pid), "running");
  child.signal("SIGSTOP");
  await becomes(child.pid, "stopped");
  child.signal("SIGCONT");
  await becomes(child.pid, "running");
});

Deno.test("stateOfProcess() knows nothing of a process that has gone", async () => {
  let pid: number;
  {
    await using child = startChild();
    pid = child.pid;
  }
  assertEquals(await stateOfProcess(pid), "unknown");
});

Deno.test("stateOfProcess() is not misled by what a process is called", async () => {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/) T (`;
  await Deno.writeTextFile(path, "#!/bin/sh\nread line\n", { mode: 0o700 });
  const child = new Deno.Command(path, { stdin: "piped" }).spawn();
  assertEquals(await stateOfProcess(child.pid), "running");
  await child.stdin.close();
  await child.status;
  await Deno.remove(folder, { recursive: true });
});

Deno.test("stateOfProcess() knows nothing of a process that goes while it is looked at", async () => {
  const { readTextFile } = Deno;
  // What Linux says when the file has been opened before.
  const gone = () => Promise.reject(new Error("No such process (os error 3)"));
  Reflect.set(Deno, "readTextFile", gone);
  try {
    assertEquals(await stateOfProcess(1), Deno.build.os === "linux" ? "unknown" : "running");
  } finally {
    Reflect.set(Deno, "readTextFile", readTextFile);
  }
});
