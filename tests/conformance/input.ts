/**
 * What each input has to do: `InputConfig` and `InputReader` of `src/graph/contracts.ts`, as the
 * engine uses them.
 *
 * @module
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import type { Positions } from "../../src/graph/contracts.ts";
import {
  assertAll,
  assertSame,
  copyOf,
  type InputSubject,
  LIMIT,
  Opened,
  readSome,
} from "./opened_input.ts";
import { type Check, needed, register, type Skips } from "./suite.ts";

export type { InputSubject } from "./opened_input.ts";

/** The checks, for {@linkcode testInput} and for the test of this suite. */
export const inputChecks: readonly Check<InputSubject>[] = [
  {
    title: "each item comes once, each partition in its order, then null",
    async run(subject) {
      await using opened = await Opened.of(subject);
      assertAll(subject, await opened.readAll());
    },
  },
  {
    title: "a run continues after any batch: nothing is lost, nothing comes twice",
    async run(subject) {
      for (let cut = 0, ended = false; !ended; cut++) {
        const first = await readSome(subject, cut);
        ended = first.ended;
        await using second = await Opened.of(subject, { resume: first.positions });
        assertAll(subject, [...first.texts, ...await second.readAll()]);
      }
    },
  },
  {
    title: "a run that reads nothing keeps all positions",
    async run(subject) {
      const { positions } = await readSome(subject, Infinity);
      assert(positions.size > 0, "there is no position after all has been read");
      await using second = await Opened.of(subject, { resume: positions });
      assertEquals(second.positions(), positions);
      assertEquals(await second.readAll(), []);
      assertEquals(second.positions(), positions);
    },
  },
  {
    title: "positions are the same, however often they are asked for",
    async run(subject) {
      await using often = await Opened.of(subject);
      await using seldom = await Opened.of(subject);
      await often.readAll(LIMIT, () => void [often.positions(), often.positions()]);
      await seldom.readAll(LIMIT);
      assertEquals(often.positions(), seldom.positions());
    },
  },
  {
    title: "positions are plain data",
    async run(subject) {
      await using opened = await Opened.of(subject);
      const check = () => {
        for (const [partition, state] of opened.reader.positions()) {
          assert(typeof partition === "string", `the name of a partition is ${typeof partition}`);
          assertEquals(structuredClone(state), state);
        }
      };
      check();
      await opened.readAll(LIMIT, check);
      check();
    },
  },
  {
    title: "positions that were returned do not change as reading goes on",
    async run(subject) {
      await using opened = await Opened.of(subject);
      const returned: [Positions, Positions][] = [];
      await opened.readAll(LIMIT, () => {
        const positions = opened.reader.positions();
        returned.push([positions, copyOf(positions)]);
      });
      for (const [positions, copy] of returned) assertEquals(positions, copy);
    },
  },
  {
    title: "the positions to resume stay as they were",
    async run(subject) {
      const { positions } = await readSome(subject, 3);
      const given = copyOf(positions);
      await using opened = await Opened.of(subject, { resume: given });
      await opened.readAll(LIMIT, () => opened.positions());
      assertEquals(given, positions);
    },
  },
  {
    title: "a batch has no more items than the limit",
    async run(subject) {
      for (const limit of [1, 2, 5]) {
        await using opened = await Opened.of(subject);
        const texts = await opened.readAll(limit, (batch) => {
          assert(batch.length <= limit, `${batch.length} items came, with room for ${limit}`);
        });
        assertAll(subject, texts);
      }
    },
  },
  {
    title: "a batch belongs to the caller, who may change it",
    async run(subject) {
      await using opened = await Opened.of(subject);
      assertAll(subject, await opened.readAll(LIMIT, (batch) => void batch.reverse().splice(1)));
    },
  },
  {
    title: "committed positions change nothing in what is read",
    async run(subject) {
      await using opened = await Opened.of(subject);
      const { reader } = opened;
      const texts: string[] = [];
      for await (const batch of opened.batches(LIMIT)) {
        texts.push(...opened.textsOf(batch));
        await opened.inTime(reader.committed?.(opened.positions()), "committed()");
      }
      assertAll(subject, texts);
    },
  },
  {
    title: "idle, locate, lag, itemTimes and waitingFor answer whenever they may be asked",
    async run(subject) {
      await using opened = await Opened.of(subject);
      const { reader } = opened;
      const isTextOrNull = (answer: unknown) => answer === null || typeof answer === "string";
      const ask = (batch: readonly unknown[]) => {
        const idle = reader.idle?.() ?? true;
        assert(typeof idle === "boolean" || idle >= 0, `idle() returned ${idle}`);
        assert(isTextOrNull(reader.waitingFor?.() ?? null), "waitingFor() returned no text");
        for (const [partition, items] of reader.lag?.() ?? []) {
          assert(items >= 0, `lag() returned ${items} for ${partition}`);
        }
        for (const [partition, age] of reader.lagAges?.() ?? []) {
          assert(age >= 0, `lagAges() returned ${age} for ${partition}`);
        }
        for (const [partition, time] of reader.itemTimes?.() ?? []) {
          assert(time >= 0, `itemTimes() returned ${time} for ${partition}`);
        }
        for (const item of [...batch, null, {}]) {
          assert(isTextOrNull(reader.locate?.(item) ?? null), "locate() returned no text");
        }
      };
      ask([]);
      await opened.readAll(LIMIT, ask, () => ask([]));
      ask([]);
    },
  },
  {
    title: "progress grows up to its total",
    async run(subject) {
      await using opened = await Opened.of(subject);
      const { reader } = opened;
      let before = 0;
      const look = () => {
        const progress = reader.progress?.() ?? null;
        if (progress === null) return null;
        const { done, total } = progress;
        assert(before <= done && done <= total, `${done} of ${total}, after ${before}`);
        before = done;
        return progress;
      };
      look();
      await opened.readAll(LIMIT, look);
      const last = look();
      if (last !== null) assertEquals(last.done, last.total);
    },
  },
  {
    title: "several workers share the items: each comes once",
    async run(subject) {
      for (const workers of [2, 3]) {
        await using opened = await Opened.of(subject, { workers });
        assertSame(subject, await opened.readAll(LIMIT));
      }
    },
  },
  {
    title: "a run continues with another number of workers",
    async run(subject) {
      const texts: string[] = [];
      let resume: Positions = new Map();
      for (const workers of [1, 3, 2, 1, 2]) {
        const part = await readSome(subject, 2, { workers, resume });
        texts.push(...part.texts);
        resume = part.positions;
      }
      await using last = await Opened.of(subject, { resume, workers: 3 });
      assertSame(subject, [...texts, ...await last.readAll(LIMIT)]);
    },
  },
  {
    title: "a partition that is away for a run continues after it",
    async run(subject) {
      const config = needed(subject.fewer, "fewer")();
      for (let cut = 1, ended = false; !ended; cut += 2) {
        const first = await readSome(subject, cut);
        ended = first.ended;
        const { positions: resume } = first;
        const workers = cut % 4 === 1 ? 1 : 2;
        const without = await readSome(subject, Infinity, { workers, resume, config });
        await using last = await Opened.of(subject, { resume: without.positions });
        assertSame(subject, [...first.texts, ...without.texts, ...await last.readAll(LIMIT)]);
      }
    },
  },
  {
    title: "after a stop, what was taken comes, then null; the next run reads the rest",
    async run(subject) {
      for (const batches of [0, 1, 3]) {
        await using first = await Opened.of(subject);
        const texts = await first.readSome(batches);
        const { reader } = first;
        if (reader.stop !== undefined) {
          reader.stop();
          texts.push(...await first.readAll(LIMIT));
        }
        await using second = await Opened.of(subject, { resume: first.positions() });
        assertAll(subject, [...texts, ...await second.readAll()]);
      }
    },
  },
  {
    title: "an input that waits can be stopped and closed",
    async run(subject) {
      const waiting = needed(subject.waiting, "waiting");
      for (const isStopped of [true, false]) {
        await using opened = await Opened.of(subject, { config: waiting() });
        const { reader } = opened;
        const { ready } = await opened.untilPending();
        if (isStopped && reader.stop !== undefined) {
          reader.stop();
          await opened.inTime(ready, "a ready() that was pending at a stop");
          assertEquals(await opened.readAll(LIMIT), []);
        }
        await opened.close();
      }
    },
  },
  {
    title: "the items before an error come first, then the error",
    async run(subject) {
      const { config, items, message } = needed(subject.failing, "failing")();
      await using opened = await Opened.of(subject, { config });
      const texts: string[] = [];
      const read = async () => {
        for await (const batch of opened.batches()) texts.push(...opened.textsOf(batch));
      };
      await assertRejects(read, Error, message);
      assertEquals(texts, items);
      await opened.close();
    },
  },
  {
    title: "close may come at any time",
    async run(subject) {
      for (const batches of [0, 1, Infinity]) {
        await using opened = await Opened.of(subject);
        await opened.readSome(batches);
        await opened.close();
      }
    },
  },
  {
    title: "a second close does nothing",
    async run(subject) {
      await using opened = await Opened.of(subject);
      await opened.readSome(1);
      await opened.close();
      await opened.inTime(opened.reader.close(), "a second close()");
    },
  },
];

/**
 * Registers the tests of an input.
 *
 * @param name Which input it is.
 * @param make Makes what is tested, for each check.
 * @param skips The checks that it does not pass, each with the reason.
 */
export function testInput<T>(
  name: string,
  make: () => InputSubject<T> | Promise<InputSubject<T>>,
  skips?: Skips,
): void {
  register(name, inputChecks, make as () => InputSubject | Promise<InputSubject>, skips);
}
