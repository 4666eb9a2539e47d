/** Runs that begin from scratch, after one that has left output unfinished. */
import { assertEquals, assertRejects } from "@std/assert";
import { Dataflow, type OutputConfig, type Positions, TestingInputConfig } from "../../mod.ts";
import { createLog } from "../../src/core/log.ts";
import { FromScratchRecovery } from "../../src/recovery/from_scratch.ts";
import { TransactionalOutput } from "../support/recovery/transactional_output.ts";
import { WatchedRecovery } from "../support/recovery/watched_recovery.ts";
import { runWorkers, type WorkersOptions } from "../support/runtime/workers.ts";

/** Counts items of one key; the counts go to a transactional output and to another one. */
class Stage {
  readonly recovery = new WatchedRecovery();
  readonly output = new TransactionalOutput(2);
  readonly items = [7, 7];
  /** The positions with which the other output was opened, by run. */
  readonly resumed: number[] = [];
  readonly log: string[] = [];

  /** A run whose items have been stored as read, and are not visible yet. */
  static async leftUnfinished(): Promise<Stage> {
    const stage = new Stage();
    const { recovery, output } = stage;
    recovery.onCommit = () => {
      if (recovery.epoch === 0) throw new Error("killed");
    };
    await assertRejects(() => stage.run(recovery), Error, "killed");
    recovery.onCommit = () => {};
    assertEquals([recovery.epoch, output.system.visible], [0, []]);
    stage.resumed.length = 0;
    return stage;
  }

  async run(
    recovery: WorkersOptions["recovery"],
    { names = ["out", "other"], fails = false, ...options }: WorkersOptions & {
      names?: readonly string[];
      fails?: boolean;
    } = {},
  ): Promise<void> {
    const other: OutputConfig<number> = {
      open: (_, resume: Positions) => {
        if (fails) throw new Error("no broker");
        this.resumed.push(resume.size);
        return Promise.resolve({
          write: () => {},
          prepare: () => Promise.resolve(new Map([["length", 2]])),
          close: () => Promise.resolve(),
        });
      },
    };
    const [name, otherName] = names;
    const flow = new Dataflow("scratch").input("in", new TestingInputConfig(this.items))
      .keyOn(() => "all")
      .statefulMap("count", () => 0, (count: number) => [count + 1, count + 1])
      .map(([, count]) => count)
      .capture(name, name === "none" ? other : this.output)
      .capture(otherName, other);
    const log = createLog((level, message, fields) => {
      if (level === "warn") this.log.push(`${message} ${JSON.stringify(fields)}`);
    });
    await runWorkers(flow, 1, { ...options, recovery, log });
  }
}

Deno.test("a run from scratch completes what outputs have left, and drops all else", async () => {
  const stage = await Stage.leftUnfinished();
  await stage.run(new FromScratchRecovery(stage.recovery));
  // The last two are counted again, from the beginning.
  assertEquals(stage.output.system.visible, [1, 2, 1, 2]);
  assertEquals([stage.resumed, stage.output.system.open], [[0], []]);
  assertEquals(stage.recovery.positionsOf("out"), {});
});

Deno.test("a run from scratch that fails before its first commit leaves the store as it was", async () => {
  const stage = await Stage.leftUnfinished();
  const recovery = new FromScratchRecovery(stage.recovery);
  await assertRejects(() => stage.run(recovery, { fails: true }), Error, "no broker");
  assertEquals([stage.recovery.epoch, stage.output.system.visible], [0, [1, 2]]);
  stage.items.push(7);
  await stage.run(stage.recovery);
  assertEquals([stage.output.system.visible, stage.resumed], [[1, 2, 3], [1]]);
});

Deno.test("a run after one from scratch continues where that was", async () => {
  const stage = await Stage.leftUnfinished();
  const recovery = new FromScratchRecovery(stage.recovery);
  await stage.run(recovery);
  stage.items.push(7);
  await stage.run(recovery); // as with --restart
  assertEquals([stage.output.system.visible, stage.resumed], [[1, 2, 1, 2, 3], [0, 1]]);
});

Deno.test("a run from scratch gives up what a step has left that the flow does not have", async () => {
  const stage = await Stage.leftUnfinished();
  await stage.run(new FromScratchRecovery(stage.recovery), { names: ["none", "other"] });
  assertEquals(stage.output.system.visible, []);
  assertEquals(stage.log, [
    'an output that the flow no longer has left work unfinished: it is given up {"step":"out"}',
  ]);
});

Deno.test("a run from scratch completes what an output has left under another name", async () => {
  const stage = await Stage.leftUnfinished();
  const renameSteps = { out: "counts" };
  const names = ["counts", "other"];
  await stage.run(new FromScratchRecovery(stage.recovery), { names, renameSteps });
  assertEquals([stage.output.system.visible, stage.log], [[1, 2, 1, 2], []]);
});

Deno.test("an output that has left work unfinished cannot be dropped, until it has completed it", async () => {
  const stage = await Stage.leftUnfinished();
  const changed = { names: ["none", "other"], dropSteps: ["out"] };
  await assertRejects(
    () => stage.run(stage.recovery, changed),
    Error,
    `step "out" cannot be dropped: this output has written what is not visible yet`,
  );
  assertEquals([stage.recovery.epoch, stage.output.system.visible], [0, []]);
  await stage.run(stage.recovery);
  await stage.run(stage.recovery, changed);
  assertEquals(stage.output.system.visible, [1, 2]);
});
