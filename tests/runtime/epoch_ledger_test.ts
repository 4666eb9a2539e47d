import { assertEquals } from "@std/assert";
import { EpochLedger } from "../../src/runtime/epoch_ledger.ts";

Deno.test("EpochLedger gives the newest value of each key at the end of an epoch", () => {
  const ledger = new EpochLedger<string, number>();
  ledger.record(0, "a", 1);
  ledger.record(0, "b", 2);
  ledger.record(1, "a", 3);
  assertEquals(ledger.upTo(1), [3, 2]);
});

Deno.test("EpochLedger keeps what belongs to a later epoch until that one is asked for", () => {
  const ledger = new EpochLedger<string, number>();
  ledger.record(1, "fast", 10); // is in epoch 2 already
  ledger.record(0, "slow", 1);
  assertEquals(ledger.upTo(0), [1]);
  ledger.record(1, "slow", 2);
  assertEquals(ledger.upTo(1), [2, 10]);
});

Deno.test("EpochLedger gives a key's last value again where it has no newer one", () => {
  const ledger = new EpochLedger<string, number>();
  ledger.record(0, "ended", 5);
  assertEquals([ledger.upTo(0), ledger.upTo(1), ledger.upTo(7)], [[5], [5], [5]]);
});

Deno.test("EpochLedger has nothing before anything was noted", () => {
  assertEquals(new EpochLedger<string, number>().upTo(3), []);
});
