import { assertEquals } from "@std/assert";
import { createLog } from "../../../src/core/log.ts";
import { ProgressLog } from "../../../src/runtime/process/progress_log.ts";
import { TestClock } from "../../support/clock/test_clock.ts";

/** A log of progress whose lines a test can read. */
class Progress {
  readonly clock = new TestClock(5_000);
  readonly #lines: string[] = [];
  readonly #log = new ProgressLog(
    createLog((level, message, fields) => {
      this.#lines.push(`${level} ${message} ${JSON.stringify(fields)}`);
    }),
    () => this.clock.now(),
  );

  /** Start-up takes `ms` milliseconds. */
  startsFor(ms: number): void {
    this.clock.advance(ms);
    this.#log.begun();
  }

  /**
   * Time goes by, then workers have read this many items, and written half. Returns the lines of
   * log.
   */
  after(ms: number, items: number[], waitingFor: string[] = []): string[] {
    this.clock.advance(ms);
    const workers = items.map((n, worker) => ({ worker, in: n, out: n / 2 }));
    this.#log.update({ steps: [], progress: null, waitingFor, workers });
    return this.#lines.splice(0);
  }
}

Deno.test("ProgressLog writes a line for each worker every ten seconds, with items and rate", () => {
  const progress = new Progress();
  assertEquals(progress.after(9_999, [900, 90]), []);
  assertEquals(progress.after(1, [1_000, 100]), [
    `info progress {"worker":0,"in":1000,"out":500,"perSecond":100}`,
    `info progress {"worker":1,"in":100,"out":50,"perSecond":10}`,
  ]);
  assertEquals(progress.after(9_999, [1_004, 100]), []);
});

Deno.test("ProgressLog takes the rate since its last line, by the time that it really was", () => {
  const progress = new Progress();
  progress.after(10_000, [1_000]);
  progress.after(5_000, [5_000]);
  assertEquals(progress.after(15_000, [7_005]), [
    `info progress {"worker":0,"in":7005,"out":3502.5,"perSecond":300}`,
  ]);
  assertEquals(progress.after(20_000, [7_005]), [
    `info progress {"worker":0,"in":7005,"out":3502.5,"perSecond":0}`,
  ]);
});

Deno.test("ProgressLog says what the run waits for", () => {
  const progress = new Progress();
  assertEquals(progress.after(10_000, [20], ["broker", "disk"]), [
    `info progress {"worker":0,"in":20,"out":10,"perSecond":2,"waitingFor":"broker,disk"}`,
  ]);
});

Deno.test("ProgressLog gives no negative rate after a restart, which counts from zero", () => {
  const progress = new Progress();
  progress.after(10_000, [1_000]);
  assertEquals(progress.after(10_000, [40]), [
    `info progress {"worker":0,"in":40,"out":20,"perSecond":0}`,
  ]);
  assertEquals(progress.after(10_000, [140]), [
    `info progress {"worker":0,"in":140,"out":70,"perSecond":10}`,
  ]);
});

Deno.test("ProgressLog does not count start-up time in its first rate", () => {
  const progress = new Progress();
  progress.startsFor(9_000);
  assertEquals(progress.after(9_999, [1]), []);
  assertEquals(progress.after(1, [1_000]), [
    `info progress {"worker":0,"in":1000,"out":500,"perSecond":100}`,
  ]);
});
