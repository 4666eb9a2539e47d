/** The conductor alone: the test plays its workers. */
import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { encodeValue } from "../../../src/core/value_codec.ts";
import { RecoveryError, type StoredPosition } from "../../../src/recovery/store.ts";
import { createLog } from "../../../src/core/log.ts";
import { Conductor } from "../../../src/runtime/run/conductor.ts";
import type { ConductorSettings } from "../../../src/runtime/run/run_settings.ts";
import { stepChangesOf } from "../../../src/runtime/step_changes.ts";
import { eventually, idle } from "../../support/eventually.ts";
import { PlayedWorker } from "../../support/runtime/played_worker.ts";
import { TestClock } from "../../support/clock/test_clock.ts";
import { WatchedRecovery } from "../../support/recovery/watched_recovery.ts";

const INTERVAL_MS = 1_000;
const STEPS = [{ stepId: "in", kind: "input", in: 0, out: 3 }] as const;

/** A run of workers that the test plays. */
class PlayedRun {
  readonly clock = new TestClock();
  readonly recovery = new WatchedRecovery();
  readonly seen: string[] = [];
  readonly warnings: string[] = [];
  readonly workers: readonly PlayedWorker[];
  readonly conductor: Conductor;
  readonly done: Promise<unknown>;

  constructor(workers = 1, settings: Partial<ConductorSettings> = {}, turn?: Promise<void>) {
    const log = createLog((level, message) => level === "warn" && this.warnings.push(message));
    this.conductor = new Conductor({
      recovery: this.recovery,
      stepChanges: stepChangesOf({}),
      intervalMs: INTERVAL_MS,
      stopMs: 20_000,
      leaveMs: { done: null, failed: null, early: 50, killed: 50 },
      clock: this.clock,
      log,
      ...settings,
    }, {
      loaded: () => {
        this.seen.push("loaded");
        return turn;
      },
      opened: () => {
        this.seen.push("opened");
        return Promise.resolve();
      },
      running: () => this.seen.push("running"),
      stopping: () => this.seen.push("stopping"),
      finished: (stopped) => this.seen.push(stopped ? "stopped" : "finished"),
    });
    this.workers = Array.from({ length: workers }, (_, index) => new PlayedWorker(index));
    this.done = this.conductor.run(this.workers).finally(() => this.conductor.close());
    this.done.catch(() => {}); // some tests look later
  }

  /** What all workers have been told since this was asked last; that must be the same. */
  told(): string[] {
    const [first, ...others] = this.workers.map(({ told }) => told.splice(0));
    for (const other of others) assertEquals(other, first);
    return first;
  }

  all(act: (worker: PlayedWorker) => void): void {
    for (const worker of this.workers) act(worker);
  }

  /** Plays the workers until they wait for `run`, or have got so far. */
  async until(state: "planning" | "opening" | "restoring" | "running"): Promise<this> {
    const [first] = this.workers;
    this.all((worker) => worker.load());
    await eventually(() => first.told.includes("plan"), "worker 0 plans");
    if (state === "planning") return this;
    first.say({ kind: "planned", plans: {} });
    if (state === "opening") return this;
    this.all((worker) => worker.say({ kind: "opened", positions: [] }));
    if (state === "restoring") return this;
    await eventually(() => first.told.includes("run"), "the workers run");
    first.told.splice(first.told.indexOf("plan"), 1);
    return this;
  }

  /** The workers come to the end of their inputs. */
  end(epoch = 0, stopped = false): void {
    this.all((worker) => worker.say({ kind: "ended", stopped, epoch, positions: [] }));
  }

  finish(): void {
    this.all((worker) => {
      worker.status = { steps: STEPS, progress: null, waitingFor: [] };
      worker.say({ kind: "finished", steps: STEPS });
      worker.leave();
    });
  }
}

