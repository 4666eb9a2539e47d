/**
 * Counts the records of a topic by key and minute: `BUILD BROKER TOPIC EVERY`. `BUILD` is the URL
 * of the `mod.ts` to run with. After every `EVERY` records that a worker has read, and at its end,
 * it prints its resident memory.
 *
 * Open windows are counted on the worker that has them. The builder of the fold counts one more
 * when a window opens, and the `map` that follows the step one less for each result.
 */
import type * as Millrace from "millrace";
import { Digest } from "../nexmark/digest.ts";
import { batchOutput, residentMiB } from "../support.ts";
import { begin, timedOutput } from "./timed.ts";

const [build, broker, topic, every] = Deno.args;
const {
  Dataflow,
  EventClockConfig,
  KafkaMessageInputConfig,
  TumblingWindowConfig,
}: typeof Millrace = await import(build);

let read = 0;
let counted = 0;
let late = 0;
let open = 0;
let mostOpen = 0;
let mostMiB = 0;
const digest = new Digest();

function look(): void {
  const resident = residentMiB();
  mostMiB = Math.max(mostMiB, resident);
  console.log(JSON.stringify({ read, resident, open }));
}

const counts = new Dataflow("backlog")
  .input("in", new KafkaMessageInputConfig({ brokers: [broker], topic, tail: false }))
  .map(({ offset, timestamp }): Millrace.Keyed<number> => {
    begin();
    if (++read % Number(every) === 0) look();
    return [`k${Number(offset) % 5}`, timestamp];
  })
  .foldWindow(
    "count",
    new EventClockConfig({ getTime: (at: number) => at, wait: { seconds: 10 } }),
    new TumblingWindowConfig({ length: { minutes: 1 } }),
    () => {
      mostOpen = Math.max(mostOpen, ++open);
      return 0;
    },
    (count) => count + 1,
  );
counts.late.capture(batchOutput((batch) => void (late += batch.length)));

export default counts.windows
  .map(([key, [{ openAt }, count]]) => {
    open--;
    counted += count;
    digest.add([key, openAt.getTime(), count]);
    return count;
  })
  .capture(timedOutput(() => {}, () => {
    look();
    return { counted, late, mostOpen, mostMiB, digest };
  }));
