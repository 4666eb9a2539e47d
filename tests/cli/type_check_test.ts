import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { checkTypes, shortened } from "../../src/cli/type_check.ts";
import { folderOf } from "../support/cli.ts";

const ERROR = `TS1 [ERROR]: wrong
const a: string = 1;
      ~
    at file:///flow.ts:1:7`;

const END = "error: Type checking failed.\n\nStack backtrace:\n   0: <unknown>\n";

Deno.test("shortened() returns Deno's errors without its own remarks", () => {
  assertEquals(shortened(`${ERROR}\n\n${END}`), ERROR);
  assertEquals(
    shortened(`error: Module not found "x".\n    at y\n`),
    `error: Module not found "x".\n    at y`,
  );
});

Deno.test("shortened() returns whole errors, as many as fit on a screen, but at least one", () => {
  const many = Array.from({ length: 20 }, () => ERROR).join("\n\n");
  const more = "… and more: `deno check` on the flow shows all";
  assertEquals(
    shortened(`${many}\n\nFound 20 errors.\n\n${END}`),
    [ERROR, ERROR, ERROR, ERROR, more].join("\n\n"),
  );
  const long = "line\n".repeat(40).trim();
  assertEquals(shortened(`${long}\n\n${ERROR}`), `${long}\n\n${more}`);
});

Deno.test("checkTypes() uses the configuration beside the flow, or the workers' own", async () => {
  await using folder = await folderOf({
    "flows/flow.ts": `import { n } from "numbers"; export const text: string = n;`,
    "flows/deno.json": `{ "imports": { "numbers": "./numbers.ts" } }`,
    "flows/numbers.ts": "export const n = 1;",
    "other/deno.json": `{ "imports": { "numbers": "./texts.ts" } }`,
    "other/texts.ts": `export const n = "one";`,
  });
  const moduleUrl = `file://${folder.path}/flows/flow.ts`;
  const check = (...workerFlags: string[]) =>
    checkTypes({ moduleUrl, workerFlags, cwd: folder.path });
  const error = await assertRejects(() => check("--allow-net"));
  assertStringIncludes(
    (error as Error).message,
    "the flow was not run, as Deno refuses its types:\n" +
      "TS2322 [ERROR]: Type 'number' is not assignable to type 'string'.",
  );
  await check("--allow-net", "--config=other/deno.json"); // as of the folder of the command
});
