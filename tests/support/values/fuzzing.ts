/**
 * What fuzz tests share: numbered cases, and changes to bytes.
 *
 * Each case depends only on its number, so that a failed one can be run again: `FUZZ_FIRST=number
 * FUZZ_CASES=1 deno test -A tests/fuzz`. `deno task test:fuzz` runs many more, and begins at any
 * number.
 */
import { assert } from "@std/assert";
import { Buffer } from "node:buffer";
import { Random } from "./random.ts";

const CASES = Number(Deno.env.get("FUZZ_CASES") ?? 1_000);
const FIRST = Deno.env.get("FUZZ_FIRST") === "any"
  ? Math.floor(Math.random() * 2 ** 31)
  : Number(Deno.env.get("FUZZ_FIRST") ?? 1);

/**
 * Generous, as other tests run in parallel. The faults that it finds take minutes, or never end.
 */
const LONGEST_MS = 5_000;

/**
 * A test of the configured number of cases, each with its own random numbers. A `share` below 1
 * runs fewer cases, if each takes long.
 */
export function fuzz(
  name: string,
  one: (random: Random) => void | Promise<void>,
  share: number = 1,
): void {
  Deno.test(`fuzz: ${name}`, async () => {
    for (let number = FIRST; number < FIRST + CASES * share; number++) {
      const started = performance.now();
      try {
        await one(new Random(number));
      } catch (cause) {
        throw new Error(`case ${number}: ${cause instanceof Error ? cause.message : cause}`, {
          cause,
        });
      }
      const took = performance.now() - started;
      assert(took < LONGEST_MS, `case ${number} took ${took} ms`);
    }
  });
}

/** Numbers at which lengths and counts go wrong. */
const EDGES = [-(2 ** 31), -13, -12, -2, -1, 0, 1, 7, 48, 49, 255, 2 ** 16, 2 ** 28, 2 ** 31 - 1];

/** The same bytes with some changes to them, from a byte on. */
export function changed(bytes: Uint8Array, random: Random, from = 0): Buffer {
  let to: Buffer = Buffer.from(bytes);
  for (let changes = 1 + random.below(3); changes > 0 && to.length > from; changes--) {
    to = change(to, random, from);
  }
  return to;
}

function change(bytes: Buffer, random: Random, from: number): Buffer {
  const at = from + random.below(bytes.length - from);
  const some = () => 1 + random.below(random.pick([4, 40, 400]));
  switch (random.below(9)) {
    case 0:
      return bytes.subarray(0, at);
    case 1:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + some())]);
    case 2:
      return Buffer.concat([
        bytes.subarray(0, at),
        bytes.subarray(at, at + some()),
        bytes.subarray(at),
      ]);
    case 3: {
      const inserted = Uint8Array.from(
        { length: some() },
        () => random.pick([0, random.below(256)]),
      );
      return Buffer.concat([bytes.subarray(0, at), inserted, bytes.subarray(at)]);
    }
    case 4:
      if (at + 4 <= bytes.length) bytes.writeInt32BE(random.pick(EDGES), at);
      return bytes;
    case 5:
      bytes[at] = random.pick([0, 0x7f, 0x80, 0xff, bytes[at] + 1, bytes[at] - 1]);
      return bytes;
    default:
      bytes[at] ^= 1 << random.below(8);
      return bytes;
  }
}

/** Random bytes, some of which repeat. */
export function someBytes(random: Random, most: number): Buffer {
  const length = random.below(most + 1);
  const kinds = random.pick([1, 3, 256]);
  return Buffer.from(Uint8Array.from({ length }, () => random.below(kinds)));
}
