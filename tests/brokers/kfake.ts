/** `kfake`, franz-go's in-memory Kafka for tests: three brokers, and stricter than Kafka in places. */
import { cacheFolder, Processes, runTool } from "./processes.ts";
import type { RunningBroker } from "./kafka_versions.ts";

const SOURCE = `${import.meta.dirname}/kfake`;

/** Builds it, where that has not been done, and starts it. */
export async function startKfake(): Promise<RunningBroker> {
  await Deno.mkdir(cacheFolder(), { recursive: true });
  const program = `${cacheFolder()}/kfake`;
  await runTool("go", ["build", "-o", program, "."], {
    cwd: SOURCE,
    env: { GOTOOLCHAIN: "auto" },
  });
  const processes = await Processes.create();
  try {
    processes.start("kfake", program, []);
    const listening = () => /^listening (.*)$/m.exec(processes.log("kfake"))?.[1];
    await processes.until("kfake", () => listening() !== undefined);
    return {
      brokers: listening()!.split(","),
      [Symbol.asyncDispose]: () => processes[Symbol.asyncDispose](),
    };
  } catch (error) {
    await processes[Symbol.asyncDispose]();
    throw error;
  }
}
