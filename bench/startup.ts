/** The command line from start to exit, and from start to the first item out of four workers. */
import { median } from "./support.ts";

const RUNS = 11;

const cli = new URL("../cli.ts", import.meta.url).href;
const flow = new URL("../examples/wordcount.ts", import.meta.url).pathname;

/** Runs the example; returns when the first byte came and when it exited, in milliseconds. */
async function start(workers: number): Promise<{ first: number; exit: number }> {
  const started = performance.now();
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", cli, flow, "-w", String(workers)],
    stdout: "piped",
  }).spawn();
  let first = NaN;
  for await (const _ of child.stdout) {
    if (Number.isNaN(first)) first = performance.now() - started;
  }
  const { success } = await child.status;
  if (!success) throw new Error("the example failed");
  return { first, exit: performance.now() - started };
}

console.log(`\nstart of the command line, examples/wordcount.ts, once cached (${RUNS} runs)`);
for (const workers of [1, 4]) {
  await start(workers);
  const times = [];
  for (let i = 0; i < RUNS; i++) times.push(await start(workers));
  const shown = (all: number[]) =>
    `${median(all).toFixed(0)} ms (${Math.min(...all).toFixed(0)}-${Math.max(...all).toFixed(0)})`;
  console.log(
    `  ${workers} worker${workers === 1 ? " " : "s"}: first item out ` +
      `${shown(times.map(({ first }) => first))}, exit ${shown(times.map(({ exit }) => exit))}`,
  );
}
