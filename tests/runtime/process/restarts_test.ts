import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { StepError } from "millrace";
import { messageOf } from "../../../src/core/errors.ts";
import { createLog } from "../../../src/core/log.ts";
import { StepMatchError } from "../../../src/runtime/step_changes.ts";
import { runWithRestarts } from "../../../src/runtime/process/restarts.ts";
import { RunMonitor } from "../../../src/runtime/process/run_monitor.ts";
import { TestClock } from "../../support/clock/test_clock.ts";
import { eventually, idle } from "../../support/eventually.ts";
import { FINISHED, PlayedRun } from "../../support/runtime/played_run.ts";

/** A job whose runs the test plays. */
class PlayedJob {
  readonly clock = new TestClock();
  readonly monitor = new RunMonitor(1_000, () => this.clock.at);
  readonly runs: PlayedRun[] = [];
  /** The fields of the lines that say that it is started again. */
  readonly lines: unknown[] = [];
  /** What is exported as the failure of the whole. */
  readonly failures: string[] = [];
  readonly #stop = new AbortController();
  readonly #kill = new AbortController();

  /** Runs it. `shape` says how each run is. */
  run(restarts: number, shape: Partial<PlayedRun> = {}) {
    const listeners = {
      log: createLog((_level, _message, fields) => this.lines.push(fields)),
      monitor: this.monitor,
      telemetry: { failed: (text: string) => this.failures.push(text) },
    };
    const { signal } = this.#stop;
    const options = { restarts, signal, killSignal: this.#kill.signal };
    const over = runWithRestarts(listeners, options, () => {
      const next = Object.assign(new PlayedRun(), shape);
      this.runs.push(next);
      return next;
    }, this.clock);
    over.catch(() => {});
    return over;
  }

  get last(): PlayedRun {
    return this.runs.at(-1)!;
  }

  /** The last run fails, after which there is a pause of `pauseMs`. */
  async failsBefore(pauseMs: number, error = new Error("broken")): Promise<void> {
    this.last.fails(error);
    await eventually(() => this.clock.sleeps.length > 0, "it pauses");
    const runs = this.runs.length;
    this.clock.advance(pauseMs - 1);
    await idle();
    assertEquals(this.runs.length, runs);
    this.clock.advance(1);
    await eventually(() => this.runs.length > runs, `it is started again after ${pauseMs} ms`);
  }

  stop(): void {
    this.#stop.abort();
  }

  kill(): void {
    this.#kill.abort();
  }
}

Deno.test("a run that ends well is not started again", async () => {
  const job = new PlayedJob();
  const over = job.run(3);
  job.last.ends();
  assertStrictEquals(await over, FINISHED);
  assertEquals([job.runs.length, job.lines, job.failures], [1, [], []]);
});

Deno.test("a failed run is started again as often as allowed, after pauses that double up to 30 s", async () => {
  const job = new PlayedJob();
  const over = job.run(7);
  const error = new StepError({ stepId: "flaky", worker: 0 }, new Error("broken"));
  const pauses = [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000];
  for (const pauseMs of pauses) await job.failsBefore(pauseMs, error);
  job.last.fails(error);
  assertStrictEquals(await assertRejects(() => over), error);
  assertEquals(job.runs.length, 8);
  assertEquals(
    job.lines,
    pauses.map((pauseMs, i) => ({ error: messageOf(error), restart: i + 1, of: 7, pauseMs })),
  );
  assertEquals(job.failures, [messageOf(error)]);
  const { phase, restarts, stepRestarts, past } = job.monitor.view();
  assertEquals([phase, past.outcome, restarts], ["over", "failed", 7]);
  assertEquals(stepRestarts, [{ step: "flaky", count: 7 }]);
});

Deno.test("after a run that has lasted a minute, the count and the pauses start over", async () => {
  const job = new PlayedJob();
  const over = job.run(1);
  await job.failsBefore(1_000);
  job.clock.advance(60_000);
  await job.failsBefore(1_000);
  job.clock.advance(59_999);
  job.last.fails(new Error("too soon"));
  await assertRejects(() => over, Error, "too soon");
  assertEquals(job.runs.length, 3);
});

const LASTING: Record<string, [shape: Partial<PlayedRun>, error: Error]> = {
  "that has not loaded its flow": [{ hasBegun: false }, new Error("no such module")],
  "whose flow does not fit the store": [{}, new StepMatchError("no step")],
  "that was asked to stop": [{ isAskedToStop: true }, new Error("it took too long")],
};

for (const [which, [shape, error]] of Object.entries(LASTING)) {
  Deno.test(`a run ${which} is not started again when it fails`, async () => {
    const job = new PlayedJob();
    const over = job.run(3, shape);
    job.last.fails(error);
    assertStrictEquals(await assertRejects(() => over), error);
    assertEquals([job.runs.length, job.lines], [1, []]);
    assertEquals(job.failures, [messageOf(error)]);
    assertEquals(job.monitor.view().past.outcome, "failed");
  });
}

Deno.test("a run that is killed while it loads is started again, if one before has loaded", async () => {
  const job = new PlayedJob();
  const over = job.run(3);
  await job.failsBefore(1_000);
  Object.assign(job.last, { hasBegun: false });
  await job.failsBefore(2_000, new Error("worker 0 ended by SIGKILL while it loaded"));
  job.last.ends();
  assertStrictEquals(await over, FINISHED);
  assertEquals(job.runs.length, 3);
});

Deno.test("a run that waits for its turn fails without a word, as another one goes on", async () => {
  const job = new PlayedJob();
  const over = job.run(3, { isWaiting: true, hasBegun: false });
  job.last.fails(new Error("not loaded"));
  await assertRejects(() => over, Error, "not loaded");
  assertEquals([job.runs.length, job.lines, job.failures], [1, [], []]);
  const { outcome, errors } = job.monitor.view().past;
  assertEquals([outcome, errors], [null, []]);
});

for (const how of ["stop", "kill"] as const) {
  Deno.test(`to ${how} a job tells the run of the moment only, once`, async () => {
    const job = new PlayedJob();
    const over = job.run(1);
    await job.failsBefore(1_000);
    const [first, second] = job.runs;
    job[how]();
    second.fails(new Error(`the end by ${how}`));
    await assertRejects(() => over, Error, `the end by ${how}`);
    assertEquals([first.told, second.told], [["run"], ["run", how]]);
  });

  Deno.test(`to ${how} a job before it has begun tells its first run`, async () => {
    const job = new PlayedJob();
    job[how]();
    const over = job.run(3);
    job.last.fails(new Error("nothing was done"));
    await assertRejects(() => over, Error, "nothing was done");
    assertEquals([job.runs.length, job.last.told.toSorted()], [1, [how, "run"].sort()]);
  });

  Deno.test(`to ${how} a job during a pause ends it with the error before`, async () => {
    const job = new PlayedJob();
    const over = job.run(3);
    job.last.fails(new Error("broken"));
    await eventually(() => job.clock.sleeps.length > 0, "it pauses");
    job[how]();
    await assertRejects(() => over, Error, "broken");
    assertEquals([job.runs.length, job.clock.sleeps], [1, []]);
    assertEquals(job.monitor.view().past.outcome, "failed");
    assert(!job.last.told.includes(how)); // it was over
  });
}
