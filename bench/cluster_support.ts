/** Runs the flows of `flows/` on worker processes; the flows measure the time themselves. */
import { type ClusterOptions, spawnCluster } from "millrace";

/** What the workers of a run have printed. */
export interface Timed {
  /** From the first item on any worker to the last on any, in milliseconds. */
  readonly ms: number;
  /** What each worker printed at its end. */
  readonly workers: readonly Record<string, unknown>[];
}

/** Runs a flow whose output is a `timedOutput`. */
export async function runTimed(
  flow: string,
  options: Pick<ClusterOptions, "workers" | "args" | "recovery" | "epoch" | "api">,
): Promise<Timed> {
  let printed = "";
  const decoder = new TextDecoder();
  await spawnCluster(new URL(`./flows/${flow}`, import.meta.url), {
    ...options,
    taps: { stdout: (bytes) => void (printed += decoder.decode(bytes, { stream: true })) },
  });
  const workers = printed.trim().split("\n").map((line) => JSON.parse(line));
  const began = Math.min(...workers.map(({ started }) => started ?? Infinity));
  return { ms: Math.max(...workers.map(({ ended }) => ended)) - began, workers };
}
