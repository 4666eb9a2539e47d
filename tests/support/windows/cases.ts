/** Random windowers, each with all its windows for the model, and random items for them. */
import {
  SessionWindowConfig,
  SlidingWindowConfig,
  TumblingWindowConfig,
  type Windower,
} from "../../../mod.ts";
import type { Random } from "../values/random.ts";
import type { ModelSpan, ModelWindower } from "./model.ts";

/** Times of items lie within. No window that covers one begins or ends beyond twice this. */
const RANGE = 150;

/** A windower in two forms, for the engine and for the model. */
export interface WindowerCase {
  readonly name: string;
  readonly windower: Windower;
  readonly model: ModelWindower;
}

/** A case of each kind of windower. */
export const WINDOWER_KINDS: Readonly<Record<string, (random: Random) => WindowerCase>> = {
  tumbling(random) {
    const [length, alignTo] = [1 + random.below(40), random.below(200) - 100];
    return {
      name: `tumbling ${length} from ${alignTo}`,
      windower: new TumblingWindowConfig({ length, alignTo }),
      model: { all: row(length, length, alignTo) },
    };
  },
  sliding(random) {
    const length = 1 + random.below(60);
    const offset = 1 + random.below(length);
    const alignTo = random.below(200) - 100;
    return {
      name: `sliding ${length} every ${offset} from ${alignTo}`,
      windower: new SlidingWindowConfig({ length, offset, alignTo }),
      model: { all: row(length, offset, alignTo) },
    };
  },
  session(random) {
    const gap = 1 + random.below(30);
    const windower = new SessionWindowConfig({ gap });
    return { name: `sessions of gap ${gap}`, windower, model: { gap } };
  },
  /** Windows of several lengths. If some end together, the engine gets them in any order. */
  custom(random) {
    const rows = Array.from({ length: 1 + random.below(3) }, () => {
      const length = 1 + random.below(50);
      return { length, offset: 1 + random.below(length), alignTo: random.below(60) };
    });
    const all = new Map(
      rows.flatMap(({ length, offset, alignTo }) => row(length, offset, alignTo))
        .map((span) => [`${span.openAt}/${span.closeAt}`, span]),
    ).values().toArray();
    const upside = random.below(2) === 0 ? 1 : -1;
    const windower: Windower = {
      overlap: "may",
      windowsAt: (time) =>
        all.filter(({ openAt, closeAt }) => openAt <= time && time < closeAt)
          .sort((a, b) => a.closeAt - b.closeAt || upside * (a.openAt - b.openAt)),
    };
    return { name: `custom ${Deno.inspect(rows)} ${upside}`, windower, model: { all } };
  },
};

function row(length: number, offset: number, alignTo: number): ModelSpan[] {
  const spans: ModelSpan[] = [];
  for (let n = -600; n <= 600; n++) {
    const openAt = alignTo + n * offset;
    if (openAt + length <= -2 * RANGE || openAt >= 2 * RANGE) continue;
    spans.push({ openAt, closeAt: openAt + length });
  }
  return spans;
}

/** Times out of order: mostly forward, with jumps, gaps and repetitions. */
export function randomTimes(random: Random, count: number): number[] {
  const times: number[] = [];
  let at = random.below(RANGE) - RANGE;
  const stride = 1 + random.below(12);
  const disorder = random.below(60);
  for (let i = 0; i < count; i++) {
    at += random.below(stride) + (random.below(15) === 0 ? random.below(80) : 0);
    if (at > RANGE) at = random.below(2 * RANGE) - RANGE;
    const time = at - (random.below(3) === 0 ? random.below(disorder + 1) : 0);
    times.push(random.below(8) === 0 && i > 0 ? random.pick(times) : time);
  }
  return times.map((time) => Math.max(-RANGE, Math.min(RANGE, time)));
}
