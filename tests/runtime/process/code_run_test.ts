import { assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { silentLog } from "../../../src/core/log.ts";
import { CodeRun } from "../../../src/runtime/process/code_run.ts";
import type { Coordinator, CoordinatorOptions } from "../../../src/runtime/process/coordinator.ts";
import type { Job } from "../../../src/runtime/process/job.ts";
import { TestClock } from "../../support/clock/test_clock.ts";
import { eventually } from "../../support/eventually.ts";
import { FINISHED, PlayedRun } from "../../support/runtime/played_run.ts";

/** A run of code that the test plays. */
class PlayedCoordinator extends PlayedRun {
  readonly options: CoordinatorOptions;
  readonly loading: PromiseWithResolvers<void> = Promise.withResolvers();

  constructor(options: CoordinatorOptions) {
    super();
    this.options = options;
  }

  get loaded(): Promise<void> {
    return this.loading.promise;
  }

  begin(): void {
    this.told.push("begin");
  }

  refuseMisfit(next: unknown): Promise<void> {
    this.told.push(next instanceof PlayedCoordinator ? `compare with ${next.told}` : "compare");
    return Promise.reject(new Error("it does not fit"));
  }
}

/** Code with the runs that it has had. */
function playedCode(restarts = 0) {
  const clock = new TestClock();
  const runs: PlayedCoordinator[] = [];
  const job = { log: silentLog, monitor: null, telemetry: null } as unknown as Job;
  const code = new CodeRun(job, restarts, {
    clock,
    conduct: (options) => {
      const run = new PlayedCoordinator(options);
      runs.push(run);
      return run as unknown as Coordinator;
    },
  });
  return { code, runs, clock };
}

Deno.test("the first run of code loads it at once, and waits for its turn", async () => {
  const { code, runs: [first, ...others] } = playedCode();
  assertEquals([first.options, first.told, others], [{ waits: true }, ["run"], []]);
  first.loading.resolve();
  await code.loaded;
  code.begin();
  assertEquals(first.told, ["run", "begin"]);
  first.ends();
  assertStrictEquals(await code.over, FINISHED);
});

Deno.test("code that cannot be loaded rejects, also where nobody asks how the run was", async () => {
  const { code, runs: [first] } = playedCode();
  first.loading.reject(new Error("no module"));
  first.fails(new Error("no module"));
  await assertRejects(() => code.loaded, Error, "no module");
  await assertRejects(() => code.over, Error, "no module");
});

Deno.test("code whose run fails is started again, without another wait for its turn", async () => {
  const { code, runs, clock } = playedCode(1);
  runs[0].fails(new Error("broken"));
  await eventually(() => clock.sleeps.length > 0, "it pauses");
  clock.advance(1_000);
  await eventually(() => runs.length === 2, "it is started again");
  assertEquals([runs[1].options, runs[1].told], [{}, ["run"]]);
  runs[1].ends();
  assertStrictEquals(await code.over, FINISHED);
});

Deno.test("new code is compared with the run of the moment, by its first one", async () => {
  const { code, runs, clock } = playedCode(1);
  const { code: next, runs: [nextFirst] } = playedCode();
  runs[0].fails(new Error("broken"));
  await eventually(() => clock.sleeps.length > 0, "it pauses");
  clock.advance(1_000);
  await eventually(() => runs.length === 2, "it is started again");
  await assertRejects(() => code.refuseMisfit(next), Error, "it does not fit");
  assertEquals(runs.map(({ told }) => told), [["run"], ["run", "compare with run"]]);
  assertEquals(nextFirst.told, ["run"]);
});

for (const how of ["stop", "kill"] as const) {
  Deno.test(`to ${how} code ${how}s its run, and none follows`, async () => {
    const { code, runs } = playedCode(3);
    code[how]();
    runs[0].fails(new Error("over"));
    await assertRejects(() => code.over, Error, "over");
    assertEquals(runs.map(({ told }) => told), [["run", how]]);
  });
}
