/** Prometheus' own tool, which checks what is meant for Prometheus. */

/** What it says; `null` where it is not installed. */
export async function promtool(
  args: readonly string[],
  options: { readonly stdin?: string; readonly cwd?: string } = {},
): Promise<{ code: number; said: string } | null> {
  const { stdin = "", cwd } = options;
  try {
    const command = new Deno.Command("promtool", {
      args: [...args],
      ...cwd === undefined ? {} : { cwd },
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    });
    await using child = command.spawn();
    const output = child.output();
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(stdin));
    await writer.close();
    const { code, stdout, stderr } = await output;
    const said = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes)).join("");
    return { code, said };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

/** Whether it is installed. */
export const hasPromtool: boolean = await promtool(["--version"]) !== null;
