/** How much of a core a flow takes that waits on an empty topic. */
import { createTopic, kafkaBrokers } from "../tests/support/kafka.ts";

const SECONDS = 20;

const brokers = await kafkaBrokers();
const topic = await createTopic(brokers, { partitions: 4 });
const counts = await createTopic(brokers, { partitions: 4 });
const cli = new URL("../cli.ts", import.meta.url).href;
const flow = new URL("../examples/kafka_wordcount.ts", import.meta.url);
const child = new Deno.Command(Deno.execPath(), {
  args: ["run", "-A", cli, flow.pathname, "--log-level", "info", "--", brokers[0], topic, counts],
  stderr: "piped",
}).spawn();
let log = "";
const decoder = new TextDecoder();
const reader = child.stderr.getReader();
while (!log.includes("flow running")) {
  const { value, done } = await reader.read();
  if (done) throw new Error(`the flow did not start: ${log}`);
  log += decoder.decode(value, { stream: true });
}
reader.releaseLock();
const pids = [child.pid, ...childrenOf(child.pid)];
const before = pids.map(cpuSeconds);
await new Promise((resolve) => setTimeout(resolve, SECONDS * 1000));
const names = ["coordinator", "worker"];
console.log(`\nidle: a flow that waits on an empty topic, over ${SECONDS} s`);
let sum = 0;
for (const [i, pid] of pids.entries()) {
  const used = cpuSeconds(pid) - before[i];
  sum += used;
  console.log(
    `  ${(names[i] ?? "other").padEnd(34)}${(used / SECONDS * 100).toFixed(2)} % of a core`,
  );
}
console.log(`  ${"in all".padEnd(34)}${(sum / SECONDS * 100).toFixed(2)} % of a core`);
child.kill("SIGTERM");
await child.stderr.cancel();
await child.status;

/** Processor time that a process has used, user and system (Linux; ticks of 10 ms). */
function cpuSeconds(pid: number): number {
  const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

function childrenOf(pid: number): number[] {
  const text = Deno.readTextFileSync(`/proc/${pid}/task/${pid}/children`);
  return text.split(" ").filter((word) => word !== "").map(Number);
}
