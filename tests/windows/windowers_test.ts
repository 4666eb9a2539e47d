import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  SessionWindowConfig,
  SlidingWindowConfig,
  TumblingWindowConfig,
  type Windower,
} from "../../mod.ts";
import { Random } from "../support/values/random.ts";

type Options<C extends new (options: never) => unknown> = ConstructorParameters<C>[0];

Deno.test("TumblingWindowConfig: an item on a boundary belongs to the later window, also before the epoch", () => {
  const windower = new TumblingWindowConfig({ length: 10 });
  const openAt = (time: number) => windower.windowsAt(time).map(({ openAt }) => openAt);
  const times = [-11, -10, -1, 0, 9, 9.999, 10, 11];
  assertEquals(times.flatMap(openAt), [-20, -10, -10, 0, 0, 0, 10, 10]);
});

Deno.test("TumblingWindowConfig begins a window at alignTo: a date, a number or an instant, before or after", () => {
  for (const alignTo of [new Date(3), 3, Temporal.Instant.fromEpochMilliseconds(3), -7, 1_003]) {
    const windower = new TumblingWindowConfig({ length: { milliseconds: 10 }, alignTo });
    assertEquals(windower.windowsAt(2), [{ openAt: -7, closeAt: 3 }]);
    assertEquals(windower.windowsAt(3), [{ openAt: 3, closeAt: 13 }]);
  }
});

Deno.test("SlidingWindowConfig returns all windows that cover a time, the one that closes first first", () => {
  const windower = new SlidingWindowConfig({ length: 10, offset: 4, alignTo: 1 });
  const openAt = (time: number) => windower.windowsAt(time).map(({ openAt }) => openAt);
  assertEquals(openAt(0), [-7, -3]);
  assertEquals(openAt(1), [-7, -3, 1]);
  assertEquals(openAt(3), [-3, 1]);
  assertEquals(openAt(5), [-3, 1, 5]);
  assertEquals(openAt(-9), [-15, -11]);
});

Deno.test("SlidingWindowConfig with an offset of its length is tumbling", () => {
  const sliding = new SlidingWindowConfig({ length: 7, offset: 7, alignTo: 2 });
  const tumbling = new TumblingWindowConfig({ length: 7, alignTo: 2 });
  for (let time = -30; time < 30; time++) {
    assertEquals(sliding.windowsAt(time), tumbling.windowsAt(time));
  }
});

Deno.test("SessionWindowConfig returns a window from each item up to its gap", () => {
  const windower = new SessionWindowConfig({ gap: { seconds: 1 } });
  assertEquals(windower.windowsAt(-1), [{ openAt: -1, closeAt: 999 }]);
});

Deno.test("windowers cover the times that they get, whatever fractions these have", () => {
  for (let seed = 0; seed < 5_000; seed++) {
    const random = new Random(seed);
    const fraction = () => random.below(1_000_000) / 1_000_003;
    const length = 1 + random.below(20);
    const offset = 1 + random.below(length);
    const alignTo = random.below(3) === 0
      ? random.below(100) - 50
      : random.pick([1e12, -1e12, 1.7e12, 0, -8e15]) + fraction() * 100;
    const near = alignTo + (random.below(40) - 20) * offset;
    const time = random.pick([
      near,
      near - Math.abs(near) * Number.EPSILON,
      near + Math.abs(near) * Number.EPSILON,
      -Number.MIN_VALUE,
      random.below(100) - 50 - 1e-12,
      fraction() * 100 - 50,
      1.7e12 + fraction(),
    ]);
    const kinds: [Windower, number][] = [
      [new TumblingWindowConfig({ length, alignTo }), length],
      [new SlidingWindowConfig({ length, offset, alignTo }), offset],
    ];
    for (const [windower, every] of kinds) {
      const spans = windower.windowsAt(time);
      const about = `seed ${seed}: ${length} every ${every} from ${alignTo}, ` +
        `${Deno.inspect(spans)} at ${time}`;
      assert(spans.length > 0, about);
      assert(spans[0].closeAt - every <= time, about);
      assert(spans.at(-1)!.openAt + every > time, about);
      for (const [i, { openAt, closeAt }] of spans.entries()) {
        assert(openAt <= time && time < closeAt && closeAt - openAt === length, about);
        assert(i === 0 || spans[i - 1].openAt + every === openAt, about);
      }
    }
  }
});

