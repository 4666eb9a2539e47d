import { assertEquals, assertThrows } from "@std/assert";
import { Buffer } from "node:buffer";
import { FetchedBatches } from "../../../src/connectors/kafka/fetched_batches.ts";
import { fetched, recordAt } from "../../support/scripted_kafka.ts";

const MIB = 1 << 20;

/** The offsets of the batches in an answer to a request for everything from `from` on. */
function offsetsOf(batches: Buffer[], { from = 0, end = 100 } = {}): number[] {
  const answer = fetched({ highWatermark: end, records: Buffer.concat(batches) });
  return new FetchedBatches(true).of(answer, { fetched: from, maxBytes: MIB })
    .map(({ baseOffset }) => baseOffset);
}

const withLength = (bytes: Buffer, length: number) => {
  bytes.writeInt32BE(length, 8);
  return bytes;
};

Deno.test("batches come in order, and may have gaps between them", () => {
  assertEquals(offsetsOf([3, 4, 9].map((at) => recordAt(at)), { from: 3 }), [3, 4, 9]);
});

Deno.test("what comes before a damaged batch can be read, and that one is damaged the next time", () => {
  const flipped = recordAt(5);
  flipped[70] ^= 1;
  const others = {
    "a flipped bit": flipped,
    "an offset again": recordAt(3),
    "an offset that goes back": recordAt(1),
    "a negative length": withLength(recordAt(5), -12),
    "a length of nothing": withLength(recordAt(5), 0),
    "a length below that of a header": withLength(recordAt(5), 48),
  };
  for (const [what, bad] of Object.entries(others)) {
    assertEquals(offsetsOf([recordAt(3), bad, recordAt(6)], { from: 3 }), [3], what);
    assertThrows(() => offsetsOf([bad, recordAt(3)], { from: 4 }), Error, "damaged", what);
  }
});

Deno.test("batches that end before what was asked for are damage: it would be asked for again", () => {
  assertThrows(
    () => offsetsOf([recordAt(3)], { from: 4 }),
    Error,
    "the batch at offset 4 is damaged: what came for it begins at offset 3",
  );
  assertThrows(() => offsetsOf([recordAt(-5)]), Error, "damaged");
});

Deno.test("a batch beyond the high watermark is asked for again, and damage where that stays", () => {
  const asked = { fetched: 3, maxBytes: MIB };
  const batches = new FetchedBatches(true);
  const read = (end: number) => {
    const records = Buffer.concat([recordAt(3), recordAt(4)]);
    return batches.of(fetched({ highWatermark: end, records }), asked).length;
  };
  assertEquals(read(4), 1, "the one below it");
  for (let round = 0; round < 10; round++) {
    // What is written while the broker reads comes with an end from before.
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

Deno.test("a batch that is cut off is asked for with twice as much, up to 64 MiB", () => {
  const bytes = withLength(recordAt(3), 1_000);
  const answer = fetched({ highWatermark: 100, records: bytes });
  const asked = { fetched: 3, maxBytes: MIB };
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
