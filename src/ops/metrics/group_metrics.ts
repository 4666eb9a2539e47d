import { countTasks, type GroupView, TASK_STATES, type TaskView } from "../group_view.ts";
import { counter, gauge, type Labels, type MetricDefinition, type Sample } from "./definition.ts";

/**
 * Metrics of a machine's tasks. They are by sub-topology and worker, as there may be thousands of
 * tasks.
 */
export const GROUP_METRICS: readonly MetricDefinition[] = [
  gauge(
    "tasks",
    "Tasks of a group that this machine has, by what they do.",
    ["subtopology", "state", "worker"],
    ({ group }) =>
      bySubtopology(group, (tasks, labels) => {
        const counts = countTasks(tasks);
        return TASK_STATES.map((state): Sample => [counts[state], { ...labels, state }]);
      }),
  ),
  sumOf(
    "task_restore_remaining_records",
    "Records that tasks have yet to read to restore their state, as far as is known.",
    ({ restored }) => restored === null ? 0 : Math.max(0, restored.total - restored.done),
  ),
  sumOf(
    "task_input_lag_records",
    "Records of inputs that tasks have not read, as far as is known.",
    ({ inputLag }) => inputLag,
  ),
  sumOf(
    "task_shuffle_lag_records",
    "Records that tasks have been sent by others and have not read, as far as is known.",
    ({ shuffleLag }) => shuffleLag,
  ),
  ofMembers(
    "tasks_assigned_total",
    "Tasks that the group has assigned to a worker.",
    ({ assigned }) => assigned,
  ),
  ofMembers(
    "tasks_given_up_total",
    "Tasks that a worker has given up after a last commit.",
    ({ givenUp }) => givenUp,
  ),
  ofMembers(
    "tasks_lost_total",
    "Tasks that the group has taken from a worker without a last commit.",
    ({ lost }) => lost,
  ),
];

function sumOf(name: string, help: string, read: (task: TaskView) => number): MetricDefinition {
  return gauge(
    name,
    help,
    ["subtopology", "worker"],
    ({ group }) =>
      bySubtopology(
        group,
        (tasks, labels) => [[tasks.reduce((sum, task) => sum + read(task), 0), labels]],
      ),
  );
}

/** The samples of the tasks of each sub-topology on each worker. */
function bySubtopology(
  group: GroupView | null,
  read: (tasks: readonly TaskView[], labels: Labels) => Iterable<Sample>,
): Sample[] {
  const tasks = group?.tasks ?? [];
  const grouped = Map.groupBy(tasks, ({ subtopology, worker }) => `${worker} ${subtopology}`);
  return [...grouped.values()].flatMap((each) => {
    const [{ subtopology, worker }] = each;
    return [...read(each, { subtopology, worker: String(worker) })];
  });
}

function ofMembers(
  name: string,
  help: string,
  read: (member: GroupView["members"][number]) => number,
): MetricDefinition {
  return counter(
    name,
    help,
    ["worker"],
    ({ group }) =>
      (group?.members ?? []).map((member, i): Sample => [read(member), { worker: String(i) }]),
  );
}