Deno.test("windowers refuse lengths that are not whole milliseconds above zero", () => {
  const lengths = [0, -1, 0.5, 1.5, NaN, Infinity, { seconds: -1 }, { months: 1 }, {
    microseconds: 1,
  }];
  const bad: unknown[] = [...lengths, undefined, null, "1s"];
  for (const length of bad) {
    const tumbling = { length } as Options<typeof TumblingWindowConfig>;
    assertThrows(
      () => new TumblingWindowConfig(tumbling),
      RangeError,
      "TumblingWindowConfig's length",
    );
    const session = { gap: length } as Options<typeof SessionWindowConfig>;
    assertThrows(() => new SessionWindowConfig(session), RangeError, "SessionWindowConfig's gap");
    const sliding = { length, offset: 1 } as Options<typeof SlidingWindowConfig>;
    assertThrows(
      () => new SlidingWindowConfig(sliding),
      RangeError,
      "SlidingWindowConfig's length",
    );
    const offset = { length: 5, offset: length } as Options<typeof SlidingWindowConfig>;
    assertThrows(() => new SlidingWindowConfig(offset), RangeError, "SlidingWindowConfig's offset");
  }
  assertThrows(
    () => new SlidingWindowConfig({ length: { seconds: 1 }, offset: { seconds: 2 } }),
    RangeError,
    "an offset of 2000 ms and a length of 1000 ms",
  );
});

Deno.test("windowers refuse an alignTo that is not a point in time", () => {
  const alignTo = new Date("never");
  const what = "alignTo must be a valid Date";
  assertThrows(() => new TumblingWindowConfig({ length: 1, alignTo }), TypeError, what);
  assertThrows(() => new SlidingWindowConfig({ length: 1, offset: 1, alignTo }), TypeError, what);
});

const FARTHEST = 8.64e15;
const LONGEST = { days: 4_000_000 };

Deno.test("windowers cut exactly at the farthest times, from the farthest alignTo, in the longest windows", () => {
  for (let seed = 0; seed < 5_000; seed++) {
    const random = new Random(seed);
    const side = () => random.pick([-1, 1]);
    const near = () => side() * (FARTHEST - random.pick([0, random.below(10), random.below(1e9)]));
    const time = random.pick([near(), near(), random.below(1_000)]);
    const alignTo = random.pick([near(), near(), 0]);
    const length = random.pick([1, 3, 7, 1_000, 86_400_000, 3.3e14 + 1, 4e6 * 86_400_000]);
    const offset = Math.ceil(length / (1 + random.below(4)));
    for (
      const [windower, every] of [
        [new TumblingWindowConfig({ length, alignTo }), length],
        [new SlidingWindowConfig({ length, offset, alignTo }), offset],
      ] as const
    ) {
      const spans = windower.windowsAt(time);
      // In whole numbers that are never rounded: the last beginning at or before the time.
      const [t, a, e] = [time, alignTo, every].map(BigInt);
      const last = t - ((t - a) % e + e) % e;
      assertEquals(BigInt(spans.at(-1)!.openAt), last, `seed ${seed}`);
      for (const { openAt, closeAt } of spans) {
        assert(openAt <= time && time < closeAt, `seed ${seed}`);
        assertEquals(BigInt(closeAt) - BigInt(openAt), BigInt(length), `seed ${seed}`);
      }
    }
  }
});

Deno.test("windowers accept lengths of 4,000,000 days, and refuse longer ones", () => {
  const longer = { days: 4_000_000, milliseconds: 1 };
  for (const length of [longer, 1e300]) {
    const what = "no longer than 4,000,000 days";
    assertThrows(() => new TumblingWindowConfig({ length }), RangeError, what);
    assertThrows(() => new SlidingWindowConfig({ length, offset: length }), RangeError, what);
    assertThrows(() => new SessionWindowConfig({ gap: length }), RangeError, what);
  }
  new TumblingWindowConfig({ length: LONGEST });
  new SlidingWindowConfig({ length: LONGEST, offset: LONGEST });
  new SessionWindowConfig({ gap: LONGEST });
});

Deno.test("SlidingWindowConfig refuses an offset that would put an item into more than 100,000 windows", () => {
  assertEquals(new SlidingWindowConfig({ length: 100_000, offset: 1 }).windowsAt(5).length, 1e5);
  assertThrows(
    () => new SlidingWindowConfig({ length: { days: 365 }, offset: 1 }),
    RangeError,
    "SlidingWindowConfig's length must be at most 100000 times its offset",
  );
});
