/** What docs/internals.md names in the code is there. */
import { assert, assertEquals } from "@std/assert";
import { join } from "node:path";

const ROOT = join(import.meta.dirname!, "..");

Deno.test("each function that the internals name stands in its file", () => {
  const page = Deno.readTextFileSync(join(ROOT, "docs/internals.md"));
  const named = [...page.matchAll(/`([\w/]+\.ts):(#?\w+)`/g)];
  assert(named.length > 0);
  const missing = named
    .filter(([, file, name]) => !defines(Deno.readTextFileSync(join(ROOT, "src", file)), name))
    .map(([text]) => text);
  assertEquals(missing, []);
});

Deno.test("a function is found where it is defined, not where it is called", () => {
  const source = `export function top<T>(\n) {}\nexport class Box {\n  async #put(\n  ) {}\n` +
    `  constructor() {\n    this.call();\n  }\n}\n`;
  const found = ["top", "Box", "#put", "put", "call", "this"].filter((name) =>
    defines(source, name)
  );
  assertEquals(found, ["top", "Box", "#put"]);
});

/** Returns whether a source file declares a function, a class, a type or a method of this name. */
function defines(source: string, name: string): boolean {
  const words = "((export|async|static|get|override|protected|private|abstract) )*\\*?";
  const kinds = "(function\\*?|class|interface|type|const)";
  const declared = `^ *${words}${kinds} ${name}\\b`;
  const method = `^  ${words}${name}(<.*>)?\\(`;
  const methodOfObject = `^    ${words}${name}\\(.*\\{$`;
  return new RegExp(`${declared}|${method}|${methodOfObject}`, "m").test(source);
}
