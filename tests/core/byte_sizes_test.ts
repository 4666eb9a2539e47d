import { assertEquals } from "@std/assert";
import { sizeDown, sizeUp } from "../../src/core/byte_sizes.ts";

Deno.test("a size that is too large never reads like the most that is possible", () => {
  for (const most of [1_000, 20_480, 1 << 20, 7 << 20, 1_048_588]) {
    const [above, at] = [sizeUp(most + 1), sizeDown(most)];
    assertEquals(parseFloat(above) * scale(above) > parseFloat(at) * scale(at), true, above);
  }
  assertEquals([sizeUp(1), sizeUp(1 << 20), sizeUp((1 << 20) + 1)], ["1 KiB", "1 MiB", "1.1 MiB"]);
  assertEquals([sizeDown(1_048_575), sizeDown(7 << 20)], ["1023 KiB", "7 MiB"]);
});

const scale = (text: string) => text.endsWith("MiB") ? 2 ** 20 : 2 ** 10;
