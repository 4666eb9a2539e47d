/** `kfake`, franz-go's in-memory Kafka for tests. Three brokers, stricter than Kafka in places. */
import { cacheFolder, type RunningBroker, runTool, startAnnounced } from "./processes.ts";

const SOURCE = `${import.meta.dirname}/kfake`;

/** Builds it if that has not been done, and starts it. */
export async function startKfake(): Promise<RunningBroker> {
  await Deno.mkdir(cacheFolder(), { recursive: true });
  const program = `${cacheFolder()}/kfake`;
  await runTool("go", ["build", "-o", program, "."], {
    cwd: SOURCE,
    env: { GOTOOLCHAIN: "auto" },
  });
  return await startAnnounced("kfake", program, []);
}
