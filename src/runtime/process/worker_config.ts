/**
 * How a worker resolves imports: the flow's by the configuration of the flow's own project, ours by ours.
 *
 * Deno takes one configuration for a whole process, that of the module it starts with, which is the
 * worker's and not the flow's. So the worker is given the flow's configuration, and an import map in which
 * our own names hold for our own files only. Nothing is needed where both are one project, or where our
 * module came from a registry, whose files name what they import in full.
 *
 * @module
 */
import { parse } from "@std/jsonc";
import { fileURLToPath } from "node:url";

/** Names of imports and what they stand for. */
export type Imports = Readonly<Record<string, string>>;

/** An import map, as Deno and browsers have it. */
export interface ImportMap {
  readonly imports: Imports;
  readonly scopes: Readonly<Record<string, Imports>>;
}

/** A `deno.json`, as far as it says what imports stand for. */
export interface ConfigFile {
  /** Where it is. */
  readonly url: string;
  readonly imports?: Imports;
  readonly scopes?: Readonly<Record<string, Imports>>;
  /** The path of an import map beside it. */
  readonly importMap?: string;
  /** Members of a workspace; what its root imports holds for them too. */
  readonly workspace?: unknown;
}

const NAMES = ["deno.json", "deno.jsonc"];

/** Our own root, with a slash at its end. */
export const OUR_ROOT = new URL("../../../", import.meta.url).href;

/** The flags for a worker that loads `moduleUrl`. */
export async function configFlags(moduleUrl: string): Promise<string[]> {
  if (!moduleUrl.startsWith("file:")) return [];
  const [nearest, ...above] = await configsAbove(moduleUrl);
  if (nearest === undefined || new URL("./", nearest.url).href === OUR_ROOT) return [];
  const config = ["--config", fileURLToPath(nearest.url)];
  if (!OUR_ROOT.startsWith("file:")) return config;
  const root = above.find(({ workspace }) => workspace !== undefined);
  const theirs = await Promise.all((root === undefined ? [nearest] : [root, nearest]).map(mapOf));
  const [ours] = await configsAbove(OUR_ROOT);
  if (ours === undefined) return config;
  const map = mergeMaps(theirs, await mapOf(ours));
  const json = new TextEncoder().encode(JSON.stringify(map)).toBase64();
  // Deno 2.9 panics when a configuration names files of another project and an import map is given
  // as text. The map has all names of the configuration; what else is in that is gone then.
  const flags = theirs.some(namesUs) ? ["--no-config"] : config;
  return [...flags, "--import-map", `data:application/json;base64,${json}`];
}

/** Whether a name stands for a file of ours. */
function namesUs({ imports, scopes }: ImportMap): boolean {
  return [imports, ...Object.values(scopes)]
    .some((names) => Object.values(names).some((to) => to.startsWith(OUR_ROOT)));
}

/**
 * One map of several: later ones of `theirs` win, and `ours` holds below {@linkcode OUR_ROOT} only. What
 * we call ourselves is known to all, unless they say otherwise.
 */
export function mergeMaps(theirs: readonly ImportMap[], ours: ImportMap): ImportMap {
  const ourselves = Object.entries(ours.imports).filter(([, to]) => to.startsWith(OUR_ROOT));
  return {
    imports: Object.assign(Object.fromEntries(ourselves), ...theirs.map(({ imports }) => imports)),
    scopes: Object.assign({}, ...theirs.map(({ scopes }) => scopes), { [OUR_ROOT]: ours.imports }),
  };
}

/**
 * The map that a configuration stands for, with absolute addresses. In a configuration, a name of a
 * package stands for what is inside it too (`kafkajs/…`), which an import map has to say.
 */
export async function mapOf(config: ConfigFile): Promise<ImportMap> {
  let { imports = {}, scopes = {} } = config;
  let base = config.url;
  if (config.importMap !== undefined) {
    base = new URL(config.importMap, config.url).href;
    if (!base.startsWith("file:")) return { imports: {}, scopes: {} };
    ({ imports = {}, scopes = {} } = await readConfig(base));
  }
  return {
    imports: absolute(imports, base),
    scopes: Object.fromEntries(
      Object.entries(scopes).map((
        [prefix, names],
      ) => [new URL(prefix, base).href, absolute(names, base)]),
    ),
  };
}

function absolute(imports: Imports, base: string): Imports {
  const names: Record<string, string> = {};
  for (const [name, to] of Object.entries(imports)) {
    names[name] = /^\.{0,2}\//.test(to) ? new URL(to, base).href : to;
    const packaged = /^(npm|jsr):\/?(.+[^/])$/.exec(to);
    const inside = `${name}/`;
    if (packaged !== null && !name.endsWith("/") && !Object.hasOwn(imports, inside)) {
      names[inside] = `${packaged[1]}:/${packaged[2]}/`;
    }
  }
  return names;
}

/** The configurations in the folders from a file's own up, the nearest first. */
async function configsAbove(fileUrl: string): Promise<ConfigFile[]> {
  const configs: ConfigFile[] = [];
  for (let folder = new URL("./", fileUrl);;) {
    for (const name of NAMES) {
      const url = new URL(name, folder).href;
      const config = await readIfThere(url);
      if (config !== null) configs.push(config);
    }
    const parent = new URL("../", folder);
    if (parent.href === folder.href) return configs;
    folder = parent;
  }
}

async function readIfThere(url: string): Promise<ConfigFile | null> {
  try {
    return await readConfig(url);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
      return null;
    }
    throw error;
  }
}

async function readConfig(url: string): Promise<ConfigFile> {
  const text = await Deno.readTextFile(new URL(url));
  try {
    return { ...(parse(text) as object), url };
  } catch (cause) {
    throw new Error(`${url} is not JSON: ${cause instanceof Error ? cause.message : cause}`, {
      cause,
    });
  }
}
