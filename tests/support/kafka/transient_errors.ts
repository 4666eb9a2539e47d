const NOT_YET_LED: ReadonlySet<unknown> = new Set([
  "UNKNOWN_TOPIC_OR_PARTITION",
  "LEADER_NOT_AVAILABLE",
  "NOT_LEADER_FOR_PARTITION",
]);

/** Whether a partition has no leader for a moment: it is new, or its broker has just started. */
export function isNotYetLed(error: unknown): boolean {
  return error instanceof Error && "type" in error && NOT_YET_LED.has(error.type);
}