Deno.test("Conductor leads workers from loading to the end, each step when all have done the one before", async () => {
  const run = new PlayedRun(2);
  const [first, second] = run.workers;
  first.load();
  await idle();
  assertEquals([first.told, second.told, run.seen], [["start"], ["start"], []]);
  second.load();
  await eventually(() => first.told.length === 2, "worker 0 plans");
  first.say({ kind: "planned", plans: { in: 7 } });
  first.say({ kind: "opened", positions: [] });
  await idle();
  assertEquals([first.told, second.told], [["start", "plan", "open"], ["start", "open"]]);
  assertEquals([run.seen, run.recovery.epoch], [["loaded"], null]);
  second.say({ kind: "opened", positions: [] });
  await eventually(() => second.told.includes("run"), "the workers run");
  assertEquals(second.told, ["start", "open", "commitEpoch", "run"]);
  assertEquals([run.seen, run.recovery.epoch], [["loaded", "opened", "running"], -1]);
  first.say({ kind: "ended", stopped: false, epoch: 0, positions: [] });
  await idle();
  assertEquals([second.told.length, run.recovery.epoch], [4, -1]);
  second.say({ kind: "ended", stopped: false, epoch: 2, positions: [] });
  await eventually(() => second.told.includes("finish"), "the workers finish");
  assertEquals([first.instructions.at(-1), run.recovery.epoch], [{ kind: "finish", epoch: 2 }, 2]);
  run.finish();
  assertEquals(await run.done, { steps: [{ ...STEPS[0], out: 6 }], stopped: false });
  assertEquals([run.seen.at(-1), run.clock.sleeps], ["finished", []]);
});

Deno.test("Conductor commits an epoch when all workers have closed it, and only then closes another", async () => {
  const run = await new PlayedRun(2).until("running");
  run.told();
  run.clock.advance(INTERVAL_MS);
  assertEquals(run.told(), ["closeEpoch"]);
  run.workers[1].say({ kind: "epochClosed", epoch: 0, positions: [] });
  await idle();
  run.clock.advance(INTERVAL_MS);
  assertEquals([run.told(), run.recovery.epoch], [[], -1]);
  run.workers[0].say({ kind: "epochClosed", epoch: 0, positions: [] });
  await eventually(() => run.recovery.epoch === 0, "the epoch is committed");
  await idle();
  assertEquals(run.told(), ["commitEpoch"]);
  run.conductor.kill();
});

Deno.test("a run that waits for its turn touches nothing before", async () => {
  const turn = Promise.withResolvers<void>();
  const run = new PlayedRun(1, {}, turn.promise);
  run.workers[0].load();
  await idle();
  assertEquals([run.seen, run.told(), run.recovery.opens], [["loaded"], ["start"], 0]);
  turn.resolve();
  await eventually(() => run.told().includes("plan"), "worker 0 plans");
  assertEquals(run.recovery.opens, 1);
  run.conductor.kill();
});

Deno.test("a run that is stopped before its turn opens nothing, whenever that comes", async () => {
  for (const isKilled of [false, true]) {
    const turn = Promise.withResolvers<void>();
    const run = new PlayedRun(1, {}, turn.promise);
    run.workers[0].load();
    await idle();
    if (isKilled) run.conductor.kill();
    else run.conductor.stop();
    turn.resolve();
    const end = await run.done.then(() => "stopped", (error) => error.message);
    assertEquals(end, isKilled ? "the run was stopped at once" : "stopped");
    assertEquals([run.told(), run.recovery.opens], [["start", "abort"], 0]);
  }
});

Deno.test("Conductor refuses a flow that could not go on with what the run keeps", async () => {
  const run = await new PlayedRun().until("restoring");
  const flow = (name: string, ...keyed: string[]) => ({
    kind: "loaded" as const,
    flow: name,
    written: 2,
    steps: [],
    stored: { keyed, inputs: ["in"], outputs: ["out"] },
  });
  run.conductor.refuseMisfit(flow("other"), ["count"]); // nothing is kept yet
  await eventually(() => run.told().includes("run"), "the workers run");
  run.conductor.refuseMisfit(flow("played", "count", "more"), ["count"]);
  run.conductor.refuseMisfit(flow("played"), []);
  const gone = () => run.conductor.refuseMisfit(flow("played", "sum"), ["count"]);
  assertThrows(gone, RecoveryError, 'no step for: stateful step "count"');
  const renamed = () => run.conductor.refuseMisfit(flow("other", "count"), ["count"]);
  assertThrows(renamed, RecoveryError, 'the flow is called "other" now');
  run.conductor.kill();
});

