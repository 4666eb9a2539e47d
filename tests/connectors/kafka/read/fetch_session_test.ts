import { assert, assertEquals } from "@std/assert";
import { FetchSession } from "../../../../src/connectors/kafka/read/fetch_session.ts";
import type { PartitionCursor } from "../../../../src/connectors/kafka/read/partition_cursor.ts";
import { cursorAt, fetchTo } from "../../../support/kafka/cursor_at.ts";

const SESSION = 7;

/** A connection to the broker. */
const connection = {};

const cursorOf = (partition: number, { topic = "t", topicId = "id" as string | null } = {}) =>
  cursorAt(10, { topic, topicId, partition, maxBytes: 100 });

/** A session with partitions that the broker has answered once. */
function begun(...cursors: PartitionCursor[]): FetchSession {
  const session = new FetchSession(true);
  for (const cursor of cursors) session.add(cursor);
  session.next(connection);
  session.answered(SESSION);
  return session;
}

/** The next request: the partitions requested and forgotten, the session, and its epoch. */
function next(session: FetchSession, over: unknown = connection) {
  const { asked, session: { id, epoch, forgotten }, isFull } = session.next(over);
  const offsets = asked.map(({ partition, offset }) => `${partition}@${offset}`);
  return {
    asked: offsets,
    forgotten: forgotten.map(({ partition }) => partition),
    id,
    epoch,
    isFull,
  };
}

Deno.test("a fetch session requests all partitions once, and then none until something changes", () => {
  const session = new FetchSession(true);
  session.add(cursorOf(0));
  session.add(cursorOf(1));
  const all = { asked: ["0@10", "1@10"], forgotten: [], id: 0, epoch: 0, isFull: true };
  assertEquals(next(session), all);
  session.answered(SESSION);
  const none = { asked: [], forgotten: [], id: SESSION, epoch: 1, isFull: false };
  assertEquals(next(session), none);
  session.answered(SESSION);
  assertEquals(next(session), { ...none, epoch: 2 });
});

Deno.test("a fetch session requests partitions that have moved, and new ones", () => {
  const [first, second] = [cursorOf(0), cursorOf(1)];
  const session = begun(first, second);
  fetchTo(first, 12);
  session.touch(first);
  session.touch(second); // which has not moved
  session.add(cursorOf(2));
  assertEquals(next(session).asked, ["0@12", "2@10"]);
  session.answered(SESSION);
  second.askForMore();
  session.touch(second);
  assertEquals(next(session).asked, ["1@10"]);
});

Deno.test("a fetch session forgets a partition, and ignores later answers for it", () => {
  const [first, second] = [cursorOf(0), cursorOf(1)];
  const session = begun(first, second);
  session.remove(first);
  assertEquals(session.asked("t-0"), null);
  assertEquals(session.asked("t-1"), second);
  assertEquals(next(session), { asked: [], forgotten: [0], id: SESSION, epoch: 1, isFull: false });
  session.answered(SESSION);
  assertEquals(next(session).forgotten, []);
});

Deno.test("a fetch session leaves a held partition out, in a new session too, until it is resumed", () => {
  const [first, second] = [cursorOf(0), cursorOf(1)];
  const session = begun(first, second);
  session.hold(first);
  session.hold(first); // which changes nothing
  assertEquals([session.size, session.heldCount], [2, 1]);
  assertEquals([session.asked("t-0"), session.has(first)], [null, true]);
  session.touch(first);
  assertEquals(next(session), { asked: [], forgotten: [0], id: SESSION, epoch: 1, isFull: false });
  session.reset();
  assertEquals(next(session).asked, ["1@10"]);
  session.answered(SESSION);
  fetchTo(first, 12);
  session.resume(first);
  assertEquals(next(session), {
    asked: ["0@12"],
    forgotten: [],
    id: SESSION,
    epoch: 1,
    isFull: false,
  });
  assertEquals([session.asked("t-0"), session.heldCount], [first, 0]);
});

Deno.test("a fetch session does not forget a partition that is resumed before the next request", () => {
  const cursor = cursorOf(0);
  const session = begun(cursor);
  session.hold(cursor);
  session.resume(cursor);
  assertEquals(next(session), {
    asked: ["0@10"],
    forgotten: [],
    id: SESSION,
    epoch: 1,
    isFull: false,
  });
  session.hold(cursor);
  session.remove(cursor);
  assertEquals([session.size, session.heldCount, next(session).forgotten], [0, 0, [0]]);
});

Deno.test("a fetch session ignores answers from before a partition was removed and added again", () => {
  const cursor = cursorOf(0);
  const session = begun(cursor, cursorOf(1));
  session.remove(cursor);
  fetchTo(cursor, 15); // by another broker
  session.add(cursor);
  assertEquals(session.asked("t-0"), null);
  const request = next(session);
  assertEquals([request.asked, request.forgotten], [["0@15"], []]);
  assertEquals(session.asked("t-0"), cursor);
  fetchTo(cursor, 17);
  assertEquals(session.asked("t-0"), null); // an answer from 15 on would repeat records
});

Deno.test("a fetch session begins again over another connection", () => {
  const session = begun(cursorOf(0));
  assertEquals(next(session, {}), {
    asked: ["0@10"],
    forgotten: [],
    id: 0,
    epoch: 0,
    isFull: true,
  });
});

Deno.test("a fetch session begins again when the broker does not know it, or has another topic", () => {
  const session = begun(cursorOf(0));
  for (const code of [70, 71, 106]) assert(session.isOver(code));
  assert(!session.isOver(6));
  session.reset();
  assert(!session.isOver(70), "it cannot be over before it has begun");
  assert(next(session).isFull);
  session.answered(SESSION);
  session.add(cursorOf(1, { topic: "other", topicId: null })); // goes by names, as all do then
  assertEquals(next(session), {
    asked: ["0@10", "1@10"],
    forgotten: [],
    id: 0,
    epoch: 0,
    isFull: true,
  });
});

Deno.test("without a session, every request names all partitions, each time with another one first", () => {
  for (const isKept of [true, false]) {
    const session = new FetchSession(isKept);
    for (const partition of [0, 1, 2]) session.add(cursorOf(partition));
    const requests = [1, 2, 3].map(() => {
      const request = next(session);
      session.answered(0); // the broker keeps none
      return request;
    });
    assertEquals(requests.map(({ asked: [first] }) => first), ["0@10", "1@10", "2@10"]);
    assert(
      requests.every(({ epoch, isFull, asked }) =>
        epoch === (isKept ? 0 : -1) && isFull && asked.length === 3
      ),
    );
  }
});
