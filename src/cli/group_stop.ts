/**
 * What a machine of a group says when it has stopped.
 *
 * @module
 */
import { sessionText } from "../group/session_text.ts";
import { counted } from "../core/counted.ts";

/** How a machine has stopped. */
export interface Stopped {
  /** How many tasks it had. */
  readonly tasks: number;
  /** The protocol of its group; `null` if it has not joined. */
  readonly protocol: string | null;
  /** Whether it has left the group. */
  readonly leaves: boolean;
  /** How long its group waits for it, in milliseconds; `null` if that is not known. */
  readonly sessionMs: number | null;
}

/** Returns the line: who runs its tasks now, or when others will. */
export function stoppedText({ tasks, protocol, leaves, sessionMs }: Stopped): string {
  if (protocol === null) return "stopped before it has joined the group";
  if (tasks === 0) return "stopped: it had no tasks";
  const what = counted(tasks, "task");
  if (leaves) return `stopped: other machines get its ${what} at once`;
  const session = sessionText(protocol, sessionMs);
  return `stopped: it keeps its ${what} until its session ends (${session}), and then others get them`;
}
