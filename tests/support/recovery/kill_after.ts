/**
 * Processes that are killed at some moment, to see what their files hold then.
 *
 * @module
 */
import { assertEquals } from "@std/assert";

/**
 * Runs a module, kills it `ms` after it has printed some lines, and returns its lines.
 *
 * @param args The module's arguments.
 * @param count After how many lines the time begins.
 */
export async function killAfter(
  module: string,
  args: readonly string[],
  ms: number,
  count = 1,
): Promise<string[]> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", module, ...args],
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  let said = "";
  let isDue = false;
  for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
    said += text;
    if (isDue || said.split("\n").length <= count) continue;
    isDue = true;
    setTimeout(() => child.kill("SIGKILL"), ms);
  }
  assertEquals((await child.status).signal, "SIGKILL");
  return said.split("\n").slice(0, -1); // a line that is not whole does not count
}
