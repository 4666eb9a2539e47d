/**
 * What the tasks of a machine do, in words: the same on its dashboard, its line of status, and its
 * health.
 *
 * @module
 */
/** Where a task is in its life on a machine. */
export type TaskState =
  /** It is assigned, and its worker does not run it yet. */
  | "waiting"
  /** Its state is being read. */
  | "restoring"
  | "running"
  /** It is being given up, and waits for its last commit. */
  | "revoking";

/** What a state is called. */
const STATE_WORDS: Readonly<Record<TaskState, string>> = {
  waiting: "waiting",
  restoring: "restoring",
  running: "running",
  revoking: "being given up",
};

/** In the order in which they are told. */
const TOLD: readonly TaskState[] = ["running", "restoring", "waiting", "revoking"];

/**
 * Returns the text, such as `12 running, 3 restoring 41 %`.
 *
 * @param counts How many tasks are in each state.
 * @param restored The share of the state that has been restored; `null` if it is not known.
 */
export function countsText(
  counts: Readonly<Record<TaskState, number>>,
  restored: number | null,
): string {
  return TOLD.filter((state) => state === "running" || counts[state] > 0)
    .map((state) => `${counts[state]} ${stateText(state, state === "restoring" ? restored : null)}`)
    .join(", ");
}

/** Returns what a state is called, with the share of the state that has been restored. */
export function stateText(state: TaskState, restored: number | null): string {
  if (restored === null) return STATE_WORDS[state];
  return `${STATE_WORDS[state]} ${Math.floor(restored * 100)} %`; // 100 % is when it is over
}
