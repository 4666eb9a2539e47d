/**
 * What a process starts with that loads a flow to describe it. Run by `describeModule` only.
 *
 * @module
 */
import { describeFlow } from "../flow_description.ts";
import { markAsWorker, whileLoading } from "../nesting.ts";
import type { DescribeAnswer, DescribeTask } from "./describe_flow.ts";
import { toFailure } from "./failure.ts";
import { loadFlow } from "./load_flow.ts";
import { WORKER_ENV } from "./spawn.ts";

const text = Deno.env.get(WORKER_ENV);
if (text === undefined) throw new Error("this module is started by describeModule only");
Deno.env.delete(WORKER_ENV);
markAsWorker();
const task: DescribeTask = JSON.parse(text);
// The flow may leave something running, so the process ends at once.
await Deno.writeTextFile(task.answer, JSON.stringify(await answer(task)));
Deno.exit(0);

async function answer(
  { moduleUrl, exportName, workers }: DescribeTask,
): Promise<DescribeAnswer> {
  try {
    const graph = await whileLoading(() => loadFlow(moduleUrl, exportName, Deno.args));
    return { flow: describeFlow(graph, workers) };
  } catch (thrown) {
    return { failure: toFailure(thrown) };
  }
}
