/** librdkafka's mock cluster, in memory, from its package for Python: three brokers. */
import { cacheFolder, exists, type RunningBroker, runTool, startAnnounced } from "./processes.ts";

/** The version of librdkafka, and of the package. */
const VERSION = "2.16.1";

const PROGRAM = `${import.meta.dirname}/librdkafka/mock.py`;

/** Fetches it if that has not been done, and starts it. */
export async function startLibrdkafkaMock(): Promise<RunningBroker> {
  return await startAnnounced("librdkafka-mock", await python(), [PROGRAM]);
}

/** A Python that has the package. */
async function python(): Promise<string> {
  const folder = `${cacheFolder()}/librdkafka-${VERSION}`;
  if (!await exists(`${folder}/ready`)) {
    await Deno.mkdir(cacheFolder(), { recursive: true });
    await runTool("python3", ["-m", "venv", "--clear", folder]);
    await runTool(`${folder}/bin/pip`, ["install", "-q", `confluent-kafka==${VERSION}`]);
    await Deno.writeTextFile(`${folder}/ready`, "");
  }
  return `${folder}/bin/python`;
}
