import { assertEquals } from "@std/assert";
import { createLog } from "../../../src/core/log.ts";
import { taskId } from "../../../src/core/task_id.ts";
import { RestoreReport } from "../../../src/runtime/group/restore_report.ts";
import type { TaskProgress } from "../../../src/runtime/group/runner_settings.ts";
import { TestClock } from "../../support/clock/test_clock.ts";

const restoring = (partition: number, done: number | null, total = 100): TaskProgress => ({
  task: taskId("keyed", partition),
  phase: "restoring",
  restored: done === null ? null : { done, total },
});

const running = (partition: number): TaskProgress => ({
  ...restoring(partition, null),
  phase: "running",
});

Deno.test("restoring that takes long is in the log, with the time that is left", () => {
  const clock = new TestClock();
  const lines: string[] = [];
  const report = new RestoreReport(
    clock,
    createLog((level, line) => lines.push(`${level} ${line}`)),
  );
  const look = (ms: number, tasks: TaskProgress[]) => {
    clock.advance(ms);
    report.look(tasks);
    return lines.splice(0);
  };
  assertEquals(look(0, [running(0), running(1)]), []);
  assertEquals(look(0, [running(0), restoring(1, null), restoring(2, null)]), []);
  assertEquals(look(1_999, [running(0), restoring(1, 0), restoring(2, null)]), []);
  assertEquals(look(1, [running(0), restoring(1, 3), restoring(2, null)]), [
    "info restoring 2 of 3 tasks: 1 %",
  ]);
  assertEquals(look(4_000, [running(0), restoring(1, 60), restoring(2, 20)]), []);
  // Half of it took 8 s.
  assertEquals(look(2_000, [running(0), running(1), restoring(2, 0)]), [
    "info restoring 1 of 3 tasks: 50 %, 8 s left",
  ]);
  assertEquals(look(8_000, [running(0), running(1), restoring(2, 100)]), [
    "info restoring 1 of 3 tasks: 100 %, 0 s left",
  ]);
  assertEquals(look(1_000, [running(0), running(1), running(2)]), []);
  // The next time is counted from its own beginning.
  assertEquals(look(60_000, [running(0), restoring(3, 0, 0)]), []);
  assertEquals(look(2_000, [running(0), restoring(3, 0, 0)]), [
    "info restoring 1 of 2 tasks: 100 %, 0 s left",
  ]);
});
