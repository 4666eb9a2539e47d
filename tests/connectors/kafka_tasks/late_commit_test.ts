import { assertEquals, assertRejects } from "@std/assert";
import { inTime } from "../../../src/connectors/kafka_tasks/late_commit.ts";
import { LateCommitError } from "../../../src/group/log.ts";
import { TestClock } from "../../support/clock/test_clock.ts";

/** A commit that a test ends, of a transaction that is open since 0. */
function watched() {
  const clock = new TestClock();
  const commit = Promise.withResolvers<void>();
  const broker = { waitingFor: null as string | null };
  const over = inTime(commit.promise, {
    openMs: () => clock.at,
    timeoutMs: 10_000,
    waitingFor: () => broker.waitingFor,
    bytes: 31 << 20,
    clock,
  });
  return { clock, commit, broker, over };
}

Deno.test("a commit that takes twice the time of its transaction is not waited for", async () => {
  const { clock, over } = watched();
  const late = assertRejects(
    () => over,
    LateCommitError,
    "a commit of 31 MiB was not over after 20",
  );
  clock.advance(21_000);
  await late;
  assertEquals(clock.nextAt, null);
});

Deno.test("while brokers are away, a commit is waited for: they end nothing then", async () => {
  const { clock, broker, commit, over } = watched();
  broker.waitingFor = "broker";
  clock.advance(60_000);
  commit.resolve();
  await over;
  assertEquals(clock.nextAt, null);
});

Deno.test("a commit that fails, or is over, is no longer looked at", async () => {
  for (const error of [null, new Error("refused")]) {
    const { clock, commit, over } = watched();
    if (error === null) commit.resolve();
    else commit.reject(error);
    if (error === null) await over;
    else await assertRejects(() => over, Error, "refused");
    assertEquals(clock.nextAt, null);
  }
});
