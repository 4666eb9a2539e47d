/** The command line from start to exit. */
import { median } from "./support.ts";

const RUNS = 11;

const cli = new URL("../cli.ts", import.meta.url).href;
const flow = new URL("../examples/wordcount.ts", import.meta.url);
const times: number[] = [];
for (let i = 0; i <= RUNS; i++) {
  const started = performance.now();
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", cli, flow.pathname],
    stdout: "null",
  }).output();
  if (!success) throw new Error("the example failed");
  if (i > 0) times.push(performance.now() - started);
}
console.log(
  `\nstart to exit of the command line, examples/wordcount.ts, once cached (${RUNS} runs)`,
);
console.log(
  `  median ${median(times).toFixed(0)} ms, from ${Math.min(...times).toFixed(0)} to ${
    Math.max(...times).toFixed(0)
  } ms`,
);
