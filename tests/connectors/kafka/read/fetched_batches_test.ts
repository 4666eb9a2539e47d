import { assertEquals, assertThrows } from "@std/assert";
import { Buffer } from "node:buffer";
import { crc32c } from "../../../../src/connectors/kafka/wire/crc32c.ts";
import { FetchedBatches } from "../../../../src/connectors/kafka/read/fetched_batches.ts";
import { cursorAt, fetchTo } from "../../../support/kafka/cursor_at.ts";
import { storedBytes } from "../../../support/kafka/wire_bytes.ts";
import { fetched, recordAt } from "../../../support/kafka/scripted_kafka.ts";

const MIB = 1 << 20;

/** The offsets of the batches in an answer to a request for everything from `from` on. */
function offsetsOf(batches: Buffer[], { from = 0, end = 100 } = {}): number[] {
  const answer = fetched({ highWatermark: end, records: Buffer.concat(batches) });
  return new FetchedBatches(true).of(answer, cursorAt(from))
    .map(({ baseOffset }) => baseOffset);
}

const withLength = (bytes: Buffer, length: number) => {
  bytes.writeInt32BE(length, 8);
  return bytes;
};

Deno.test("batches come in order, and may have gaps between them", () => {
  assertEquals(offsetsOf([3, 4, 9].map((at) => recordAt(at)), { from: 3 }), [3, 4, 9]);
});

Deno.test("batches before a damaged one can be read, and that one is an error the next time", () => {
  const flipped = recordAt(5);
  flipped[70] ^= 1;
  const others = {
    "a flipped bit": flipped,
    "a negative length": withLength(recordAt(5), -12),
    "a length of nothing": withLength(recordAt(5), 0),
    "a length below that of a header": withLength(recordAt(5), 48),
  };
  for (const [what, bad] of Object.entries(others)) {
    assertEquals(offsetsOf([recordAt(3), bad, recordAt(6)], { from: 3 }), [3], what);
    assertThrows(() => offsetsOf([bad, recordAt(3)], { from: 4 }), Error, "damaged", what);
  }
});

Deno.test("batches that end before the requested offset are damage, as they would come again", () => {
  assertThrows(
    () => offsetsOf([recordAt(3)], { from: 4 }),
    Error,
    "the batch at offset 4 is damaged: what came for it ends at offset 3",
  );
  assertThrows(() => offsetsOf([recordAt(3), recordAt(4)], { from: 4 }), Error, "damaged");
  assertThrows(() => offsetsOf([recordAt(-5)]), Error, "damaged");
});

/** A batch of ten records whose header has a wrong offset, which the checksum does not cover. */
const tenAt = (base: number, lastDelta = 9): Buffer => {
  const records = Array.from({ length: 10 }, (_, i) => ({
    key: null,
    value: Buffer.from(`${i}`),
    headers: [],
    timestamp: 1_700_000_000_000,
  }));
  const batch = storedBytes(BigInt(base), records);
  batch.writeInt32BE(lastDelta, 23);
  batch.writeUInt32BE(crc32c(batch, 21), 17);
  return batch;
};

for (
  const { what, batches, before, error } of [
    ...[-25, -10, -5, -1].map((by) => ({
      what: `the third begins ${-by} too early`,
      batches: [0, 10, 20 + by, 30, 40].map((at) => tenAt(at)),
      before: [0],
      error: `the batch at offset 10 is damaged: it ends at offset 19, but the batch after it ` +
        `begins at offset ${20 + by},`,
    })),
    ...[1, 5, 10, 15, 1000].map((by) => ({
      what: `the third begins ${by} too late`,
      batches: [0, 10, 20 + by, 30, 40].map((at) => tenAt(at)),
      before: [0, 10],
      error: `the batch at offset ${20 + by} is damaged: it ends at offset ${29 + by}, but the ` +
        "batch after it begins at offset 30,",
    })),
    ...[1, 5].map((by) => ({
      what: `the third says that it goes ${by} further`,
      batches: [tenAt(0), tenAt(10), tenAt(20, 9 + by), tenAt(30)],
      before: [0, 10],
      error: `the batch at offset 20 is damaged: it ends at offset ${29 + by}, but the batch ` +
        "after it begins at offset 30,",
    })),
    {
      what: "a batch comes twice",
      batches: [tenAt(0), tenAt(0), tenAt(10)],
      before: [],
      error: "the batch at offset 0 is damaged",
    },
    {
      what: "the first begins too late",
      batches: [tenAt(5), tenAt(10)],
      before: [],
      error: "the batch at offset 5 is damaged",
    },
    {
      what: "the one after the overlap is cut off",
      batches: [tenAt(0), tenAt(15), tenAt(20).subarray(0, 30)],
      before: [0],
      error: "the batch at offset 15 is damaged",
    },
  ]
) {
  Deno.test(`batches that overlap are damage, and neither is read: ${what}`, () => {
    const fetchedBatches = new FetchedBatches(true);
    const asked = cursorAt(0);
    const read = (each: Buffer[]) =>
      fetchedBatches.of(fetched({ highWatermark: 2_000, records: Buffer.concat(each) }), asked);
    if (before.length > 0) {
      const certain = read(batches);
      assertEquals(certain.map(({ baseOffset }) => baseOffset), before);
      fetchTo(asked, certain.at(-1)!.lastOffset + 1);
    }
    assertThrows(() => read(batches.slice(before.length)), Error, error);
    // The broker may send just one of them the next time.
    assertThrows(
      () => read(batches.slice(before.length).slice(0, before.length > 0 ? 1 : 2)),
      Error,
      error,
    );
  });
}

Deno.test("a batch beyond the high watermark is requested again, and is damage if that stays", () => {
  const asked = cursorAt(3);
  const batches = new FetchedBatches(true);
  const read = (end: number) => {
    const records = Buffer.concat([recordAt(3), recordAt(4)]);
    return batches.of(fetched({ highWatermark: end, records }), asked).length;
  };
  assertEquals(read(4), 1, "the one below it");
  for (let round = 0; round < 10; round++) {
    // The end in an answer may be older than records that were written while the broker read.
    for (let times = 0; times < 4; times++) assertEquals(read(3), 0);
    assertEquals(read(5), 2);
  }
  for (let times = 0; times < 4; times++) assertEquals(read(3), 0);
  assertThrows(
    () => read(3),
    Error,
    "the batch at offset 3 is damaged: it ends at offset 3, and its partition before offset 3",
  );
});

Deno.test("a batch that is cut off is requested with twice the size, up to 64 MiB", () => {
  const bytes = withLength(recordAt(3), 1_000);
  const answer = fetched({ highWatermark: 100, records: bytes });
  const asked = cursorAt(3);
  const batches = new FetchedBatches(true);
  for (let most = 2; most <= 64; most *= 2) {
    assertEquals(batches.of(answer, asked), []);
    assertEquals(asked.maxBytes, most * MIB);
  }
  assertThrows(
    () => batches.of(answer, asked),
    Error,
    `the batch at offset 3 is damaged: of its 1012 bytes, ${bytes.length} came though 67108864 ` +
      "were asked for",
  );
});
