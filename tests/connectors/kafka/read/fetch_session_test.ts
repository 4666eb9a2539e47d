import { assert, assertEquals } from "@std/assert";
import { FetchSession } from "../../../../src/connectors/kafka/read/fetch_session.ts";
import type { PartitionState } from "../../../../src/connectors/kafka/read/start.ts";

const SESSION = 7;

/** A connection to the broker. */
const connection = {};

function stateOf(partition: number, { topic = "t", topicId = "id" as string | null } = {}) {
  return {
    name: `${topic}-${partition}`,
    topic,
    topicId,
    partition,
    fetched: 10,
    maxBytes: 100,
  } as PartitionState;
}

/** A session with partitions, that the broker has answered once. */
function begun(...states: PartitionState[]): FetchSession {
  const session = new FetchSession(true);
  for (const state of states) session.add(state);
  session.next(connection);
  session.answered(SESSION);
  return session;
}

/** What the next request says: the partitions asked for, those forgotten, the session, its epoch. */
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

Deno.test("a fetch session asks for all partitions once, then for none as long as nothing changes", () => {
  const session = new FetchSession(true);
  session.add(stateOf(0));
  session.add(stateOf(1));
  const all = { asked: ["0@10", "1@10"], forgotten: [], id: 0, epoch: 0, isFull: true };
  assertEquals(next(session), all);
  session.answered(SESSION);
  const none = { asked: [], forgotten: [], id: SESSION, epoch: 1, isFull: false };
  assertEquals(next(session), none);
  session.answered(SESSION);
  assertEquals(next(session), { ...none, epoch: 2 });
});

Deno.test("a fetch session asks for what has moved, and for what is new", () => {
  const [first, second] = [stateOf(0), stateOf(1)];
  const session = begun(first, second);
  first.fetched = 12;
  session.touch(first);
  session.touch(second); // which has not moved
  session.add(stateOf(2));
  assertEquals(next(session).asked, ["0@12", "2@10"]);
  session.answered(SESSION);
  second.maxBytes = 200;
  session.touch(second);
  assertEquals(next(session).asked, ["1@10"]);
});

Deno.test("a fetch session forgets a partition, and takes nothing of it that comes later", () => {
  const [first, second] = [stateOf(0), stateOf(1)];
  const session = begun(first, second);
  session.remove(first);
  assertEquals(session.asked("t-0"), null);
  assertEquals(session.asked("t-1"), second);
  assertEquals(next(session), { asked: [], forgotten: [0], id: SESSION, epoch: 1, isFull: false });
  session.answered(SESSION);
  assertEquals(next(session).forgotten, []);
});

Deno.test("a fetch session takes no answer to what was asked before a partition went and came again", () => {
  const state = stateOf(0);
  const session = begun(state, stateOf(1));
  session.remove(state);
  state.fetched = 15; // by another broker
  session.add(state);
  assertEquals(session.asked("t-0"), null);
  const request = next(session);
  assertEquals([request.asked, request.forgotten], [["0@15"], []]);
  assertEquals(session.asked("t-0"), state);
  state.fetched = 17;
  assertEquals(session.asked("t-0"), null); // an answer from 15 on would repeat records
});

Deno.test("a fetch session begins again over another connection", () => {
  const session = begun(stateOf(0));
  assertEquals(next(session, {}), {
    asked: ["0@10"],
    forgotten: [],
    id: 0,
    epoch: 0,
    isFull: true,
  });
});

Deno.test("a fetch session begins again when the broker does not know it, or has another topic", () => {
  const session = begun(stateOf(0));
  for (const code of [70, 71, 106]) assert(session.isOver(code));
  assert(!session.isOver(6));
  session.reset();
  assert(!session.isOver(70), "it cannot be over before it has begun");
  assert(next(session).isFull);
  session.answered(SESSION);
  session.add(stateOf(1, { topic: "other", topicId: null })); // goes by names, as all do then
  assertEquals(next(session), {
    asked: ["0@10", "1@10"],
    forgotten: [],
    id: 0,
    epoch: 0,
    isFull: true,
  });
});

Deno.test("without a session, every request asks for all, each in its turn first", () => {
  for (const isKept of [true, false]) {
    const session = new FetchSession(isKept);
    for (const partition of [0, 1, 2]) session.add(stateOf(partition));
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
