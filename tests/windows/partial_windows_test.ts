import { assertEquals, assertThrows } from "@std/assert";
import {
  SessionWindowConfig,
  SlidingWindowConfig,
  TumblingWindowConfig,
  type Windower,
} from "../../mod.ts";
import { assignBy, type OpenWindow } from "../../src/windows/open_windows.ts";
import {
  growBy,
  GrowingWindows,
  mergeBy,
  type PartialWindows,
} from "../../src/windows/partial_windows.ts";
import type { WindowFold } from "../../src/windows/window_fold.ts";
import { Random } from "../support/values/random.ts";

/** Lists values in the order in which they come. */
const lists: WindowFold<string, string[], string[]> = {
  isPartible: true,
  first: (value) => [value],
  add: (list, value) => [...list, value],
  merge: (earlier, later) => [...earlier, ...later],
};

const WINDOWERS: Record<string, Windower> = {
  tumbling: new TumblingWindowConfig({ length: 10, alignTo: new Date(0) }),
  sliding: new SlidingWindowConfig({ length: 10, offset: 4, alignTo: new Date(0) }),
  sessions: new SessionWindowConfig({ gap: 5 }),
};

for (const [name, windower] of Object.entries(WINDOWERS)) {
  Deno.test(`${name}: values in parts come to the same windows as one by one`, () => {
    const assign = assignBy(windower, lists);
    const grow = growBy(windower, lists);
    const merge = mergeBy(windower, lists);
    const random = new Random(1);
    for (let round = 0; round < 300; round++) {
      const oneByOne: OpenWindow<string[]>[] = [];
      const merged: OpenWindow<string[]>[] = [];
      let partial = new GrowingWindows<string[]>();
      const count = 1 + random.below(20);
      for (let i = 0; i < count; i++) {
        const time = random.below(60);
        assign(oneByOne, `${i}`, time, -Infinity, null);
        grow(partial, `${i}`, time);
        if (i < count - 1 && random.below(4) > 0) continue;
        merge(merged, partial.take(), -Infinity);
        partial = new GrowingWindows();
      }
      // The parts of sessions that meet later are listed by session.
      const shown = (windows: typeof merged) =>
        windows.map(({ span, acc }) => [span, name === "sessions" ? acc.toSorted() : acc]);
      assertEquals(shown(merged), shown(oneByOne));
    }
  });
}

Deno.test("a part is the newest time, and each window with its accumulator", () => {
  const grow = growBy(WINDOWERS.sliding, lists);
  const partial = new GrowingWindows<string[]>();
  grow(partial, "a", 9);
  grow(partial, "b", 10);
  const expected: PartialWindows = [10, 0, 10, ["a"], 4, 14, ["a", "b"], 8, 18, ["a", "b"]];
  assertEquals(partial.take(), expected);
});

Deno.test("parts for a window that has closed are refused, unless they join an open one", () => {
  const merge = mergeBy(WINDOWERS.sessions, lists);
  const windows: OpenWindow<string[]>[] = [{ span: { openAt: 8, closeAt: 20 }, acc: ["b"] }];
  merge(windows, [5, 5, 10, ["a"]], 15);
  assertEquals(windows, [{ span: { openAt: 5, closeAt: 20 }, acc: ["b", "a"] }]);
  assertThrows(() => merge(windows, [3, 0, 5, ["c"]], 15), Error, "a fault of Millrace");
});
