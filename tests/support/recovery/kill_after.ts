/**
 * Processes that are killed at some moment, to see what their files hold then.
 *
 * @module
 */
import { assertEquals } from "@std/assert";

/**
 * Runs a module, kills it `ms` after its first output, and returns its lines.
 *
 * @param args The module's arguments.
 */
export async function killAfter(
  module: string,
  args: readonly string[],
  ms: number,
): Promise<string[]> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", module, ...args],
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  let said = "";
  for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
    if (said === "") setTimeout(() => child.kill("SIGKILL"), ms);
    said += text;
  }
  assertEquals((await child.status).signal, "SIGKILL");
  return said.split("\n").slice(0, -1); // a line that is not whole does not count
}
