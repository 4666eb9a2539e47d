import { assertEquals } from "@std/assert";
import { EpochProgress } from "../../src/runtime/epoch_progress.ts";

/** A worker with a source and a merge that also has a channel from another worker. */
function begun(epoch = 7): EpochProgress<string> {
  const progress = new EpochProgress<string>();
  progress.begin(["merge", "source"], epoch);
  return progress;
}

for (const order of [["source", "merge"], ["merge", "source"]]) {
  Deno.test(`EpochProgress closes an epoch when the ${order[1]} passes it last`, () => {
    const progress = begun();
    progress.passed(order[0]);
    assertEquals([progress.takeClosed(), progress.openIn(7)], [null, [order[1]]]);
    progress.passed(order[1]);
    assertEquals([progress.takeClosed(), progress.takeClosed(), progress.epoch], [7, null, 8]);
  });
}

Deno.test("EpochProgress closes every epoch that a task was behind with, one by one", () => {
  const progress = begun();
  for (let i = 0; i < 3; i++) progress.passed("merge"); // barriers of peers; a source has ended
  assertEquals(progress.takeClosed(), null);
  progress.ended("source");
  assertEquals(
    [progress.takeClosed(), progress.takeClosed(), progress.takeClosed(), progress.takeClosed()],
    [7, 8, 9, null],
  );
});

Deno.test("EpochProgress does not close the epoch that the last tasks end in", () => {
  const progress = begun();
  progress.ended("source");
  assertEquals([progress.takeClosed(), progress.isOver], [null, false]);
  progress.ended("merge");
  assertEquals([progress.takeClosed(), progress.isOver, progress.epoch], [null, true, 7]);
});

Deno.test("EpochProgress closes an epoch that a task passed before all ended", () => {
  const progress = begun();
  progress.passed("merge");
  progress.ended("source");
  assertEquals(progress.takeClosed(), 7);
  progress.ended("merge");
  assertEquals([progress.takeClosed(), progress.epoch], [null, 8]);
});

Deno.test("EpochProgress names the tasks that are left, and those that hold up an epoch", () => {
  const progress = begun();
  assertEquals([progress.left, progress.openIn(7)], [["merge", "source"], ["merge", "source"]]);
  progress.passed("source");
  assertEquals([progress.openIn(7), progress.openIn(8)], [["merge"], ["merge", "source"]]);
  progress.ended("merge");
  assertEquals([progress.left, progress.openIn(7)], [["source"], []]);
});

Deno.test("EpochProgress without tasks is over, and closes nothing", () => {
  const progress = new EpochProgress<string>();
  assertEquals([progress.isOver, progress.takeClosed(), progress.left], [true, null, []]);
});
