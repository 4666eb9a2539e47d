import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  LARGEST_PARTITION_BYTES,
  type PartitionCursor,
} from "../../../../src/connectors/kafka/read/partition_cursor.ts";
import { markOf } from "../../../../src/connectors/kafka/read/record_mark.ts";
import { Unrecoverable } from "../../../../src/connectors/kafka/read/unrecoverable.ts";
import { cursorAt, fetchTo } from "../../../support/kafka/cursor_at.ts";

const record = (offset: number) => ({
  offset,
  timestamp: 1_700_000_000_000,
  key: null,
  value: new Uint8Array([offset]),
  headers: [],
});

/** The same cursor, which no broker fetches. */
function released(cursor: PartitionCursor): PartitionCursor {
  cursor.release();
  return cursor;
}

Deno.test("a cursor stores the position of what was handed out, not of what waits for the flow", () => {
  const cursor = cursorAt(5, { topicId: "id" });
  assertEquals(cursor.took(5, 8), { from: 5, next: 8 });
  assertEquals(cursor.took(8, 12), { from: 8, next: 12 });
  assertEquals([cursor.fetched, cursor.position], [12, { offset: 5n, topicId: "id" }]);
  cursor.handOut(record(6));
  assertEquals(cursor.position, { offset: 7n, topicId: "id" });
  cursor.finish(); // the last record of the range was not for us
  assertEquals(cursor.handedOut, 8);
  cursor.handOut(record(11));
  cursor.finish();
  assertEquals(cursor.position, { offset: 12n, topicId: "id" });
});

Deno.test("a cursor without an end is caught up once it has fetched all records of a broker", () => {
  const cursor = cursorAt(5);
  assertEquals(cursor.state, "behind");
  cursor.sawHighWatermark(6);
  assertEquals(cursor.state, "behind");
  fetchTo(cursor, 6);
  cursor.sawHighWatermark(6);
  assertEquals(cursor.state, "caught up");
  cursor.doubt();
  assertEquals(cursor.state, "behind");
  cursor.sawHighWatermark(6);
  cursor.release();
  assertEquals(cursor.state, "behind", "nobody knows what it has while no broker fetches it");
});

Deno.test("a cursor with an end is never caught up before the end is fetched, whatever brokers say", () => {
  const cursor = cursorAt(5, { end: 9 });
  cursor.sawHighWatermark(5); // a new leader that does not know better yet
  assertEquals(cursor.state, "behind");
  fetchTo(cursor, 9);
  assertEquals(cursor.state, "ended");
  cursor.doubt();
  cursor.sawHighWatermark(20);
  assertEquals(cursor.state, "ended");
});

for (const start of [9, 12]) {
  Deno.test(`a cursor that begins at ${start} with its end at 9 has ended`, () => {
    const cursor = cursorAt(start, { end: 9 });
    assertEquals([cursor.state, cursor.progress], ["ended", { done: 0, total: 0 }]);
  });
}

Deno.test("a cursor knows how much the flow has not been given, once a broker has told", () => {
  const cursor = cursorAt(5);
  assertEquals(cursor.lag, null);
  cursor.sawHighWatermark(12);
  assertEquals(cursor.lag, 7);
  cursor.took(5, 12);
  assertEquals(cursor.lag, 7, "what waits for the flow is not read yet");
  assertEquals(cursor.handedOutTime, null);
  cursor.handOut(record(9));
  assertEquals([cursor.lag, cursor.handedOutTime], [2, record(9).timestamp]);
  cursor.sawHighWatermark(11); // a new leader that does not know better yet
  assertEquals(cursor.lag, 2);
  assertEquals(cursorAt(5, { end: 9 }).lag, 4);
});

Deno.test("a cursor returns its progress if it has an end", () => {
  assertEquals(cursorAt(5).progress, null);
  const cursor = cursorAt(5, { end: 9 });
  fetchTo(cursor, 8);
  assertEquals(cursor.progress, { done: 0, total: 4 });
  cursor.handOut(record(6));
  assertEquals(cursor.progress, { done: 2, total: 4 });
  cursor.finish();
  released(cursor).shorten(7);
  assertEquals(cursor.progress, { done: 2, total: 2 });
});

