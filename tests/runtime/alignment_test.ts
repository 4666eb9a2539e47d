import { assertEquals, assertThrows } from "@std/assert";
import { EpochAlignment } from "../../src/runtime/alignment.ts";
import { Random } from "../support/values/random.ts";

Deno.test("EpochAlignment holds a channel until all have delivered their barrier, in any order", () => {
  for (const order of [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]]) {
    const alignment = new EpochAlignment(3, 7);
    order.slice(0, 2).forEach((channel) => {
      alignment.barrier(channel, 7);
      assertEquals(alignment.align(), { kind: "open" });
      assertEquals(alignment.isHeld(channel), true);
    });
    assertEquals(alignment.isHeld(order[2]), false);
    alignment.barrier(order[2], 7);
    assertEquals(alignment.align(), { kind: "aligned", epoch: 7 });
    assertEquals([0, 1, 2].map((channel) => alignment.isHeld(channel)), [false, false, false]);
    assertEquals(alignment.epoch, 8);
  }
});

Deno.test("EpochAlignment does not wait for a channel that has ended", () => {
  const alignment = new EpochAlignment(2, 0);
  alignment.end(1);
  assertEquals(alignment.align(), { kind: "open" });
  for (const epoch of [0, 1]) {
    alignment.barrier(0, epoch);
    assertEquals(alignment.align(), { kind: "aligned", epoch });
  }
  assertEquals([alignment.isHeld(0), alignment.isHeld(1)], [false, true]);
});

Deno.test("EpochAlignment ends the epoch when the last channel it waits for ends", () => {
  const alignment = new EpochAlignment(2, 3);
  alignment.barrier(0, 3);
  alignment.end(1);
  assertEquals(alignment.align(), { kind: "aligned", epoch: 3 });
});

Deno.test("EpochAlignment has ended when all channels have, without the end of an epoch", () => {
  const alignment = new EpochAlignment(2, 3);
  alignment.end(0);
  alignment.end(1);
  assertEquals(alignment.align(), { kind: "ended" });
  assertEquals(alignment.epoch, 3);
});

Deno.test("EpochAlignment refuses a barrier of another epoch, a second one, and one after the end", () => {
  const alignment = new EpochAlignment(3, 3);
  assertThrows(() => alignment.barrier(0, 2), Error, "barrier of epoch 2 on open channel 0");
  assertThrows(() => alignment.barrier(0, 4), Error, "in epoch 3");
  alignment.barrier(1, 3);
  assertThrows(() => alignment.barrier(1, 3), Error, "on held channel 1");
  alignment.end(2);
  assertThrows(() => alignment.barrier(2, 3), Error, "on ended channel 2");
});

Deno.test("EpochAlignment ends every epoch once when barriers and ends come at random", () => {
  for (let seed = 0; seed < 200; seed++) {
    const random = new Random(seed);
    const channels = 1 + random.below(4);
    const lengths = Array.from({ length: channels }, () => random.below(6)); // epochs of each
    const sent = lengths.map(() => 0);
    const ended = new Set<number>();
    const alignment = new EpochAlignment(channels, 0);
    const aligned: number[] = [];
    for (let state = ""; state !== "ended";) {
      const free = lengths.map((_, c) => c).filter((c) => !alignment.isHeld(c) && !ended.has(c));
      const channel = random.pick(free);
      if (sent[channel] < lengths[channel]) alignment.barrier(channel, sent[channel]++);
      else {
        alignment.end(channel);
        ended.add(channel);
      }
      const settled = alignment.align();
      if (settled.kind === "aligned") aligned.push(settled.epoch);
      state = settled.kind;
    }
    assertEquals(aligned, Array.from({ length: Math.max(...lengths) }, (_, epoch) => epoch));
  }
});
