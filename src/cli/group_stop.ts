/**
 * What a machine of a group says when it has stopped.
 *
 * @module
 */
import { counted } from "../core/counted.ts";

/** How a machine has stopped. */
export interface Stopped {
  /** How many tasks it had. */
  readonly tasks: number;
  /** The protocol of its group; `null` if it has not joined. */
  readonly protocol: string | null;
  /** Whether it has left the group. */
  readonly leaves: boolean;
  /** How long a classic group waits for it, in milliseconds. */
  readonly sessionMs: number;
}

/** Returns the line: who runs its tasks now, or when others will. */
export function stoppedText({ tasks, protocol, leaves, sessionMs }: Stopped): string {
  if (protocol === null) return "stopped before it has joined the group";
  if (tasks === 0) return "stopped: it had no tasks";
  const what = counted(tasks, "task");
  if (leaves) return `stopped: other machines get its ${what} at once`;
  const session = protocol === "streams"
    ? "45 s in a streams group, unless the brokers have another time"
    : `${sessionMs / 1_000} s`;
  return `stopped: it keeps its ${what} until its session ends (${session}), and then others get them`;
}
