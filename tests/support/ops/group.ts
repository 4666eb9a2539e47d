/** A machine's part of a group, for the operations port. */
import type { GroupView, TaskView } from "../../../src/ops/group_view.ts";
import { partsOf, type TaskId } from "../../../src/core/task_id.ts";

/** A task that runs. */
export function taskOf(name: string, more: Partial<TaskView> = {}): TaskView {
  return {
    task: name as TaskId,
    ...partsOf(name as TaskId),
    worker: 0,
    state: "running",
    restored: null,
    in: 0,
    out: 0,
    inputLag: 0,
    shuffleLag: 0,
    ...more,
  };
}

/** A machine of two workers. */
export const GROUP: GroupView = {
  app: "orders",
  groupId: "orders.1",
  protocol: "streams",
  status: null,
  members: [
    { memberId: "m-0", assigned: 3, givenUp: 1, lost: 0, commit: { epoch: 7, at: 500, ms: 12 } },
    { memberId: "m-1", assigned: 1, givenUp: 0, lost: 2, commit: null },
  ],
  tasks: [
    taskOf("orders_0", { in: 100, out: 100, inputLag: 40 }),
    taskOf("totals_1", { in: 90, out: 30, shuffleLag: 7 }),
    taskOf("totals_2", { worker: 1, state: "restoring", restored: { done: 30, total: 120 } }),
  ],
  standbys: [{ task: "totals_3" as TaskId, worker: 1, lag: 5, hasFailed: false }],
  idleSince: null,
};
