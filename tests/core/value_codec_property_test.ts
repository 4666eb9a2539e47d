import { assert, assertEquals } from "@std/assert";
import { BatchEncoder, decodeBatch, decodeValue, encodeValue } from "../../src/core/value_codec.ts";
import { difference } from "../support/values/value_diff.ts";
import { Random } from "../support/values/random.ts";
import { cloned, randomText, randomValue } from "../support/values/random_value.ts";

Deno.test("what structuredClone keeps arrives as it keeps it, but for prototypes of null", () => {
  const first = Math.floor(Math.random() * 2 ** 31);
  for (let seed = first; seed < first + 1000; seed++) {
    const value = randomValue(new Random(seed));
    const expected = cloned(value);
    assertEquals(difference(expected, decodeValue(encodeValue(value))), undefined, `seed ${seed}`);
  }
});

Deno.test("batches of values arrive as structuredClone keeps them", () => {
  const first = Math.floor(Math.random() * 2 ** 31);
  const encoder = new BatchEncoder();
  for (let seed = first; seed < first + 25; seed++) {
    const random = new Random(seed);
    const values = Array.from({ length: random.below(80) }, () => randomValue(random));
    for (const [i, value] of values.entries()) {
      if (random.below(20) === 0) {
        try {
          encoder.write([value, { [randomText(random)]: [i] }, () => {}]);
        } catch {
          // It must leave no trace.
        }
      }
      encoder.write(value);
    }
    const decoded = decodeBatch(encoder.take());
    assertEquals(decoded.length, values.length, `seed ${seed}`);
    for (const [i, value] of values.entries()) {
      const found = difference(cloned(value), decoded[i]);
      assertEquals(found, undefined, `seed ${seed}, value ${i}`);
    }
  }
});

Deno.test("bytes that were cut off or changed are refused or decoded, soon and in little memory", () => {
  const first = Math.floor(Math.random() * 2 ** 31);
  let refused = 0;
  for (let seed = first; seed < first + 400; seed++) {
    const random = new Random(seed);
    const bytes = encodeValue(randomValue(random));
    for (let i = 0; i < 10; i++) {
      const broken = random.below(4) === 0
        ? bytes.slice(0, random.below(bytes.length))
        : bytes.slice();
      for (let flips = random.below(4); flips >= 0 && broken.length > 1; flips--) {
        broken[1 + random.below(broken.length - 1)] = random.pick([
          random.below(256),
          0xe0 + random.below(0x20),
          0xff,
        ]);
      }
      const started = performance.now();
      const before = memory();
      try {
        decodeBatch(broken);
      } catch (error) {
        refused++;
        const { message } = error as Error;
        assert(message.startsWith("cannot decode bytes: "), `seed ${seed}: ${message}`);
      }
      // Generous, as other tests run beside; what it is to catch takes minutes and gigabytes.
      assert(performance.now() - started < 5000, `seed ${seed}: time`);
      assert(memory() - before < 64 << 20, `seed ${seed}: ${memory() - before} bytes`);
    }
  }
  assert(refused > 500, `only ${refused} were refused`);
});

function memory(): number {
  const { heapUsed, external } = Deno.memoryUsage();
  return heapUsed + external;
}
