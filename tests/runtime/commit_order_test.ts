/**
 * The end of an epoch comes from other workers, the notice of a commit from the coordinator. So
 * either may come first. An output must not see the difference.
 */
import { assertEquals, assertGreater, assertRejects } from "@std/assert";
import { Dataflow } from "../../mod.ts";
import { createLog } from "../../src/core/log.ts";
import { graphOf } from "../../src/graph/graph.ts";
import { MemoryRun } from "../../src/runtime/run/memory_run.ts";
import { stepChangesOf } from "../../src/runtime/step_changes.ts";
import { TestClock } from "../support/clock/test_clock.ts";
import { eventually } from "../support/eventually.ts";
import { TransactionalOutput } from "../support/recovery/transactional_output.ts";
import { WatchedRecovery } from "../support/recovery/watched_recovery.ts";
import { GatedInput } from "../support/runtime/gated_input.ts";
import { HeldPost, settle } from "../support/runtime/held_post.ts";

const INTERVAL_MS = 1_000;
const STOP_MS = 20_000;
const NOTICES = "coordinator to worker 1";
const MESH = "worker 0 to worker 1";

const only = (route: string) => new RegExp(`^${route}$`);
const allBut = (...routes: string[]) => new RegExp(`^(?!(${routes.join("|")})$)`);

/** What outlives a run. */
interface World {
  readonly recovery: WatchedRecovery;
  readonly output: TransactionalOutput;
}

/** Two workers whose items change places, with an output that has `commit`. */
class Stage {
  readonly post = new HeldPost();
  readonly clock = new TestClock();
  readonly input: GatedInput;
  readonly warnings: string[] = [];
  readonly run: MemoryRun;
  readonly done: Promise<{ stopped: boolean }>;
  readonly recovery: WatchedRecovery;
  readonly output: TransactionalOutput;
  #isHeld: boolean;

  constructor({ recovery, output }: World, { workers = 2, isHeld = false } = {}) {
    this.#isHeld = isHeld;
    this.input = new GatedInput(workers);
    this.recovery = recovery;
    this.output = output;
    const flow = new Dataflow("order").input("in", this.input).redistribute()
      .capture("out", output);
    this.run = new MemoryRun(graphOf(flow), {
      workers,
      recovery,
      log: createLog((level, message) => void (level === "warn" && this.warnings.push(message))),
      clock: this.clock,
      intervalMs: INTERVAL_MS,
      stepChanges: stepChangesOf({}),
      stopMs: STOP_MS,
      schedule: (route, arrive) => this.#isHeld ? this.post.post(route, arrive) : arrive(),
    });
    this.done = this.run.run();
    this.done.catch(() => {}); // it may be rejected before the test comes to await it
  }

  /** The store has epoch 0, of which worker 1 has not been told yet. */
  static async start({ ended = false, output = new TransactionalOutput(2) } = {}): Promise<Stage> {
    const stage = new Stage({ recovery: new WatchedRecovery(), output });
    const { clock, recovery, post, input } = stage;
    await eventually(() => recovery.epoch === -1 && clock.sleeps.length > 0, "it runs");
    stage.#isHeld = true;
    stage.read();
    if (ended) input.end(1);
    await post.drain();
    clock.advance(INTERVAL_MS);
    post.deliver(only(NOTICES)); // the epoch is to end
    await post.drain(allBut(NOTICES));
    assertEquals([recovery.epoch, post.waiting(only(NOTICES))], [0, 1]);
    return stage;
  }

  /** Has both workers read some more, as far as they have not ended. */
  read(items = 4): void {
    for (const worker of [0, 1]) if (!this.input.hasEnded(worker)) this.input.allow(worker, items);
  }

  endInputs(): void {
    for (const worker of [0, 1]) this.input.end(worker);
  }

  /** The ends of epochs that the output of worker 1 has got. */
  get calls(): string[] {
    return this.output.calls.filter((call) => /^1: (prepare|commit)/.test(call));
  }

  /** All that was read, and nothing else, is visible once. Nothing is left to be done. */
  assertWhole(): void {
    assertEquals([this.recovery.positionsOf("out"), this.output.system.open], [{}, []]);
    const read = Object.values(this.recovery.positionsOf("in")) as number[];
    const all = read.flatMap((count) => Array.from({ length: count }, (_, n) => n));
    assertEquals(this.output.system.visible.toSorted(), all.toSorted());
  }
}

