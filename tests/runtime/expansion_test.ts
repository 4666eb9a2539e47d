import { assertEquals } from "@std/assert";
import { Expansion } from "../../src/runtime/expansion.ts";

Deno.test("Expansion takes as many items as there is room for, where no item becomes several", () => {
  const expansion = new Expansion();
  expansion.became(100, 3);
  assertEquals([expansion.itemsFor(0), expansion.itemsFor(5), expansion.itemsFor(8192)], [
    0,
    5,
    8192,
  ]);
});

Deno.test("Expansion takes the items that fill the room, and one where that is too many", () => {
  const expansion = new Expansion();
  expansion.became(2, 20);
  assertEquals([0, 1, 10, 25].map((outs) => expansion.itemsFor(outs)), [0, 1, 1, 3]);
  assertEquals(expansion.itemsFor(Infinity), 205); // 2,048 are a large batch
});

Deno.test("Expansion follows a rise at once, and a fall within some batches", () => {
  const expansion = new Expansion();
  expansion.became(1, 100);
  assertEquals(expansion.each, 100);
  expansion.became(1, 1);
  assertEquals(expansion.each, 87.5);
  for (let n = 0; n < 40; n++) expansion.became(1, 1);
  assertEquals(expansion.each, 1);
});
