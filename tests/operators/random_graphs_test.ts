import { assertEquals } from "@std/assert";
import { Dataflow, run, TestingInputConfig, TestingOutputConfig } from "../../mod.ts";
import { Random } from "../support/values/random.ts";

/** A stream, and what it holds by a naive reading of the steps. */
interface Modelled {
  readonly stream: Dataflow<number>;
  readonly items: readonly number[];
  /** Whether the items came one way only, so that their order is known. */
  readonly ordered: boolean;
}

/** Adds a random step, and does the same to the model. */
function grow(random: Random, { stream, items, ordered }: Modelled): Modelled[] {
  const [by, at] = [2 + random.below(4), random.below(5)];
  const modelled = (stream: Dataflow<number>, items: readonly number[]) => ({
    stream,
    items,
    ordered,
  });
  switch (random.below(7)) {
    case 0:
      return [modelled(stream.map((n) => n * by + at), items.map((n) => n * by + at))];
    case 1:
      return [modelled(stream.filter((n) => n % by !== 0), items.filter((n) => n % by !== 0))];
    case 2: {
      const spread = (n: number) => Array.from({ length: n % by }, (_, i) => n + i);
      return [modelled(stream.flatMap(spread), items.flatMap(spread))];
    }
    case 3: {
      const drop = (n: number) => n % by === 1 ? undefined : n + at;
      const kept = items.map(drop).filter((n) => n !== undefined);
      return [modelled(stream.filterMap(drop), kept)];
    }
    case 4:
      return [modelled(stream.redistribute().inspect(() => {}), items)];
    default: {
      const p = (n: number) => n % by < by / 2;
      const [yes, no] = stream.branch(p);
      return [
        modelled(yes, items.filter(p)),
        modelled(no, items.filter((n) => !p(n))),
      ];
    }
  }
}

/** Several streams as one, and the model as one. */
function merged(random: Random, streams: readonly Modelled[]): Modelled {
  const parts = Array.from({ length: 2 + random.below(2) }, () => random.pick(streams));
  const [first, ...others] = parts.map(({ stream }) => stream);
  return {
    stream: first.merge(...others),
    items: parts.flatMap(({ items }) => items),
    ordered: false,
  };
}

const ascending = (items: readonly number[]) => items.toSorted((a, b) => a - b);

Deno.test("flows agree with arrays when their stateless steps are random", async () => {
  for (let seed = 0; seed < 150; seed++) {
    const random = new Random(seed);
    const flow = new Dataflow(`random-${seed}`);
    let streams = Array.from({ length: 1 + random.below(2) }, (_, index): Modelled => {
      const items = Array.from({ length: random.below(60) }, () => random.below(100));
      const batchSize = random.pick([1, 2, 7, 1024]);
      const stream = flow.input(`in-${index}`, new TestingInputConfig(items, { batchSize }));
      return { stream, items, ordered: true };
    });
    for (let depth = 0; depth < 6; depth++) {
      streams = streams.flatMap((stream) => random.below(5) === 0 ? stream : grow(random, stream));
      if (random.below(2) === 0) streams.push(merged(random, streams));
      // Some streams end here, some of them unread, so that the flow stays small.
      while (streams.length > 6) streams.splice(random.below(streams.length), 1);
      streams = streams.filter(({ items }) => items.length < 5_000);
    }
    const outs = streams.map(({ stream }) => {
      const out: number[] = [];
      stream.capture(new TestingOutputConfig(out));
      return out;
    });
    if (streams.length === 0) continue;
    await run(flow);
    streams.forEach(({ items, ordered }, index) => {
      const what = `stream ${index} of seed ${seed}`;
      if (ordered) assertEquals(outs[index], items, what);
      else assertEquals(ascending(outs[index]), ascending(items), what);
    });
  }
});

Deno.test("flows agree with arrays when mapAsync stands in random places", async () => {
  for (let seed = 0; seed < 60; seed++) {
    const random = new Random(1_000 + seed);
    const items = Array.from({ length: 100 }, () => random.below(100));
    const batchSize = random.pick([1, 7, 1024]);
    const start = new Dataflow(`async-${seed}`).input(
      "in",
      new TestingInputConfig(items, { batchSize }),
    );
    let streams: Modelled[] = [{ stream: start, items, ordered: true }];
    for (let depth = 0; depth < 4; depth++) {
      streams = streams.flatMap((modelled) => {
        if (random.below(3) > 0) return grow(random, modelled);
        const concurrency = 1 + random.below(5);
        const stream = modelled.stream.mapAsync(async (n) => {
          for (let turns = n % 3; turns > 0; turns--) await Promise.resolve();
          return n + 1;
        }, { concurrency });
        return [{ ...modelled, stream, items: modelled.items.map((n) => n + 1) }];
      });
      if (random.below(2) === 0) streams.push(merged(random, streams));
      while (streams.length > 4) streams.splice(random.below(streams.length), 1);
      streams = streams.filter(({ items }) => items.length < 2_000);
    }
    if (streams.length === 0) continue;
    const outs = streams.map(({ stream }) => {
      const out: number[] = [];
      stream.capture(new TestingOutputConfig(out));
      return out;
    });
    await run(start);
    streams.forEach(({ items, ordered }, index) => {
      const what = `stream ${index} of seed ${1_000 + seed}`;
      if (ordered) assertEquals(outs[index], items, what);
      else assertEquals(ascending(outs[index]), ascending(items), what);
    });
  }
});