for (const to of [0, 50]) {
  Deno.test(`a cursor that jumps from 8 to ${to} stores that after what waited before`, () => {
    const cursor = cursorAt(5);
    fetchTo(cursor, 8);
    cursor.release();
    assertEquals(cursor.jump(to), { from: to, next: to });
    assertEquals([cursor.fetched, cursor.handedOut], [to, 5]);
    cursor.handOut(record(7));
    cursor.finish();
    assertEquals(cursor.handedOut, 8);
    cursor.finish();
    assertEquals(cursor.handedOut, to);
    cursor.assign(1);
    fetchTo(cursor, to + 2);
    cursor.handOut(record(to));
    assertEquals(cursor.handedOut, to + 1);
  });
}

Deno.test("a cursor whose partition has become shorter ends there, and never later than before", () => {
  const cursor = released(cursorAt(5, { end: 9 }));
  cursor.shorten(20);
  assertEquals([cursor.end, cursor.state], [9, "behind"]);
  cursor.shorten(6);
  assertEquals([cursor.end, cursor.state], [6, "behind"]);
  cursor.shorten(3);
  assertEquals([cursor.end, cursor.state], [3, "ended"]);
});

Deno.test("a cursor asks for more until a batch comes, up to 64 MiB", () => {
  const cursor = cursorAt(0, { maxBytes: 24 << 20 });
  cursor.askForMore();
  assertEquals(cursor.maxBytes, 48 << 20);
  cursor.askForMore();
  assertEquals(cursor.maxBytes, LARGEST_PARTITION_BYTES);
  fetchTo(cursor, 1);
  assertEquals(cursor.maxBytes, 24 << 20);
});

Deno.test("a cursor requests as much as it is told to, but not less than a batch needs", () => {
  const cursor = cursorAt(0, { maxBytes: 100 });
  cursor.request(50);
  assertEquals(cursor.maxBytes, 50);
  cursor.askForMore();
  cursor.request(60);
  assertEquals(cursor.maxBytes, 100);
  fetchTo(cursor, 1);
  assertEquals(cursor.maxBytes, 60);
});

Deno.test("without topic ids, a cursor stores a record that is known to be of its topic", () => {
  const before = markOf(record(4));
  const cursor = cursorAt(5, { lastRecord: before });
  assertEquals(cursor.position, { offset: 5n, record: before });
  fetchTo(cursor, 9);
  cursor.handOut(record(6));
  cursor.handOut(record(8));
  const [first, newest] = [markOf(record(6)), markOf(record(8))];
  assertEquals(cursor.marks, { recognisedBy: before, lastRecord: newest });
  assertEquals(cursor.position, { offset: 9n, record: first });
  cursor.confirm(newest); // its topic still has the one before
  assertEquals(cursor.position, { offset: 9n, record: newest });
});

Deno.test("a cursor whose topic is another one now still hands out what waits", () => {
  const cursor = cursorAt(5);
  fetchTo(cursor, 8);
  released(cursor).retire();
  cursor.handOut(record(5));
  cursor.finish();
  assertEquals([cursor.state, cursor.handedOut], ["retired", 8]);
});

Deno.test("a cursor calls its observer at each change of state, and at no other move", () => {
  const moves: string[] = [];
  const cursor = cursorAt(0, { end: null });
  cursor.observe((from, to) => moves.push(`${from} → ${to}`));
  fetchTo(cursor, 1);
  cursor.doubt();
  cursor.sawHighWatermark(1);
  cursor.sawHighWatermark(1);
  cursor.release();
  cursor.retire();
  assertEquals(moves, ["behind → caught up", "caught up → behind", "behind → retired"]);
});

