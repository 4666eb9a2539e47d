/**
 * Shows positions of inputs and outputs as people read them.
 *
 * It leaves out what tells a file or topic from another one of its name: only the next run needs
 * that. The forms are those of our connectors. A position of any other form is shown as it is.
 *
 * @module
 */
import { preview } from "../core/preview.ts";
import { stepTimeText } from "../ops/state_text.ts";
import type { PositionRole } from "../recovery/store.ts";

/** Returns a position in words: `byte 120`, `bytes 120 to 250`, `offset 7`, or the value itself. */
export function positionText(position: unknown): string {
  if (typeof position !== "object" || position === null) return preview(position);
  const { from, to, file, bytes, crc, offset } = position as Readonly<Record<string, unknown>>;
  if (typeof offset === "bigint") return `offset ${offset}`;
  if (typeof crc !== "number") return preview(position);
  if (typeof bytes === "number") return `byte ${bytes}`;
  if (typeof from !== "number" || typeof to !== "number" || file === undefined) {
    return preview(position);
  }
  return from === 0 ? `byte ${to}` : `bytes ${from} to ${to}`;
}

/** Returns in words what a store has under a role: the time of a step, or a position. */
export function storedText(role: PositionRole, stored: unknown): string {
  return role === "time" ? stepTimeText(stored) : positionText(stored);
}

/** Returns the name of a partition; for a part of a file, the file's path. */
export function partitionText(partition: string, position: unknown): string {
  const marker = partition.lastIndexOf("/@");
  const isPart = marker > 0 && positionText(position).startsWith("bytes ");
  return isPart ? partition.slice(0, marker) : partition;
}
