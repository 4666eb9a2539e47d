import { assertEquals, assertThrows } from "@std/assert";
import {
  decodePositions,
  encodePositions,
  readOffsets,
} from "../../../src/connectors/kafka_tasks/positions.ts";
import {
  parseStateKey,
  positionsRecord,
  stateRecords,
} from "../../../src/connectors/kafka_tasks/state_records.ts";
import { taskId } from "../../../src/core/task_id.ts";
import { encodeValue } from "../../../src/core/value_codec.ts";
import { SHUFFLE_STEP } from "../../../src/group/log.ts";
import type { StateChunk, StoredPosition } from "../../../src/recovery/store.ts";

const text = (bytes: Uint8Array | null) => bytes === null ? null : new TextDecoder().decode(bytes);
const bytes = (text: string) => new TextEncoder().encode(text);

function position(step: string, partition: string, value: unknown): StoredPosition {
  return { role: "input", step, partition, state: encodeValue(value) };
}

Deno.test("the offsets of a task are those of its partitions, and of its shard", () => {
  const positions: StoredPosition[] = [
    position(SHUFFLE_STEP, SHUFFLE_STEP, 12n),
    position("a", "new-orders-3", { offset: 7n, topicId: "id" }),
    position("b", "new-orders-3", { offset: 5n, topicId: "id" }),
    position("a", "late-3", { unread: true }),
    { ...position("a", "orders-3", 4n), role: "output" },
  ];
  assertEquals([...readOffsets("app", taskId("keyed", 3), positions)], [
    ["app.keyed.shuffle-3", { topic: "app.keyed.shuffle", partition: 3, offset: 12n }],
    ["new-orders-3", { topic: "new-orders", partition: 3, offset: 5n }],
  ]);
});

Deno.test("positions are read as they were written, and those of a later version are refused", () => {
  const positions = [position("a", "orders-3", { offset: 7n }), position("", "", 2n)];
  assertEquals(decodePositions(encodePositions(positions)), positions);
  assertThrows(() => decodePositions(encodeValue([2, []])), Error, "version 2");
});

Deno.test("a changelog gets each key once, with its last state", () => {
  const chunk = (step: string, keys: string[], states: (string | null)[]): StateChunk => ({
    step,
    keys,
    ids: Float64Array.from(keys, (_, id) => id),
    states: bytes(states.map((state) => state ?? "").join("")),
    lengths: Int32Array.from(states, (state) => state?.length ?? -1),
  });
  const chunks = [
    chunk("count", ["k", "\ud800"], ["old", "lone"]),
    chunk("count", ["k", "gone"], ["new", null]),
    chunk("sum", ["k"], ["other"]),
  ];
  const records = [...stateRecords(chunks, 5)];
  assertEquals(records.map(({ key, value }) => [text(key), text(value)]), [
    ['["count","k"]', "new"],
    ['["count","\\ud800"]', "lone"],
    ['["count","gone"]', null],
    ['["sum","k"]', "other"],
  ]);
  assertEquals(records.map(({ key }) => parseStateKey(key)), [
    ["count", "k"],
    ["count", "\ud800"],
    ["count", "gone"],
    ["sum", "k"],
  ]);
  assertThrows(() => [...stateRecords([{ ...chunks[0], keys: null }], 5)], TypeError, '"count"');
});

Deno.test("the positions in a changelog are not taken for a key of a step", () => {
  assertEquals(parseStateKey(positionsRecord([], 5).key), null);
  assertEquals(parseStateKey(bytes('["positions",""]')), ["positions", ""]);
  for (const key of [null, bytes(""), bytes("no JSON"), bytes('["a"]'), bytes('["a","b","c"]')]) {
    assertThrows(() => parseStateKey(key));
  }
});