/** What ends epoch 1 on worker 1: a message of worker 0. */
const ENDS: Record<string, { ended: boolean; act: (stage: Stage) => void }> = {
  "a barrier, on a worker that has ended": {
    ended: true,
    act: ({ clock }) => clock.advance(INTERVAL_MS),
  },
  "the end of all inputs": { ended: false, act: (stage) => stage.endInputs() },
  "the end of the other's inputs, on a worker that has ended": {
    ended: true,
    act: (stage) => stage.endInputs(),
  },
  "a graceful stop, on a worker that has ended": { ended: true, act: ({ run }) => run.stop() },
};

for (const [end, { ended, act }] of Object.entries(ENDS)) {
  for (const [early, late] of [[NOTICES, MESH], [MESH, NOTICES]]) {
    Deno.test(`an output gets commit before the next prepare, with ${end}, when what goes from ${early} comes first`, async () => {
      const stage = await Stage.start({ ended });
      const { post, recovery } = stage;
      const before = ["1: prepare -1", "1: commit -1", "1: prepare 0"];
      stage.read();
      await post.drain(allBut(NOTICES, MESH));
      act(stage);
      await post.drain(allBut(NOTICES, MESH));
      await post.drain(allBut(late));
      assertEquals(stage.calls, early === MESH ? before : [...before, "1: commit 0"]);
      assertEquals(recovery.epoch, 0);
      await post.drain();
      assertEquals(stage.calls, [...before, "1: commit 0", "1: prepare 1", "1: commit 1"]);
      stage.endInputs();
      await post.drain();
      await stage.done;
      stage.assertWhole();
    });
  }
}

Deno.test("an end of an epoch that is held for a commit does not keep a failed run", async () => {
  const stage = await Stage.start();
  const { post, recovery, output } = stage;
  stage.read();
  stage.endInputs();
  await post.drain(allBut(NOTICES));
  assertEquals(stage.calls.at(-1), "1: prepare 0");
  stage.run.kill();
  await assertRejects(() => stage.done, Error, "the run was stopped at once");

  const next = new Stage({ recovery, output });
  next.endInputs();
  await next.done;
  next.assertWhole();
});

Deno.test("an end of an epoch that is held for a commit does not keep a stop beyond its limit", async () => {
  const stuck = Promise.withResolvers<void>();
  let isStuck = true;
  const output = new TransactionalOutput(2, {
    commit: (epoch, worker) =>
      isStuck && epoch === 0 && worker === 1 ? stuck.promise : Promise.resolve(),
  });
  const stage = await Stage.start({ output });
  const { post, recovery, clock } = stage;
  stage.read();
  stage.run.stop();
  await post.drain();
  assertEquals(stage.calls.at(-1), "1: commit 0");
  clock.advance(STOP_MS);
  await post.drain();
  const { stopped } = await stage.done;
  const warning = "the stop took too long: the run ends at the last committed epoch";
  assertEquals([stopped, stage.warnings.at(-1)], [true, warning]);
  stuck.reject(new Error("the worker leaves"));

  isStuck = false;
  const next = new Stage({ recovery, output });
  next.endInputs();
  await next.done;
  next.assertWhole();
});

/** What happens in a run: epochs go by, and one worker ends before the other. */
const HAPPENS: readonly ((stage: Stage) => void)[] = [
  ({ clock }) => clock.advance(INTERVAL_MS),
  ({ input }) => input.end(1),
  ({ clock }) => clock.advance(INTERVAL_MS),
  ({ clock }) => clock.advance(INTERVAL_MS),
  ({ input }) => input.end(0),
];

/**
 * Lets a run go on for some messages, then kills it. Between messages it reads some more. Returns
 * whether it got so far.
 */
async function killAfter(messages: number, stage: Stage): Promise<boolean> {
  const { post, run, done } = stage;
  for (const happens of [(stage: Stage) => stage.read(), ...HAPPENS]) {
    happens(stage);
    let reads = 8;
    for (let quiet = 0; quiet < 3; quiet++) {
      await settle();
      for (; post.deliver(); quiet = 0) {
        if (reads-- > 0) stage.read(1);
        await settle();
        if (--messages > 0) continue;
        run.kill();
        await done.catch(() => {});
        return true;
      }
    }
  }
  await done;
  return false;
}

Deno.test("a run may be killed after any message, and the next one too: each item is visible once", async () => {
  let messages = 1;
  for (let isKilled = true; isKilled; messages++) {
    const world = { recovery: new WatchedRecovery(), output: new TransactionalOutput(3) };
    isKilled = await killAfter(messages, new Stage(world, { isHeld: true }));
    const workers = 2 + messages % 2;
    await killAfter(messages * 7 % 40, new Stage(world, { isHeld: true, workers }));
    const last = new Stage(world, { workers });
    last.endInputs();
    if (workers === 3) last.input.end(2);
    await last.done;
    last.assertWhole();
  }
  assertGreater(messages, 50);
});
