/** Files of one test. */
export interface TempFolder extends AsyncDisposable {
  /** The path of a file in it. */
  at(name: string): string;
  /** Writes a file, and returns its path. */
  write(name: string, content: string | Uint8Array): Promise<string>;
}

/** A folder that is removed after the test. */
export async function tempFolder(): Promise<TempFolder> {
  const folder = await Deno.makeTempDir();
  return {
    at: (name) => `${folder}/${name}`,
    async write(name, content) {
      const path = `${folder}/${name}`;
      await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true });
      if (typeof content === "string") await Deno.writeTextFile(path, content);
      else await Deno.writeFile(path, content);
      return path;
    },
    [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }),
  };
}
