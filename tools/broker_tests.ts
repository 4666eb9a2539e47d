/** Finds the tests that need a broker (they import what starts one), and leaves them out. */
import { existsSync } from "node:fs";
import { relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { type DenoInfo, denoInfo, listFiles } from "./deno_info.ts";

/** Every test that talks to a broker imports this file, itself or through another file. */
const STARTER = "tests/support/kafka/broker/broker.ts";

/** What arguments of `deno test` select. */
export interface Selection {
  /** The test files that need a broker, as paths from the root. */
  readonly brokerTests: readonly string[];
  /** The arguments that leave those out; nothing if no test is left. */
  readonly otherArgs: readonly string[] | undefined;
}

/**
 * Separates the tests that need a broker from the others.
 *
 * @param root The root of the repository, where the paths among the arguments start.
 * @param args Without a path among them, all tests are selected.
 */
export async function selectBrokerTests(root: URL, args: readonly string[]): Promise<Selection> {
  const files = await listFiles(root, "tests");
  const selected = selectTests(files, pathsOf(root, args));
  if (selected.length === 0) return { brokerTests: [], otherArgs: args };
  const brokerTests = reaching(root, await denoInfo(root, selected), selected);
  return { brokerTests, otherArgs: leaveOut(root, args, selected, brokerTests) };
}

/** The test files in or at the paths, or all where there is no path. The root is the path "". */
export function selectTests(files: readonly string[], paths: readonly string[]): string[] {
  return files.filter((file) => {
    if (paths.includes(file)) return true; // also one that deno test does not find by its name
    if (!/[/_.]test\.[mc]?[jt]sx?$/.test(file)) return false;
    return paths.length === 0 || paths.some((path) => isIn(file, path));
  });
}

/** Every test that needs a browser imports this file. */
const BROWSER_STARTER = "tests/support/browser.ts";

/** Returns the tests that arguments of `deno test` select and that need a browser. */
export async function selectBrowserTests(root: URL, args: readonly string[]): Promise<string[]> {
  const selected = selectTests(await listFiles(root, "tests"), pathsOf(root, args));
  if (selected.length === 0) return [];
  return reaching(root, await denoInfo(root, selected), selected, BROWSER_STARTER);
}

/** Those of the files that import what starts a broker, or another file. */
export function reaching(
  root: URL,
  info: DenoInfo,
  files: readonly string[],
  starter: string = STARTER,
): string[] {
  const importers = new Map<string, string[]>();
  for (const { specifier, dependencies = [] } of info.modules) {
    for (const { code } of dependencies) {
      if (code?.specifier === undefined) continue;
      importers.set(code.specifier, [...importers.get(code.specifier) ?? [], specifier]);
    }
  }
  const found = new Set([new URL(starter, root).href]);
  for (const module of found) {
    for (const importer of importers.get(module) ?? []) found.add(importer);
  }
  return files.filter((file) => found.has(new URL(file, root).href));
}

/**
 * The arguments that select the same tests without those at `left`; nothing if no test is left.
 *
 * With several paths, Deno 2.9 heeds `--ignore` for the first of them only. So each path that holds
 * such a test becomes the list of its other tests.
 */
export function leaveOut(
  root: URL,
  args: readonly string[],
  selected: readonly string[],
  left: readonly string[],
): readonly string[] | undefined {
  if (left.length === 0) return args;
  const paths = pathsOf(root, args);
  if (paths.length === 0 || (paths.length === 1 && !left.includes(paths[0]))) {
    return [...left.map((file) => `--ignore=${file}`), ...args];
  }
  const others = args.flatMap((arg) => {
    const path = pathOf(root, arg);
    if (path === undefined || !left.some((file) => isIn(file, path))) return [arg];
    return selected.filter((file) => isIn(file, path) && !left.includes(file));
  });
  return pathsOf(root, others).length === 0 ? undefined : others;
}

function isIn(file: string, path: string): boolean {
  return path === "" || file === path || file.startsWith(`${path}/`);
}

function pathsOf(root: URL, args: readonly string[]): string[] {
  return args.flatMap((arg) => pathOf(root, arg) ?? []);
}

/** Where an argument leads, from the root; nothing for a pattern, an option or its value. */
function pathOf(root: URL, arg: string): string | undefined {
  const folder = fileURLToPath(root);
  const path = resolve(folder, arg);
  return existsSync(path) ? relative(folder, path) : undefined;
}
