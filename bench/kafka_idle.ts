/**
 * A flow that waits on an empty topic of many partitions: its share of a core, how soon it runs,
 * and how soon it stops. The broker is a stand-in (`many_partitions_broker.ts`), since a real one
 * needs a file for each partition.
 */
import { startFlow } from "./idle_support.ts";

const SECONDS = 15;

/** The first fetch asks for all partitions; its time is not part of waiting. */
const SETTLE_MS = 5_000;

for (const partitions of [5_000, 20_000, 100_000]) {
  const broker = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-A",
      new URL("many_partitions_broker.ts", import.meta.url).href,
      `${partitions}`,
    ],
    stdout: "piped",
  }).spawn();
  const { value } = await broker.stdout.getReader().read();
  try {
    await measure(partitions, Number(new TextDecoder().decode(value)));
  } finally {
    broker.kill("SIGKILL");
    await broker.status;
  }
}

async function measure(partitions: number, port: number): Promise<void> {
  const begun = performance.now();
  const waits = new URL("flows/kafka_idle.ts", import.meta.url);
  const flow = await startFlow(waits, [`127.0.0.1:${port}`, "many"]);
  const startMs = performance.now() - begun;
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  flow.lap();
  await new Promise((resolve) => setTimeout(resolve, SECONDS * 1000));
  const used = flow.lap().reduce((sum, seconds) => sum + seconds, 0);
  const stopped = performance.now();
  const code = await flow.stop();
  const stopMs = performance.now() - stopped;
  console.log(`\nidle: a flow that waits on an empty topic of ${partitions} partitions`);
  const line = (name: string, value: string) => console.log(`  ${name.padEnd(34)}${value}`);
  line("it runs after", `${(startMs / 1000).toFixed(1)} s`);
  line(`over ${SECONDS} s`, `${(used / SECONDS * 100).toFixed(2)} % of a core`);
  line("a stop takes", `${(stopMs / 1000).toFixed(2)} s (exit code ${code})`);
}
