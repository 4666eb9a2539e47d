/**
 * How much of a core a flow takes that waits on an empty topic of many partitions, how soon it runs, and
 * how soon it stops. The broker is a stand-in (`many_partitions_broker.ts`), as a real one needs a file
 * for each partition.
 */
const SECONDS = 15;

/** What the first fetch takes, which asks for all partitions, is not part of waiting. */
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
  const cli = new URL("../cli.ts", import.meta.url).href;
  const flow = new URL("flows/kafka_idle.ts", import.meta.url);
  const begun = performance.now();
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-A",
      cli,
      flow.pathname,
      "--log-level",
      "info",
      "--",
      `127.0.0.1:${port}`,
      "many",
    ],
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
  const startMs = performance.now() - begun;
  reader.releaseLock();
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  const pids = [child.pid, ...childrenOf(child.pid)];
  const before = pids.map(cpuSeconds);
  await new Promise((resolve) => setTimeout(resolve, SECONDS * 1000));
  const used = pids.reduce((sum, pid, i) => sum + cpuSeconds(pid) - before[i], 0);
  const stopped = performance.now();
  child.kill("SIGTERM");
  await child.stderr.cancel();
  const { code } = await child.status;
  const stopMs = performance.now() - stopped;
  console.log(`\nidle: a flow that waits on an empty topic of ${partitions} partitions`);
  const line = (name: string, value: string) => console.log(`  ${name.padEnd(34)}${value}`);
  line("it runs after", `${(startMs / 1000).toFixed(1)} s`);
  line(`over ${SECONDS} s`, `${(used / SECONDS * 100).toFixed(2)} % of a core`);
  line("a stop takes", `${(stopMs / 1000).toFixed(2)} s (exit code ${code})`);
}

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
