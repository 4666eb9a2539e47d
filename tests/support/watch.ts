/** What tests of `--watch` need: a folder whose files they replace, and the command. */
import { type CliProcess, FLOW_CONFIG, folderOf, startCli } from "./cli.ts";

/** The folder of a flow, which a test edits. */
export interface Project extends AsyncDisposable {
  readonly path: string;
  /** Replaces a file as editors do: another file takes the name. */
  write(name: string, text: string): Promise<void>;
}

/** Makes a folder with these files. They may import `millrace`. */
export async function project(files: Readonly<Record<string, string>>): Promise<Project> {
  const folder = await folderOf({ "deno.json": FLOW_CONFIG, ...files });
  return {
    path: folder.path,
    write: async (name, text) => {
      await Deno.writeTextFile(`${folder.path}/.${name}.new`, text);
      await Deno.rename(`${folder.path}/.${name}.new`, `${folder.path}/${name}`);
    },
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

/** Runs its `flow.ts`, and again whenever that changes. */
export function watch({ path }: Project, ...args: string[]): CliProcess {
  return startCli([`${path}/flow.ts`, "--watch", "--log-level=info", ...args], {
    deadlineMs: 60_000,
  });
}
