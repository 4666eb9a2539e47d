/** What the benches of idle flows share: a flow in a process of its own, and its processor time. */

/** A flow that runs as `deno run cli.ts flow.ts`, in as many processes as that takes. */
export interface IdleFlow {
  /** Processor time of each process since the last look, in seconds; the coordinator's first. */
  lap(): number[];
  /** Stops the flow. Resolves with its exit code. */
  stop(): Promise<number>;
}

/** Starts a flow. Resolves once its log says that it runs. */
export async function startFlow(flow: URL, args: readonly string[]): Promise<IdleFlow> {
  const cli = new URL("../cli.ts", import.meta.url).href;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", cli, flow.pathname, "--log-level", "info", "--", ...args],
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
  let before = pids.map(cpuSeconds);
  return {
    lap(): number[] {
      const now = pids.map(cpuSeconds);
      const used = now.map((seconds, i) => seconds - before[i]);
      before = now;
      return used;
    },
    async stop(): Promise<number> {
      child.kill("SIGTERM");
      await child.stderr.cancel();
      return (await child.status).code;
    },
  };
}

/** Processor time that a process has used, user and system (Linux; ticks of 10 ms). */
export function cpuSeconds(pid: number): number {
  const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

function childrenOf(pid: number): number[] {
  const text = Deno.readTextFileSync(`/proc/${pid}/task/${pid}/children`);
  return text.split(" ").filter((word) => word !== "").map(Number);
}
