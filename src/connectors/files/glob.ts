/**
 * Patterns for paths.
 *
 * - `*` and `?` match any characters and any one character of a name.
 * - `[a-z]` and `[!a-z]` match one character in a set and one that is not.
 * - `**` matches any folders, also none. It does not follow links, which may lead round in a
 *   circle.
 * - `{a,b}` matches each of its choices.
 * - A name with a leading dot only matches if the pattern has the dot.
 *
 * Why own code: the glob in `node:fs` silently skips folders that it may not read, and the lines of
 * their files would be lost. With Deno, it also asks for access to the environment.
 *
 * Names are matched by own code too. `globToRegExp` of `@std/path` would have to be loaded in the
 * user's project, which may have none of our packages. It also differs from `node:fs`: `*` matches
 * a leading dot, and `?` does not match a character of two code units. `[^a]` is not a negation,
 * `{a}` is `a`, `\` is an escape, and `+(a)` repeats.
 *
 * @module
 */
import { ifThere } from "./guarded.ts";

/** A literal name, a pattern for names, or any number of folders. */
type Segment = string | RegExp | typeof FOLDERS;

const FOLDERS = Symbol("**");

/** Whether a path has any of the characters that make it a pattern. */
export function isPattern(path: string): boolean {
  return /[*?[{]/.test(path);
}

/**
 * Returns the matching paths, sorted, without folders (but with links, wherever they lead). Paths
 * begin as the pattern does.
 *
 * @throws {Error} If a folder on the way cannot be read, or a set is malformed, such as `[z-a]`.
 */
export async function glob(pattern: string): Promise<string[]> {
  const found = new Set<string>();
  for (const choice of expandBraces(pattern)) {
    await walk(choice.startsWith("/") ? "/" : "", parse(choice), found);
  }
  return [...found].sort();
}

async function walk(
  folder: string,
  segments: readonly Segment[],
  found: Set<string>,
): Promise<void> {
  const [first, ...rest] = segments;
  if (typeof first === "string") {
    const path = folder + first;
    if (rest.length > 0) await walk(`${path}/`, rest, found);
    else if (await isThere(path)) found.add(path);
    return;
  }
  if (first === FOLDERS) await walk(folder, rest, found);
  for (const entry of await entriesOf(folder)) {
    const path = folder + entry.name;
    if (first === FOLDERS) {
      if (entry.isDirectory && !entry.name.startsWith(".")) await walk(`${path}/`, segments, found);
    } else if (first.test(entry.name)) {
      if (rest.length === 0 && !entry.isDirectory) found.add(path);
      else if (rest.length > 0 && !entry.isFile) await walk(`${path}/`, rest, found);
    }
  }
}

async function isThere(path: string): Promise<boolean> {
  // A link counts, wherever it leads, as in a folder that is listed.
  const info = await ifThere(path, () => Deno.lstat(path));
  return info !== null && !info.isDirectory;
}

async function entriesOf(folder: string): Promise<Deno.DirEntry[]> {
  const path = folder === "" ? "." : folder;
  return await ifThere(path, () => Array.fromAsync(Deno.readDir(path))) ?? [];
}

/**
 * Expands `a{b,c{d,e}}` to `ab`, `acd`, `ace`. Braces without a comma or a partner stay as they
 * are.
 */
function expandBraces(pattern: string): string[] {
  for (let open = pattern.indexOf("{"); open !== -1; open = pattern.indexOf("{", open + 1)) {
    const cuts = cutsOfBrace(pattern, open);
    if (cuts === null || cuts.length < 3) continue;
    const before = pattern.slice(0, open);
    const after = pattern.slice(cuts[cuts.length - 1] + 1);
    return cuts.slice(1).flatMap((cut, i) =>
      expandBraces(before + pattern.slice(cuts[i] + 1, cut) + after)
    );
  }
  return [pattern];
}

/**
 * Returns the indices of an opening brace, its commas, and the closing brace; `null` if it is not
 * closed.
 */
function cutsOfBrace(pattern: string, open: number): number[] | null {
  const cuts = [open];
  let depth = 0;
  for (let i = open + 1; i < pattern.length; i++) {
    const char = pattern[i];
    if (char === "{") depth++;
    else if (char === "," && depth === 0) cuts.push(i);
    else if (char === "}" && depth-- === 0) return [...cuts, i];
  }
  return null;
}

function parse(pattern: string): Segment[] {
  const segments = pattern.split("/").filter((segment) => segment !== "").map((segment) => {
    if (segment === "**") return FOLDERS;
    return /[*?[]/.test(segment) ? nameMatcher(segment) : segment;
  });
  return segments.at(-1) === FOLDERS ? [...segments, nameMatcher("*")] : segments;
}

function nameMatcher(segment: string): RegExp {
  const source = segment.replaceAll(
    /\*+|\?|\[([!^]?)(\][^\]]*|[^\]]+)\]|[^*?[]+|\[/g,
    (part, not: string | undefined, set: string | undefined) => {
      if (part.startsWith("*")) return ".*";
      if (part === "?") return ".";
      if (set === undefined) return part.replaceAll(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
      return `[${not === "" ? "" : "^"}${set.replaceAll(/[\\\]^[]/g, "\\$&")}]`;
    },
  );
  const hidden = segment.startsWith(".") ? "" : "(?!\\.)";
  try {
    return new RegExp(`^${hidden}${source}$`, "su");
  } catch (cause) {
    throw new SyntaxError(
      `"${segment}" is not a valid pattern: in a set such as [a-z], a range must not end before it begins`,
      { cause },
    );
  }
}
