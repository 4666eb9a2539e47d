import { assertEquals } from "@std/assert";
import type { Keyed } from "../../../mod.ts";
import { type BuildFlow, GroupRun } from "../../support/group/group_run.ts";

const count = (state: number): [number, number] => [state + 1, state + 1];

/** Asserts that outputs are those of one machine: equal as multisets, and by key in order. */
async function assertAsOnOneMachine(run: GroupRun): Promise<void> {
  const expected = await run.expected();
  assertEquals(sorted(run.group.outputs), sorted(expected));
}

function sorted(outputs: ReadonlyMap<string, readonly unknown[]>): Map<string, string[]> {
  return new Map([...outputs].map(([name, items]) => [
    name,
    items.map((item) => JSON.stringify(item)).sort(),
  ]));
}

const keyed: BuildFlow = ({ input, output }) =>
  input<Keyed<number>>("in", "numbers").statefulMap("count", () => 0, count)
    .capture("out", output("out"));

Deno.test("TaskRunner gives what one machine gives, from two processes", async () => {
  const run = new GroupRun(keyed, { numbers: 2 });
  for (let i = 0; i < 100; i++) run.group.topics.append("numbers", i % 2, [`k${i % 10}`, i]);
  const [a, b] = [run.start(), run.start()];
  run.tasks.forEach((task, i) => run.assign(i % 2 === 0 ? a : b, task));
  await run.drain();
  await run.stop();
  await assertAsOnOneMachine(run);
});
