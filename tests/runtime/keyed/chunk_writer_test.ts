import { assertEquals, assertThrows } from "@std/assert";
import { encodeValue } from "../../../src/core/value_codec.ts";
import { StepError } from "../../../src/core/errors.ts";
import type { KeyedLogic } from "../../../src/graph/keyed_logic.ts";
import type { StateChunk } from "../../../src/recovery/store.ts";
import { ChunkWriter } from "../../../src/runtime/keyed/chunk_writer.ts";
import { Journal } from "../../../src/runtime/journal.ts";

Deno.test("ChunkWriter refuses a state that is too large to be stored", () => {
  const chunks: StateChunk[] = [];
  const writer = new ChunkWriter("step", true, (chunk) => chunks.push(chunk), 1 << 20);
  writer.write(0, "small", "a");
  assertThrows(
    () => writer.write(1, "large", "b".repeat(3 << 19)),
    RangeError,
    "the state of the key takes 2 MiB, and no more than 1 MiB can be stored: keep less in one key",
  );
  assertEquals(chunks, []);
});

Deno.test("ChunkWriter takes a state of just the largest size", () => {
  const chunks: StateChunk[] = [];
  const state = "b".repeat(1000);
  const size = encodeValue(state).length;
  const writer = new ChunkWriter("step", true, (chunk) => chunks.push(chunk), size);
  writer.write(0, "key", state);
  writer.flush();
  assertEquals([...chunks[0].lengths], [size]);
});

Deno.test("Journal names step and key of a state that cannot be stored", () => {
  const journal = new Journal({ index: 0, count: 1 }, { firstId: 0, byKey: true }, () => {}, 1000);
  const logic = { id: 3, key: "user-17", isStored: false, snapshot: () => "b".repeat(2000) };
  const changes = {
    keys: { size: 0 },
    changed: 1,
    someChanged: () => null,
    takeForgotten: () => [],
    takeChanged: (each: (logic: KeyedLogic) => void) => each(logic as unknown as KeyedLogic),
  };
  const error = assertThrows(() => journal.snapshot(0, "totals", changes), StepError);
  assertEquals([error.stepId, error.item], ["totals", `{ key: "user-17" }`]);
});

Deno.test("Journal names step and partition of a position that cannot be stored", () => {
  const journal = new Journal({ index: 0, count: 1 }, { firstId: 0, byKey: true }, () => {}, 1000);
  const positions = new Map([["worker 0", "b".repeat(2000)]]);
  const error = assertThrows(() => journal.recordPositions(0, "in", "input", positions), StepError);
  assertEquals([error.stepId, error.item], ["in", `"worker 0"`]);
});

Deno.test("ChunkWriter counts the keys that it spells: a chunk of long ones stays small", () => {
  const chunks: StateChunk[] = [];
  const writer = new ChunkWriter("step", true, (chunk) => chunks.push(chunk));
  for (let id = 0; id < 100; id++) writer.write(id, `${id}${"k".repeat(1 << 20)}`, null);
  writer.flush();
  assertEquals(chunks.map(({ keys }) => keys!.length), [...Array(33).fill(3), 1]);
});