Deno.test("Conductor refuses workers that have loaded different flows", async () => {
  const run = new PlayedRun(2);
  run.workers[0].load(["in", "map-1", "out"]);
  run.workers[1].load(["in", "filter-1", "out"]);
  await assertRejects(
    () => run.done,
    Error,
    "worker 1 has another flow than worker 0: it has filter-1 in place of map-1",
  );
  assertEquals([run.told(), run.recovery.epoch], [["start", "abort"], null]);
});

Deno.test("Conductor fails with both states' names when a worker says what does not follow", async () => {
  const run = await new PlayedRun().until("running");
  run.workers[0].say({ kind: "planned", plans: {} });
  await assertRejects(() => run.done, Error, `a run cannot go from "running" to "opening"`);
  assertEquals(run.workers[0].told.at(-1), "abort");
});

Deno.test("Conductor fails when a worker closes an epoch that is not being closed", async () => {
  const run = await new PlayedRun().until("running");
  run.workers[0].say({ kind: "epochClosed", epoch: 0, positions: [] });
  await assertRejects(() => run.done, Error, "worker 0 acknowledged epoch 0 in epoch 0");
});

for (const state of ["planning", "opening", "restoring"] as const) {
  Deno.test(`Conductor ends a run at once that is stopped while ${state}`, async () => {
    const run = await new PlayedRun(2).until(state);
    run.conductor.stop();
    assertEquals(await run.done, { steps: [], stopped: true });
    assertEquals(run.seen.slice(-2), ["stopping", "stopped"]);
    for (const { told } of run.workers) {
      assertEquals([told.at(-1), told.includes("run")], ["abort", false]);
    }
    const store = await run.recovery.open("played"); // it has been let go of
    await store.close();
  });

  Deno.test(`Conductor has all workers leave when one fails while ${state}`, async () => {
    const run = await new PlayedRun(2).until(state);
    const broken = new Error("broken");
    run.workers[1].say({ kind: "failed", error: broken });
    assertEquals(await run.done.catch((error) => error), broken);
    for (const { told } of run.workers) {
      assertEquals([told.at(-1), told.includes("run")], ["abort", false]);
    }
  });
}

Deno.test("Conductor starts no worker of a run that was stopped before", async () => {
  const { conductor, seen, workers } = new PlayedRun();
  conductor.stop();
  const late = new PlayedWorker(0);
  assertEquals(await conductor.run([late]), { steps: [], stopped: true });
  assertEquals([late.told, workers[0].told], [["abort"], ["start", "abort"]]);
  assertEquals(seen, ["stopping", "stopped"]);
});

Deno.test("Conductor stops workers gracefully, once, and says that the run was stopped", async () => {
  const run = await new PlayedRun(2).until("running");
  run.told();
  run.conductor.stop();
  run.workers[1].say({ kind: "stopRequested" });
  assertEquals(run.told(), ["stop"]);
  run.end(0, true);
  await eventually(() => run.workers[0].told.includes("finish"), "the workers finish");
  run.finish();
  assertEquals((await run.done as { stopped: boolean }).stopped, true);
  assertEquals([run.seen.slice(-2), run.clock.sleeps], [["stopping", "stopped"], []]);
});

Deno.test("Conductor cuts a stop short that takes too long, and names what workers leave", async () => {
  const run = await new PlayedRun(2, { recovery: null }).until("running");
  run.told();
  run.conductor.stop();
  run.clock.advance(17_000);
  assertEquals(run.told(), ["stop", "closeEpoch", "stillClosing", "giveUp"]);
  run.workers[0].say({ kind: "gaveUp" });
  assertEquals(run.told(), ["cutShort"]);
  run.workers[0].say({ kind: "left", steps: [{ step: "lookup", inFlight: 2 }] });
  run.workers[1].say({ kind: "left", steps: [] });
  const { message } = await assertRejects(() => run.done) as Error;
  assertEquals(
    message.slice(message.indexOf("Left:")),
    `Left: worker 0: step "lookup" with 2 items in flight`,
  );
});

