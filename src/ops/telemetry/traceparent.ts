/**
 * The header `traceparent` of W3C Trace Context, https://www.w3.org/TR/trace-context/.
 *
 * @module
 */

/** Which span a message belongs to. */
export interface RemoteSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly traceFlags: number;
  readonly isRemote: true;
}

/** Later versions may have more after the flags; version ff is none. */
const PATTERN =
  /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;

/** Returns what a `traceparent` header names; `null` if it names nothing. */
export function spanContextOf(traceparent: string): RemoteSpan | null {
  const match = PATTERN.exec(traceparent.trim());
  if (match === null || (match[1] === "00" && match[5] !== undefined)) return null;
  return {
    traceId: match[2],
    spanId: match[3],
    traceFlags: parseInt(match[4], 16),
    isRemote: true,
  };
}
