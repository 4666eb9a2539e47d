/** Event time gets to a window step through every kind of step, and the run comes to its end. */
import { assertEquals } from "@std/assert";
import {
  Dataflow,
  EventClockConfig,
  type Keyed,
  PartitionedInputConfig,
  SystemClockConfig,
  TestingOutputConfig,
  TumblingWindowConfig,
} from "../../../mod.ts";
import { within } from "../../../src/core/promises.ts";
import { runWorkers } from "../../support/runtime/workers.ts";

const VALUES = 200;
const PARTITIONS = ["a", "b", "c"];

type Items = Dataflow<Keyed<number>>;

const clock = new EventClockConfig({ getTime: (time: number) => time, wait: 0, watermark: "step" });
const windows = new TumblingWindowConfig({ length: { seconds: 1 } });
const input = new PartitionedInputConfig<Keyed<number>, number>({
  partitions: () => PARTITIONS,
  *build(_partition, resume) {
    for (let i = resume === null ? 0 : resume + 1; i < VALUES; i++) {
      yield [i, [`k${i % 7}`, i * 100]];
    }
  },
});

/** By what is between: the flow, and how many of its values are in windows. */
const STEPS: Record<string, [(items: Items) => Items, number]> = {
  "mapAsync": [(items) => items.mapAsync((item) => Promise.resolve(item)), 600],
  "redistribute": [(items) => items.redistribute(), 600],
  "a branch that is redistributed": [
    (items) => {
      const [yes, no] = items.branch(([, time]) => time % 200 === 0);
      return yes.merge((no as Items).redistribute());
    },
    600,
  ],
  "statefulMap": [
    (items) => items.statefulMap("state", () => 0, (state, time) => [state + 1, time]),
    600,
  ],
  "a final step, whose results come at the end": [
    (items) => items.merge(items.countFinal("final").map(([key]) => [key, VALUES * 100])),
    600 + 7,
  ],
  "windows of system time": [
    (items) =>
      items.merge(
        items.countWindow("system", new SystemClockConfig(), windows)
          .filter(() => false),
      ),
    600,
  ],
};

for (const [name, [between, count]] of Object.entries(STEPS)) {
  for (const workers of [1, 2, 3]) {
    Deno.test(`windows close after ${name}, on ${workers} workers`, async () => {
      const counts: Keyed<number>[] = [];
      const late: unknown[] = [];
      const flow = between(new Dataflow("steps").input("in", input))
        .countWindow("count", clock, windows);
      flow.late.capture(new TestingOutputConfig(late));
      flow.capture(new TestingOutputConfig(counts));
      assertEquals(await within(runWorkers(flow, workers), 20_000), true, "the run does not end");
      assertEquals([late, counts.reduce((sum, [, n]) => sum + n, 0)], [[], count]);
    });
  }
}
