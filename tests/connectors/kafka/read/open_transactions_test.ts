import { assertEquals } from "@std/assert";
import { createLog } from "../../../../src/core/log.ts";
import { OpenTransactions } from "../../../../src/connectors/kafka/read/open_transactions.ts";
import { cursorAt } from "../../../support/kafka/cursor_at.ts";
import { fetched } from "../../../support/kafka/scripted_kafka.ts";

function watch() {
  let now = 0;
  const lines: unknown[] = [];
  const log = createLog((level, message, fields) => lines.push([level, message, fields]));
  const transactions = new OpenTransactions(log, () => now);
  return {
    /** What is logged at `at`, when nothing came at an offset. */
    look(at: number, fetchedTo: number, stable: number, written: number): unknown[] {
      now = at;
      transactions.nothingCame(
        cursorAt(fetchedTo, { partition: 3 }),
        fetched({ highWatermark: written, lastStableOffset: stable }),
      );
      return lines.splice(0);
    },
  };
}

const warning = (offset: number, seconds: number) => [
  "warn",
  "a transaction has been open for long: what follows it cannot be read until it ends",
  { topic: "topic", partition: 3, offset, seconds },
];

Deno.test("a transaction that is open for a minute causes one warning, with topic, partition and offset", () => {
  const { look } = watch();
  assertEquals(look(0, 7, 7, 9), []);
  assertEquals(look(59_999, 7, 7, 20), []);
  assertEquals(look(60_000, 7, 7, 20), [warning(7, 60)]);
  assertEquals(look(120_000, 7, 7, 20), []);
});

Deno.test("each transaction has a minute of its own", () => {
  const { look } = watch();
  look(0, 7, 7, 9);
  look(50_000, 12, 12, 15);
  assertEquals(look(109_000, 12, 12, 15), []);
  assertEquals(look(110_000, 12, 12, 15), [warning(12, 60)]);
  look(120_000, 16, 16, 16); // all has been read
  look(130_000, 16, 16, 17);
  assertEquals(look(189_000, 16, 16, 17), []);
  assertEquals(look(191_000, 16, 16, 17), [warning(16, 61)]);
});

Deno.test("a partition without more records, or with readable ones, causes no warning", () => {
  const { look } = watch();
  for (const at of [0, 60_000, 120_000]) {
    assertEquals(look(at, 9, 9, 9), []);
    assertEquals(look(at, 5, 9, 9), []);
  }
});