/** What must not happen, and the error for it. */
const ILLEGAL: readonly [what: string, move: () => void, says: string][] = [
  [
    "goes to a second broker",
    () => cursorAt(5).assign(1),
    "cannot go to broker 1 while broker 0 fetches it",
  ],
  ["is fetched after its end", () => {
    const cursor = cursorAt(5, { end: 9 });
    fetchTo(cursor, 9);
    cursor.release();
    cursor.assign(1);
  }, "cannot be fetched, as it has ended"],
  [
    "takes what no broker fetches",
    () => fetchTo(released(cursorAt(5)), 6),
    "took records, and no broker fetches it",
  ],
  [
    "takes an answer to an older request",
    () => {
      const cursor = cursorAt(5);
      fetchTo(cursor, 8);
      cursor.took(5, 8);
    },
    "took records from offset 5 on",
  ],
  ["takes less than nothing", () => cursorAt(5).took(5, 4), "cannot go back to offset 4"],
  ["takes what is after its end", () => cursorAt(5, { end: 9 }).took(5, 10), "as it ends before 9"],
  [
    "asks for more where nobody is asked",
    () => released(cursorAt(5)).askForMore(),
    "asked for more, and no broker fetches it",
  ],
  [
    "jumps while it is fetched",
    () => cursorAt(5).jump(7),
    "cannot jump to offset 7 while broker 0 fetches it",
  ],
  [
    "jumps after its end",
    () => {
      const cursor = cursorAt(5, { end: 9 });
      fetchTo(cursor, 9);
      released(cursor).jump(7);
    },
    "cannot jump to offset 7",
  ],
  [
    "becomes shorter while it is fetched",
    () => cursorAt(5, { end: 9 }).shorten(7),
    "cannot end at offset 7 while broker 0 fetches it",
  ],
  [
    "becomes shorter without an end",
    () => released(cursorAt(5)).shorten(7),
    "cannot end at offset 7: it has no end",
  ],
  ["hands out what has not come", () => cursorAt(5).handOut(record(5)), "has nothing to hand out"],
  ["finishes what has not come", () => cursorAt(5).finish(), "has nothing to hand out"],
  ["hands out a record twice", () => {
    const cursor = cursorAt(5);
    fetchTo(cursor, 8);
    cursor.handOut(record(6));
    cursor.handOut(record(6));
  }, "cannot hand out offset 6, which is not in 7 to 7"],
  ["hands out a record of a later range", () => {
    const cursor = cursorAt(5);
    fetchTo(cursor, 8);
    fetchTo(cursor, 9);
    cursor.handOut(record(8));
  }, "cannot hand out offset 8, which is not in 5 to 7"],
  [
    "is retired while it is fetched",
    () => cursorAt(5).retire(),
    "cannot be retired while broker 0",
  ],
  [
    "is observed twice",
    () => {
      const cursor = cursorAt(5);
      cursor.observe(() => {});
      cursor.observe(() => {});
    },
    "is observed already",
  ],
];

for (const [what, move, says] of ILLEGAL) {
  Deno.test(`a cursor that ${what} is an error that ends the run`, () => {
    const error = assertThrows(move, Unrecoverable, says);
    assert(error.message.startsWith('topic "topic", partition 0 ('), error.message);
  });
}

for (
  const [what, move] of Object.entries<(cursor: PartitionCursor) => void>({
    "assign": (cursor) => cursor.assign(0),
    "release": (cursor) => cursor.release(),
    "doubt": (cursor) => cursor.doubt(),
    "sawHighWatermark": (cursor) => cursor.sawHighWatermark(5),
    "took": (cursor) => cursor.took(5, 6),
    "jump": (cursor) => cursor.jump(6),
    "shorten": (cursor) => cursor.shorten(6),
    "confirm": (cursor) => cursor.confirm(null),
    "retire": (cursor) => cursor.retire(),
  })
) {
  Deno.test(`a cursor that is retired throws at ${what}()`, () => {
    const cursor = released(cursorAt(5));
    cursor.retire();
    assertThrows(() => move(cursor), Unrecoverable, "(retired, at offset 5)");
  });
}
