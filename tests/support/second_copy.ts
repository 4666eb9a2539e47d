/** The public module. */
export type Millrace = typeof import("../../mod.ts");

/**
 * Loads a second copy of the whole module, as when a flow file and the command line have different
 * URLs for it. A query after `mod.ts` would not do, as both copies would share the files it
 * imports. A link to the project gives all of them another URL.
 */
export async function loadSecondCopy(): Promise<Millrace> {
  const dir = await Deno.makeTempDir();
  try {
    await Deno.symlink(new URL("../..", import.meta.url), `${dir}/copy`);
    return await import(new URL(`file://${dir}/copy/mod.ts`).href);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}
