import { assertEquals, assertThrows } from "@std/assert";
import { ExchangeNumbers } from "../../../src/runtime/group/exchange_numbers.ts";
import {
  decodeShuffleBatch,
  encodeShuffleBatch,
  itemsOf,
} from "../../../src/runtime/group/shuffle_batch.ts";
import { encodeFrame, type Frame } from "../../../src/runtime/exchange/frames.ts";
import { taskId } from "../../../src/core/task_id.ts";

const TASK = taskId("in", 3);

function batchOf(...frames: readonly Frame[]): Uint8Array {
  return encodeShuffleBatch(TASK, frames.map(encodeFrame));
}

const items = (exchange: number, count: number): Frame => ({
  kind: "batch",
  exchange,
  count,
  items: new Uint8Array(count),
});

Deno.test("items come to the same exchange after others were added and taken out", () => {
  const before = new ExchangeNumbers([{ number: 7 }, { number: 60_000 }]);
  const after = new ExchangeNumbers([{ number: 5 }, { number: 60_000 }, { number: 9 }]);
  const inLog = before.toLog(
    batchOf(items(1, 3), { kind: "idle", exchange: 0 }, items(1, 2), {
      kind: "active",
      exchange: 1,
    }),
  );
  assertEquals(itemsOf(inLog), new Map([[60_000, 5]]));
  const kept = structuredClone(inLog);
  const { task, frames } = decodeShuffleBatch(after.fromLog(inLog));
  assertEquals(task, TASK);
  assertEquals(frames, [items(1, 3), items(1, 2), { kind: "active", exchange: 1 }]);
  assertEquals(inLog, kept); // others may read it too
});

Deno.test("items of an exchange that is gone are an error", () => {
  const inLog = new ExchangeNumbers([{ number: 7 }]).toLog(batchOf(items(0, 1)));
  const other = new ExchangeNumbers([{ number: 8 }]);
  assertThrows(
    () => other.fromLog(inLog),
    Error,
    "sent items to an exchange that this flow does not",
  );
});

Deno.test("a batch in which nothing is left is still one", () => {
  const inLog = new ExchangeNumbers([{ number: 7 }]).toLog(batchOf({ kind: "idle", exchange: 0 }));
  const { frames } = decodeShuffleBatch(new ExchangeNumbers([]).fromLog(inLog));
  assertEquals(frames, []);
});
