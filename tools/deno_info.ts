/** Which module imports which, as Deno itself tells (`deno info`). */

/** The part of `deno info --json` that the tools use. */
export interface DenoInfo {
  modules: {
    specifier: string;
    error?: string;
    dependencies?: { code?: Resolved; type?: Resolved }[];
  }[];
}

/** What an import leads to, or why it leads nowhere. */
export interface Resolved {
  specifier?: string;
  error?: string;
  span: { start: { line: number } };
}

/** Files in a folder and below it, scripts by default: paths from the root, sorted. */
export async function listFiles(
  root: URL,
  folder: string,
  name: RegExp = /\.[mc]?[jt]sx?$/,
): Promise<string[]> {
  const files: string[] = [];
  for await (const entry of Deno.readDir(new URL(folder, root))) {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory) files.push(...await listFiles(root, path, name));
    else if (name.test(entry.name)) files.push(path);
  }
  return files.sort();
}

/**
 * What Deno says about the files and all that they import.
 *
 * One run serves all files, over a module that imports each of them; a URL holds it, not a file.
 */
export async function denoInfo(root: URL, files: readonly string[]): Promise<DenoInfo> {
  const entry = files.map((file) => `import ${JSON.stringify(new URL(file, root).href)};`).join("");
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", "--no-lock", `data:text/typescript,${encodeURIComponent(entry)}`],
    cwd: root,
  }).output();
  if (!success) throw new Error(`deno info failed: ${new TextDecoder().decode(stderr)}`);
  return JSON.parse(new TextDecoder().decode(stdout));
}
