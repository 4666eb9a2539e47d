/** A flow with every kind of stateful step, on 1 to 3 workers, stopped and resumed anywhere. */
import { assert, assertEquals } from "@std/assert";
import {
  Dataflow,
  EventClockConfig,
  type InputConfig,
  type Keyed,
  run,
  SessionWindowConfig,
  SlidingWindowConfig,
  TumblingWindowConfig,
} from "../../mod.ts";
import { Random } from "../support/values/random.ts";
import { ExactOutput, numbers } from "../support/recovery/resumable.ts";
import { TestClock } from "../support/clock/test_clock.ts";
import { WatchedRecovery } from "../support/recovery/watched_recovery.ts";
import { runWorkers } from "../support/runtime/workers.ts";

/** All items of a key are in one partition: between workers there is no order. */
const PARTS = 5;

interface Event {
  readonly n: number;
  readonly at: number;
  readonly side: number;
}

/**
 * A first run takes the watermarks of window steps beyond all others. So what is late depends on
 * the keys' own watermarks, and not on how far the partitions are read beside one another.
 */
const AHEAD: readonly Keyed<Event>[] = Array.from(
  { length: PARTS },
  (_, n): Keyed<Event> => ["ahead", { n, at: 10_000, side: n % 2 }],
);

function randomEvents(random: Random): Keyed<Event>[] {
  const events = Array.from({ length: 150 + random.below(250) }, (_, n): Keyed<Event> => [
    `k${n % PARTS}.${random.below(3)}`,
    { n, at: n + random.below(40) - (random.below(12) === 0 ? 120 : 0), side: random.below(2) },
  ]);
  return [...AHEAD, ...events];
}

/** The run that reads {@linkcode AHEAD}. */
async function runFirst(
  events: readonly Keyed<Event>[],
  outputs: Outputs,
  recovery: WatchedRecovery,
  workers: number,
): Promise<void> {
  const flow = build(events, numbers(PARTS, 7, { parts: PARTS }), outputs);
  await runWorkers(flow, workers, { recovery, clock: new TestClock(1_000_000) });
}

type Outputs = Map<string, ExactOutput<unknown>>;

/** No time that is given here passes before the end: what comes out depends on the items alone. */
const ttl = { days: 100 };

function build(
  events: readonly Keyed<Event>[],
  input: InputConfig<number>,
  outputs: Outputs,
): Dataflow<unknown> {
  const capture = (id: string, stream: Dataflow<unknown>) => {
    const output = outputs.get(id) ?? new ExactOutput<unknown>();
    outputs.set(id, output);
    return stream.capture(id, output);
  };
  const clock = new EventClockConfig<Event>({ getTime: ({ at }) => at, wait: 30 });
  const keyed = new Dataflow("every").input("in", input).map((n) => events[n]);
  const [left, right] = keyed.branch(([, { side }]) => side === 0);

  const totals = keyed.statefulMap(
    "totals",
    () => 0,
    (sum: number, { n }) => sum > 900 ? [null, sum] : [sum + n, sum + n],
    { ttl },
  );
  capture("out-totals", totals);
  capture("out-collect", totals.collect("collect", { maxSize: 3, timeout: ttl }));
  capture("out-join", left.join("join", right, { ttl }));
  capture("out-join-final", left.join("join-final", [right, keyed], { mode: "final" }));
  capture(
    "out-dedupe",
    keyed.map(([key, event]): Keyed<Event> => [`${key}/${event.n % 4}`, event])
      .dedupe("dedupe", { ttl }),
  );
  capture("out-count-final", keyed.countFinal("count-final"));
  capture("out-max-final", keyed.mapValue(({ at }) => at).maxFinal("max-final"));
  const byAt = (a: Event, b: Event) => a.at - b.at;
  capture("out-min-final", keyed.minFinal("min-final", byAt));
  const listed = keyed.foldFinal(
    "list-final",
    (): number[] => [],
    (list, { n }) => {
      list.push(n); // in place: neither a snapshot nor what changes workers may see it later
      return list;
    },
    (earlier, later) => [...earlier, ...later],
  );
  capture("out-list-final", listed);
  const tumbling = keyed.countWindow("tumbling", clock, new TumblingWindowConfig({ length: 50 }));
  capture("out-tumbling", tumbling.windows);
  capture("out-tumbling-late", tumbling.late);
  const running = (sum: number, count: number): [number, number] => [sum + count, sum + count];
  capture("out-counted", tumbling.statefulMap("counted", () => 0, running));
  capture(
    "out-sliding",
    keyed.foldWindow(
      "sliding",
      clock,
      new SlidingWindowConfig({ length: 40, offset: 15 }),
      () => 0,
      (sum, { n }) => sum + n,
    ).windows,
  );
  const sessions = new SessionWindowConfig({ gap: 20 });
  capture("out-session", keyed.collectWindow("session", clock, sessions).windows);
  const product = left.joinWindow("product", clock, sessions, right, { mode: "product" });
  capture("out-product", product.windows);
  capture("out-product-late", product.late);
  const paired = left.joinWindow("paired", clock, new TumblingWindowConfig({ length: 50 }), right);
  return capture("out-paired", paired.windows);
}

