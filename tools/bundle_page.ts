/**
 * Bundles the dashboard of `page/` into `src/ops/page.gen.ts`: `deno task page`. So users need no
 * build step, and the port reads no file and loads nothing from elsewhere.
 *
 * With `--check` it changes nothing, and fails if the file is not current. Another version of Deno
 * may write other bytes for the same sources. Then only the sources are compared.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";
import { denoInfo, listFiles } from "./deno_info.ts";

const ROOT = new URL("../", import.meta.url);
const ENTRY = "page/main.tsx";
const STYLE = "page/style.css";
const OUTPUT = "src/ops/page.gen.ts";

/** Preact is in the bundle, and its licence has to stay with it. */
const NOTICE = `Preact, which is part of the script below:

The MIT License (MIT)

Copyright (c) 2015-present Jason Miller

Permission is hereby granted, free of charge, to any person obtaining a copy
of this software and associated documentation files (the "Software"), to deal
in the Software without restriction, including without limitation the rights
to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all
copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE
SOFTWARE.`;

if (import.meta.main) Deno.exit(await main(Deno.args));

async function main(args: readonly string[]): Promise<number> {
  const output = new URL(OUTPUT, ROOT);
  const sources = await hashOfSources();
  if (!args.includes("--check")) {
    await Deno.writeTextFile(output, await bundle(sources));
    return 0;
  }
  const committed = await Deno.readTextFile(output);
  const isOfThisDeno = committed.includes(versionLine(Deno.version.deno));
  const isCurrent = isOfThisDeno
    ? committed === await bundle(sources)
    : committed.includes(sourcesLine(sources));
  if (isCurrent) return 0;
  console.error(`${OUTPUT} is not what page/ gives: run \`deno task page\``);
  return 1;
}

/** Of the page's own files, and of ours that run in it. Versions of packages are in deno.lock. */
async function hashOfSources(): Promise<string> {
  const own = await listFiles(ROOT, "page", /\.(tsx?|css|json)$/);
  const hash = createHash("sha256");
  for (const file of [...new Set([...await bundled(), ...own])].sort()) {
    hash.update(`${file}\n${await Deno.readTextFile(new URL(file, ROOT))}\n`);
  }
  return hash.digest("hex");
}

/** Our modules in the bundle. One that is imported for its types alone leaves nothing there. */
async function bundled(): Promise<string[]> {
  const { modules } = await denoInfo(ROOT, [ENTRY]);
  const bySpecifier = new Map(modules.map((module) => [module.specifier, module]));
  const found = new Set([new URL(ENTRY, ROOT).href]);
  for (const specifier of found) { // it also visits what is added meanwhile
    for (const { code } of bySpecifier.get(specifier)?.dependencies ?? []) {
      if (code?.specifier?.startsWith(ROOT.href)) found.add(code.specifier);
    }
  }
  return [...found].map((specifier) => specifier.slice(ROOT.href.length));
}

async function bundle(sources: string): Promise<string> {
  const { success, errors, outputFiles = [] } = await Deno.bundle({
    entrypoints: [fileURLToPath(new URL(ENTRY, ROOT))],
    platform: "browser",
    minify: true,
    write: false,
  });
  if (!success) throw new Error(errors.map(({ text }) => text).join("\n"));
  const script = outputFiles[0].text();
  const style = compact(await Deno.readTextFile(new URL(STYLE, ROOT)));
  return [
    "// deno-fmt-ignore-file",
    "// deno-lint-ignore-file",
    "/**",
    " * The dashboard's script and style. `deno task page` makes this file of page/.",
    " *",
    ` * ${sourcesLine(sources)}`,
    ` * ${versionLine(Deno.version.deno)}`,
    " *",
    ...NOTICE.split("\n").map((line) => ` * ${line}`.trimEnd()),
    " *",
    " * @module",
    " */",
    "",
    "/** The script. */",
    `export const script: string = ${JSON.stringify(script)};`,
    "",
    "/** The style. */",
    `export const style: string = ${JSON.stringify(style)};`,
    "",
  ].join("\n");
}

function sourcesLine(sources: string): string {
  return `Sources: ${sources}`;
}

function versionLine(version: string): string {
  return `Deno: ${version}.`;
}

/** Without what indents its lines. */
function compact(css: string): string {
  return css.split("\n").map((line) => line.trim()).filter((line) => line !== "").join("\n");
}
