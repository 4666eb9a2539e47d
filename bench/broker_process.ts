/** Finds the broker of a bench among the machine's processes (Linux). */

/**
 * The process of the broker that this run has started.
 *
 * @throws {Error} If the brokers are elsewhere.
 */
export function ownBroker(): number {
  for (const { name } of Deno.readDirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const command = textOf(`/proc/${name}/cmdline`);
    if (command.includes("java\0") && command.includes(`millrace-kafka-${Deno.pid}-`)) {
      return Number(name);
    }
  }
  throw new Error("the broker is not of this run: do not set KAFKA_BROKERS");
}

function textOf(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return ""; // it has ended meanwhile
    throw error;
  }
}