/**
 * What each output has of the keys but `ahead`, in no order: between workers, and between runs,
 * there is none.
 */
const results = (outputs: Outputs) =>
  Object.fromEntries(
    [...outputs].map(([id, { items }]) => {
      const own = items.filter((item) => !(item as Keyed<unknown>)[0].startsWith("ahead"));
      return [id, own.map((item) => JSON.stringify(item)).sort()];
    }),
  );

async function expected(events: readonly Keyed<Event>[]) {
  const outputs: Outputs = new Map();
  const recovery = new WatchedRecovery();
  await runFirst(events, outputs, recovery, 1);
  const clock = new TestClock(1_000_000);
  const input = numbers(events.length, 7, { parts: PARTS });
  await run(build(events, input, outputs), { recovery, clock });
  return results(outputs);
}

Deno.test("a flow with every kind of stateful step gives the same on 1, 2 and 3 workers", async () => {
  for (let seed = 0; seed < 6; seed++) {
    const random = new Random(seed);
    const events = randomEvents(random);
    const alone = await expected(events);
    for (const [id, items] of Object.entries(alone)) {
      assert(items.length > 0, `seed ${seed}: ${id} has nothing`);
    }
    for (const workers of [1, 2, 3]) {
      const outputs: Outputs = new Map();
      const recovery = new WatchedRecovery();
      await runFirst(events, outputs, recovery, workers);
      const input = numbers(events.length, 1 + random.below(30), { parts: PARTS });
      await runWorkers(build(events, input, outputs), workers, {
        recovery,
        clock: new TestClock(1_000_000),
        epochMs: random.pick([0, 10_000]),
      });
      assertEquals(results(outputs), alone, `seed ${seed}, ${workers} workers`);
    }
  }
});

Deno.test("a flow with every kind of stateful step gives the same when it stops or fails anywhere, and goes on with others", async () => {
  const seen = { resumes: 0, stops: 0, failures: 0 };
  for (let seed = 0; seed < 15; seed++) {
    const random = new Random(1_000 + seed);
    const events = randomEvents(random);
    const outputs: Outputs = new Map();
    const recovery = new WatchedRecovery();
    const clock = new TestClock(1_000_000);
    const counts: number[] = [];
    const about = () => `seed ${seed}, workers ${counts}`;
    await runFirst(events, outputs, recovery, 1 + random.below(3));
    for (let left = 5; left >= 0; left--) {
      const fails = left > 0 && random.below(2) === 0;
      const failAfter = fails ? 1 + random.below(events.length / 3) : Infinity;
      const input = numbers(events.length, 1 + random.below(8), { parts: PARTS, failAfter });
      const stopAfter = random.below(events.length / 3);
      counts.push(1 + random.below(3));
      const flow = build(events, left > 0 && !fails ? stopping(input, stopAfter) : input, outputs);
      if (recovery.epoch !== null && recovery.epoch >= 0) seen.resumes++;
      try {
        const { stopped } = await runWorkers(flow, counts.at(-1)!, { recovery, clock, epochMs: 0 });
        if (stopped.some((each) => each)) seen.stops++;
      } catch (error) {
        assertEquals((error as { stepId?: string }).stepId, "in", `${about()}: ${error}`);
        seen.failures++;
      }
      clock.advance(3_600_000); // no time to live has passed, and it is not quiet time either
    }
    assertEquals(results(outputs), await expected(events), about());
  }
  const enough = seen.resumes > 30 && seen.stops > 10 && seen.failures > 10;
  assert(enough, JSON.stringify(seen));
});

/** The input, which asks for a stop once a worker has read `after` items of it. */
function stopping<T>(input: InputConfig<T>, after: number): InputConfig<T> {
  return {
    async open(at, resume) {
      const reader = await input.open(at, resume);
      let given = 0;
      return {
        next: () => {
          const batch = reader.next();
          given += batch?.length ?? 0;
          if (batch !== null && given >= after) at.stop();
          return batch;
        },
        ready: () => reader.ready(),
        positions: () => reader.positions(),
        close: () => reader.close(),
      };
    },
  };
}
