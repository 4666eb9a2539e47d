/** How many windows are open at once does not depend on how much there is to read. */
import { assert, assertEquals } from "@std/assert";
import {
  Dataflow,
  EventClockConfig,
  type Keyed,
  type OutputConfig,
  TumblingWindowConfig,
} from "../../../mod.ts";
import { ExactOutput } from "../../support/recovery/resumable.ts";
import { runWorkers } from "../../support/runtime/workers.ts";
import { batch, type Event } from "../../support/windows/source_batch.ts";
import { SourceLog, SourceLogs } from "../../support/windows/source_logs.ts";

const LENGTH_MS = 1_000;
const WINDOWS = 1_200;
const KEYS = 5;

/** How many items a source may be ahead of what is known of its time. */
const UNKNOWN = 256;

/** A source in order, over all of the windows. */
function source(name: string, size: number, from = 0): SourceLog<Event> {
  const log = new SourceLog<Event>(name);
  for (let n = 0; n < size; n++) {
    const time = from + Math.floor(n * WINDOWS * LENGTH_MS / size);
    log.items.push({ id: `${name}-${n}`, source: name, key: `k${n % KEYS}`, time, side: 0 });
  }
  log.isClosed = true;
  return log;
}

const inputOf = (logs: readonly SourceLog<Event>[]) =>
  new SourceLogs<Event>(logs, 7, 1_000, () => true);

const windower = new TumblingWindowConfig({ length: LENGTH_MS });
const clock = new EventClockConfig<Event>({
  getTime: ({ time }) => time,
  wait: 0,
  watermark: "step",
});

/** Counts the windows that are open, on all workers together. */
class OpenWindows {
  open = 0;
  most = 0;

  opened(): number {
    this.most = Math.max(this.most, ++this.open);
    return 0;
  }

  closed<R>(result: R): R {
    this.open--;
    return result;
  }
}

/** The windows of all keys that a source can open ahead of the one that is least far. */
function mostOf({ items }: SourceLog<Event>): number {
  const each = items.length / WINDOWS; // items in a window
  const windows = Math.ceil(UNKNOWN / each) + 3; // one of drift, and one begun at either end
  return windows * Math.min(KEYS, Math.ceil(each));
}

const names = ["a", "b", "c", "d"];

/** By what they are: the sources of each input. */
const SOURCES: Readonly<Record<string, () => SourceLog<Event>[][]>> = {
  "of one size": () => [names.map((name) => source(name, 24_000))],
  "of which one is read a thousand times more often": () => {
    const logs = names.map((name) => source(name, 24_000));
    logs[0].speed = 1_000;
    return [logs];
  },
  "whose sizes differ by 10 and by 30 times": () => [
    [source("a", 36_000), source("b", 3_600), source("c", 3_600), source("d", 1_200)],
  ],
  "of two inputs an hour apart": () => [
    [source("a", 12_000), source("b", 12_000)],
    [source("c", 12_000, 3_600_000), source("d", 12_000, 3_600_000)],
  ],
};

for (const [name, logs] of Object.entries(SOURCES)) {
  for (const workers of [1, 3]) {
    Deno.test(`few windows are open at once over sources ${name}, on ${workers === 1 ? "1 worker" : `${workers} workers`}`, async () => {
      const counted = new OpenWindows();
      const out = new ExactOutput<Keyed<number>>();
      const late = new ExactOutput<Keyed<Event>>();
      const all = logs();
      const root = new Dataflow("aligned");
      const [first, ...others] = all.map((own, n) => root.input(`in-${n}`, inputOf(own)));
      const counts = (others.length === 0 ? first : first.merge(...others))
        .keyOn(({ key }) => key)
        .foldWindow("count", clock, windower, () => counted.opened(), (count) => count + 1);
      counts.late.capture("late", late as OutputConfig<unknown>);
      const flow = counts.map((result) => counted.closed(result))
        .capture("out", out as OutputConfig<unknown>);
      await runWorkers(flow, workers);
      assertEquals(late.items, []);
      const events = all.flat().flatMap(({ items }) => items);
      const expected = batch(events, { kind: "tumbling", length: LENGTH_MS, alignTo: 0 });
      assertEquals(
        out.items.map(([key, count]) => `${key} ${count}`).sort(),
        expected.map(({ key, events }) => `${key} ${events.length}`).sort(),
      );
      const most = all.flat().reduce((sum, log) => sum + mostOf(log), 0);
      assert(most < expected.length / 5);
      assert(counted.most <= most, `${counted.most} windows of ${expected.length}, over ${most}`);
    });
  }
}
