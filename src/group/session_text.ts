/**
 * How long a member that has gone without leaving keeps its tasks, in words.
 *
 * @module
 */

/**
 * Returns the text, such as `45 s`.
 *
 * @param ms What the brokers have said, in milliseconds; `null` if they did not.
 */
export function sessionText(protocol: string, ms: number | null): string {
  if (ms !== null) return `${ms / 1000} s`;
  return protocol === "streams"
    ? "45 s, unless the brokers have another time"
    : "6 s, or its --session-timeout";
}
