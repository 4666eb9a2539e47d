/**
 * A flow for groups of machines: records are copied as they are, counted by key, and counted again
 * by bucket of keys. So it has a task that keeps nothing, and two that keep state.
 */
import {
  Dataflow,
  type InputConfig,
  KafkaInputConfig,
  type KafkaItem,
  KafkaOutputConfig,
  type Keyed,
  type OutputConfig,
  text,
} from "millrace";

/** How many buckets the keys are in. */
export const BUCKETS = 16;

/** The argument of the flow, as JSON. */
export interface GroupTotals {
  readonly brokers: readonly string[];
  readonly from: string;
  readonly to: { readonly copies: string; readonly counts: string; readonly totals: string };
  /** A value at which the step that counts blocks its thread, once a process. */
  readonly block?: { readonly at: string; readonly ms: number; readonly once: string };
}

/** Where the results go. */
export type Outputs = Record<keyof GroupTotals["to"], OutputConfig<Keyed<string>>>;

/** The flow in a group. */
export default function groupTotals([argument]: readonly string[]): Dataflow<unknown> {
  const { brokers, from, to, block }: GroupTotals = JSON.parse(argument);
  const output = (topic: string) => new KafkaOutputConfig({ brokers, topic });
  return totalsFlow(new KafkaInputConfig({ brokers, topic: from }), {
    copies: output(to.copies),
    counts: output(to.counts),
    totals: output(to.totals),
  }, block);
}

/** The flow, from any input to any outputs. */
export function totalsFlow(
  input: InputConfig<KafkaItem>,
  outputs: Outputs,
  block?: GroupTotals["block"],
): Dataflow<unknown> {
  const flow = new Dataflow("group-totals");
  const records = flow.input("in", input)
    .map(([key, value]): [string, string] => [text.decode(key), text.decode(value)]);
  records.capture("copies", outputs.copies);
  const counted = records.statefulMap("count", () => 0, (count, value) => {
    if (value === block?.at) blockOnce(block);
    return [count + 1, `${count + 1} ${value}`];
  });
  counted.capture("counts", outputs.counts);
  counted.keyOn(([key]) => `bucket ${Number(key.split(" ")[1]) % BUCKETS}`)
    .statefulMap("total", () => 0, (total) => [total + 1, `${total + 1}`])
    .capture("totals", outputs.totals);
  return flow;
}

/** Blocks the thread, if no process has made the file yet. */
function blockOnce({ ms, once }: NonNullable<GroupTotals["block"]>): void {
  try {
    Deno.openSync(once, { createNew: true, write: true }).close();
  } catch {
    return;
  }
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