Deno.test("Conductor cuts a stop short at the last committed epoch, though a worker does not answer", async () => {
  const run = await new PlayedRun(2, { stopMs: 100 }).until("running");
  run.conductor.stop();
  run.clock.advance(100);
  run.workers[0].say({ kind: "left", steps: [] });
  run.workers[0].leave();
  assertEquals((await run.done as { stopped: boolean }).stopped, true);
  assertEquals(run.warnings, ["the stop took too long: the run ends where it began"]);
  assertEquals(run.seen.includes("stopped"), false);
});

Deno.test("Conductor takes a run for whole whose workers finish while it is cut short", async () => {
  const run = await new PlayedRun(2, { recovery: null }).until("running");
  run.conductor.stop();
  run.end(0, true);
  await eventually(() => run.workers[0].told.includes("finish"), "the workers finish");
  run.clock.advance(20_000);
  assertEquals(run.workers[0].told.at(-1), "cutShort");
  run.finish(); // which crosses it
  assertEquals((await run.done as { stopped: boolean }).stopped, true);
  assertEquals([run.seen.at(-1), run.warnings], ["stopped", []]);
});

Deno.test("Conductor commits nothing more for workers that end while they are cut short", async () => {
  const run = await new PlayedRun(1).until("running");
  run.conductor.stop();
  run.clock.advance(20_000);
  run.end(0, true); // which crosses it
  run.workers[0].say({ kind: "left", steps: [] });
  run.workers[0].leave();
  await run.done;
  assertEquals([run.workers[0].told.at(-1), run.recovery.epoch], ["cutShort", -1]);
});

/** A position of the output, by what it says. */
function outputAt(state: string): StoredPosition {
  return { step: "out", role: "output", partition: "0", state: encodeValue(state) };
}

/** A run with a worker that has ended in epoch 0, its output not settled, and one that has not. */
async function endedRun(recovery = new WatchedRecovery()) {
  const commits: [number, unknown][] = [];
  recovery.onCommit = () => commits.push([recovery.epoch!, recovery.positionsOf("out")[0]]);
  const run = await new PlayedRun(2, { recovery }).until("running");
  const [first, second] = run.workers;
  first.say({ kind: "ended", stopped: false, epoch: 0, positions: [outputAt("open")] });
  commits.length = 0;
  const settle = () => first.say({ kind: "settled", epoch: 0, positions: [outputAt("settled")] });
  return { run, first, second, commits, settle };
}

Deno.test("Conductor stores what outputs say after their last commit before the run is over", async () => {
  const { run, second, commits, settle } = await endedRun();
  second.say({ kind: "ended", stopped: false, epoch: 1, positions: [] });
  await eventually(() => second.told.includes("finish"), "the workers finish");
  settle();
  assertEquals([commits, run.seen.includes("finished")], [[[1, "open"]], false]);
  run.finish();
  await run.done;
  assertEquals([commits, run.seen.at(-1)], [[[1, "open"], [1, "settled"]], "finished"]);
});

Deno.test("Conductor stores what an output says after its last commit with the next epoch", async () => {
  const { run, second, commits, settle } = await endedRun();
  settle();
  run.clock.advance(INTERVAL_MS);
  second.say({ kind: "epochClosed", epoch: 0, positions: [] });
  await eventually(() => commits.length === 1, "the epoch is committed");
  second.say({ kind: "ended", stopped: false, epoch: 1, positions: [] });
  await eventually(() => second.told.includes("finish"), "the workers finish");
  run.finish();
  await run.done;
  assertEquals(commits, [[0, "settled"], [1, "settled"]]); // and no third one
});

Deno.test("Conductor stores what an output says while its epoch is being committed", async () => {
  const recovery = new WatchedRecovery();
  const { run, second, commits, settle } = await endedRun(recovery);
  recovery.beforeCommit = () => {
    recovery.beforeCommit = () => {};
    settle(); // too late for this one
  };
  second.say({ kind: "ended", stopped: false, epoch: 1, positions: [] });
  await eventually(() => second.told.includes("finish"), "the workers finish");
  run.finish();
  await run.done;
  assertEquals(commits, [[1, "open"], [1, "settled"]]);
});

