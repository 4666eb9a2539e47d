import { assert, assertEquals } from "@std/assert";
import { AckRate } from "../../../../src/connectors/kafka/write/ack_rate.ts";

const KB = 1_000;
const MB = 1_000 * KB;

/** What may wait after some rounds. Each has half of what may wait, and takes `ms(bytes)`. */
function aheadAfter(rounds: number, ms: (bytes: number) => number): number {
  const rate = new AckRate(900 * KB, 16 * MB);
  for (let n = 0; n < rounds; n++) {
    const bytes = rate.ahead / 2;
    rate.acknowledged(bytes, ms(bytes));
  }
  return rate.ahead;
}

Deno.test("AckRate begins with the least, and lets what is acknowledged in a second wait", () => {
  assertEquals(aheadAfter(0, () => 1), 900 * KB);
  assertEquals(aheadAfter(20, (bytes) => bytes / (2 * KB)), 2 * MB);
  assertEquals(aheadAfter(20, (bytes) => bytes / (100 * KB)), 16 * MB); // 100 MB/s
  assertEquals(aheadAfter(20, (bytes) => bytes / 10), 900 * KB); // 10 kB/s
});

Deno.test("AckRate grows if rounds take equally long with any content", () => {
  for (const ms of [5, 100, 400]) assertEquals(aheadAfter(40, () => ms), 16 * MB);
});

Deno.test("AckRate follows brokers that become slow, and fast again", () => {
  const rate = new AckRate(900 * KB, 16 * MB);
  rate.acknowledged(MB, 1);
  for (let n = 0; n < 15; n++) rate.acknowledged(MB, 1_000);
  assert(rate.ahead < 1.1 * MB, `${rate.ahead}`);
  rate.acknowledged(MB, 1);
  assertEquals(rate.ahead, 16 * MB);
});

Deno.test("AckRate never exceeds the most, even if the least is more", () => {
  assertEquals(new AckRate(900, 100).ahead, 100);
});

Deno.test("AckRate allows a round that took no time", () => {
  const rate = new AckRate(900, 1_000);
  rate.acknowledged(10, 0);
  assertEquals(rate.ahead, 1_000);
});
