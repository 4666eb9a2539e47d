/** The tasks of a machine in a group. */
import type { GroupStatus, Status, TaskStatus } from "../src/ops/status.ts";
import { countsText, stateText } from "../src/ops/task_words.ts";
import { countText } from "../src/ops/words.ts";
import { safe, Section } from "./parts.tsx";

/** The table of tasks, if the machine is part of a group. */
export function Tasks({ status: { group } }: { readonly status: Status }) {
  if (group === null) return null;
  const { tasks, groupId, status } = group;
  const all = Object.values(group.counts).reduce((sum, count) => sum + count, 0);
  return (
    <Section id="tasks" title="Tasks" note={noteOf(group)} wide>
      {status !== null && <p class="warning-line">{safe(status)}</p>}
      {tasks.length === 0
        ? (
          <p class="empty">
            {groupId === null
              ? "The machine has not joined its group yet."
              : "The group has assigned no task to this machine."}
          </p>
        )
        : (
          <div class="scroll tall" tabIndex={0} role="group" aria-label="Table of tasks">
            <table>
              <thead>
                <tr>
                  <th scope="col">Task</th>
                  <th scope="col">State</th>
                  <th scope="col" class="number">Worker</th>
                  <th scope="col" class="number extra">In/s</th>
                  <th scope="col" class="number extra">Out/s</th>
                  <th scope="col" class="number">Inputs to read</th>
                  <th scope="col" class="number">Sent by tasks</th>
                </tr>
              </thead>
              <tbody>{tasks.map((task) => <Row key={task.task} task={task} />)}</tbody>
            </table>
          </div>
        )}
      {all > tasks.length && <p class="note">and {all - tasks.length} more in /tasks</p>}
    </Section>
  );
}

function Row({ task }: { readonly task: TaskStatus }) {
  const { state, restored, worker } = task;
  const text = stateText(state, restored);
  return (
    <tr>
      <th scope="row">{safe(task.task)}</th>
      <td>
        {state === "running" ? text : <span class="tag">{text}</span>}
      </td>
      <td class="number">{worker}</td>
      <td class="number extra">{countText(task.in)}</td>
      <td class="number extra">{countText(task.out)}</td>
      <td class="number">{countText(task.inputLag)}</td>
      <td class="number">{countText(task.shuffleLag)}</td>
    </tr>
  );
}

function noteOf({ groupId, protocol, counts, restored }: GroupStatus): string {
  const where = groupId === null ? "" : `; group ${safe(groupId)} (${safe(protocol ?? "")})`;
  return countsText(counts, restored) + where;
}