Deno.test("Conductor fails when what outputs say after their last commit cannot be stored", async () => {
  const recovery = new WatchedRecovery();
  const { run, second, settle } = await endedRun(recovery);
  second.say({ kind: "ended", stopped: false, epoch: 1, positions: [] });
  await eventually(() => second.told.includes("finish"), "the workers finish");
  settle();
  recovery.beforeCommit = () => {
    throw new Error("the disk is full");
  };
  run.finish();
  await assertRejects(() => run.done, Error, "the disk is full");
  assertEquals(run.seen.includes("finished"), false);
});

Deno.test("Conductor does not wait longer than a stop may take for the last commit of all", async () => {
  const recovery = new WatchedRecovery();
  const { run, second, settle } = await endedRun(recovery);
  run.conductor.stop();
  second.say({ kind: "ended", stopped: true, epoch: 1, positions: [] });
  await eventually(() => second.told.includes("finish"), "the workers finish");
  settle();
  const storing = Promise.withResolvers<void>();
  let isStoring = false;
  recovery.holdCommit = () => {
    isStoring = true;
    return storing.promise;
  };
  run.finish();
  await eventually(() => isStoring, "the last commit is under way");
  run.clock.advance(20_000);
  const { stopped } = await run.done as { stopped: boolean };
  assertEquals([stopped, run.warnings], [
    true,
    ["the stop took too long: the run ends at the last committed epoch"],
  ]);
  storing.resolve();
});

Deno.test("Conductor fails with an input's error once what was read before is worked off", async () => {
  const run = await new PlayedRun(2).until("running");
  run.told();
  const error = new Error("the disk is gone");
  run.workers[1].say({ kind: "inputFailed", error });
  assertEquals(run.told(), ["stop"]);
  run.end(0, true);
  await eventually(() => run.workers[0].told.includes("finish"), "the workers finish");
  run.finish();
  assertEquals(await run.done.catch((thrown) => thrown), error);
});

Deno.test("Conductor fails with an input's error although a worker fails after it", async () => {
  const run = await new PlayedRun(2).until("running");
  const error = new Error("the disk is gone");
  run.workers[1].say({ kind: "inputFailed", error });
  run.workers[0].say({ kind: "failed", error: new Error("the output is gone") });
  assertEquals(await run.done.catch((thrown) => thrown), error);
});

Deno.test("Conductor hears the first end of a run, and nothing after it", async () => {
  const run = await new PlayedRun(2).until("running");
  run.workers[0].say({ kind: "failed", error: new Error("first") });
  run.workers[1].say({ kind: "failed", error: new Error("second") });
  run.workers[1].say({ kind: "planned", plans: {} });
  run.conductor.stop();
  await assertRejects(() => run.done, Error, "first");
  assertEquals(run.workers[1].told.at(-1), "abort");
});

Deno.test("Conductor fails, and tells workers nothing more, when an epoch cannot be written", async () => {
  const run = await new PlayedRun().until("running");
  run.recovery.beforeCommit = () => {
    throw new Error("the disk is full");
  };
  run.clock.advance(INTERVAL_MS);
  run.told();
  run.workers[0].say({ kind: "epochClosed", epoch: 0, positions: [] });
  await assertRejects(() => run.done, Error, "the disk is full");
  assertEquals(run.told(), ["abort"]);
});

Deno.test("Conductor runs nothing when the state at the beginning cannot be written", async () => {
  const run = new PlayedRun();
  run.recovery.beforeCommit = () => {
    throw new Error("the disk is full");
  };
  await run.until("restoring");
  await assertRejects(() => run.done, Error, "the disk is full");
  assertEquals([run.workers[0].told.includes("run"), run.seen], [false, ["loaded", "opened"]]);
});

Deno.test("Conductor waits no longer for workers when it is killed", async () => {
  const run = await new PlayedRun(2).until("running");
  run.all((worker) => worker.leave = () => {}); // they hang
  run.conductor.kill();
  await assertRejects(() => run.done, Error, "the run was stopped at once");
});
