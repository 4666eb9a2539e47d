import { assertEquals } from "@std/assert";
import { isIgnored, SAME_REQUEST_MS, StopRequests } from "../../src/cli/stop_signals.ts";

/** What signals at these times, in milliseconds, lead to. */
function requestsAt(...times: readonly number[]): string[] {
  let now = 0;
  const seen: string[] = [];
  const requests = new StopRequests({
    stop: () => seen.push(`stop at ${now}`),
    stopAtOnce: () => seen.push(`at once at ${now}`),
  }, () => now);
  for (now of times) requests.onSignal();
  return seen;
}

Deno.test("StopRequests treats signals within half a second as one request", () => {
  assertEquals(SAME_REQUEST_MS, 500);
  assertEquals(requestsAt(0), ["stop at 0"]);
  assertEquals(requestsAt(7_000, 7_000, 7_003, 7_499), ["stop at 7000"]);
});

Deno.test("StopRequests stops at once at a signal half a second after the first", () => {
  assertEquals(requestsAt(0, 500), ["stop at 0", "at once at 500"]);
  assertEquals(requestsAt(0, 3, 60_000), ["stop at 0", "at once at 60000"]);
});

Deno.test("StopRequests counts from the first signal, so that fast typing works too", () => {
  assertEquals(requestsAt(0, 300, 600), ["stop at 0", "at once at 600"]);
});

Deno.test("isIgnored() finds a signal among the ignored ones in /proc", () => {
  const status = (mask: string) => `Name:\tdeno\nSigBlk:\t0000000000000001\nSigIgn:\t${mask}\n`;
  assertEquals(isIgnored(status("0000000000001001"), 1), true);
  assertEquals(isIgnored(status("0000000000001000"), 1), false);
  assertEquals(isIgnored(status("0000000000001000"), 13), true);
  assertEquals(isIgnored(status("8000000000000000"), 64), true);
  assertEquals(isIgnored("Name:\tdeno\n", 1), false);
});
