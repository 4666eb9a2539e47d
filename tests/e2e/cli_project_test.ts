import { assertEquals, assertStringIncludes } from "@std/assert";
import { runCli } from "../support/cli.ts";

/** A user's project, in a folder whose name has a space. */
async function withProject(
  files: Readonly<Record<string, string>>,
  use: (folder: string) => Promise<void>,
): Promise<void> {
  const temporary = await Deno.makeTempDir();
  const folder = `${temporary}/my project`;
  try {
    for (const [path, text] of Object.entries(files)) {
      const file = `${folder}/${path}`;
      await Deno.mkdir(file.slice(0, file.lastIndexOf("/")), { recursive: true });
      await Deno.writeTextFile(file, text);
    }
    await use(folder);
  } finally {
    await Deno.remove(temporary, { recursive: true });
  }
}

const FLOW = `
import { Dataflow, StdOutputConfig, TestingInputConfig } from "millrace";
import { shout } from "@my/lib";
export default new Dataflow("own").input("in", new TestingInputConfig(["hey"]))
  .map(shout).capture(new StdOutputConfig());
`;
const LIB = `export const shout = (text: string): string => text.toUpperCase() + "!";`;

const ROOT = new URL("../..", import.meta.url).pathname;

Deno.test("a flow in a project of its own uses that project's deno.json, comments and all", async () => {
  const config =
    `{ // ours\n "imports": { "@my/lib": "./src/lib.ts", "millrace": "${ROOT}mod.ts" } }`;
  await withProject(
    { "deno.jsonc": config, "src/lib.ts": LIB, "flows/own.ts": FLOW },
    async (folder) => {
      for (const [cwd, flow] of [[folder, "flows/own.ts"], [undefined, `${folder}/flows/own.ts`]]) {
        const { code, stdout, stderr } = await runCli([flow!], cwd === undefined ? {} : { cwd });
        assertEquals({ code, stdout, stderr }, { code: 0, stdout: "HEY!\n", stderr: "" });
      }
    },
  );
});

Deno.test("a flow whose project does not say where Millrace is gets the line to add", async () => {
  await withProject({ "own.ts": printing("", "1") }, async (folder) => {
    const { code, stdout, stderr } = await runCli(["own.ts"], { cwd: folder });
    assertEquals([code, stdout], [2, ""]);
    assertStringIncludes(stderr, `add { "imports": { "millrace": "`);
    assertStringIncludes(stderr, `mod.ts" } } to one`);
  });
});

/** A flow that prints what `lines`, source text, does with what `imports` provide. */
function printing(imports: string, lines: string): string {
  return `
import { Dataflow, StdOutputConfig, TestingInputConfig } from "millrace";
${imports}
export default new Dataflow("own").input("in", new TestingInputConfig([${lines}]))
  .capture(new StdOutputConfig());
`;
}

/** Projects whose flows `deno run` can load only with the project's whole configuration. */
const PROJECTS: Readonly<
  Record<string, { files: Record<string, string>; flow: string; printed: string }>
> = {
  "dependencies of package.json in node_modules": {
    files: {
      "deno.json": `{ "nodeModulesDir": "manual", "imports": { "millrace": "${ROOT}mod.ts" } }`,
      "package.json": `{ "dependencies": { "tinylib": "1.0.0" } }`,
      "node_modules/tinylib/package.json":
        `{ "name": "tinylib", "version": "1.0.0", "main": "index.js" }`,
      "node_modules/tinylib/index.js": "exports.twice = (n) => 2 * n;",
      "own.ts": printing(`import { twice } from "tinylib";`, "twice(21)"),
    },
    flow: "own.ts",
    printed: "42\n",
  },
  "package.json without deno.json": {
    files: {
      "package.json": `{ "dependencies": { "tinylib": "1.0.0" } }`,
      "node_modules/tinylib/package.json":
        `{ "name": "tinylib", "version": "1.0.0", "main": "index.js" }`,
      "node_modules/tinylib/index.js": "exports.twice = (n) => 2 * n;",
      "own.ts": printing(`import { twice } from "tinylib";`, "twice(21)")
        .replace(`"millrace"`, `"${ROOT}mod.ts"`),
    },
    flow: "own.ts",
    printed: "42\n",
  },
  "unstable features": {
    files: {
      "deno.json": `{ "unstable": ["kv"], "imports": { "millrace": "${ROOT}mod.ts" } }`,
      "own.ts": printing("", "typeof (Deno as { openKv?: unknown }).openKv"),
    },
    flow: "own.ts",
    printed: "function\n",
  },
  "members of a workspace": {
    files: {
      "deno.json":
        `{ "workspace": ["./flows", "./lib"], "imports": { "millrace": "${ROOT}mod.ts" } }`,
      "lib/deno.json": `{ "name": "@my/lib", "version": "1.0.0", "exports": "./lib.ts" }`,
      "lib/lib.ts": LIB,
      "flows/deno.json": `{ "imports": { "own-name": "./names.ts" } }`,
      "flows/names.ts": `export const name = "me";`,
      "flows/own.ts": printing(
        `import { shout } from "@my/lib";\nimport { name } from "own-name";`,
        "shout(name)",
      ),
    },
    flow: "flows/own.ts",
    printed: "ME!\n",
  },
  "a package tried out locally": {
    files: {
      "app/deno.json": `{ "links": ["../lib"], "imports": { "millrace": "${ROOT}mod.ts", ` +
        `"@my/lib": "jsr:@my/lib@^1.0.0" } }`,
      "lib/deno.json": `{ "name": "@my/lib", "version": "1.0.0", "exports": "./lib.ts" }`,
      "lib/lib.ts": LIB,
      "app/own.ts": printing(`import { shout } from "@my/lib";`, `shout("hey")`),
    },
    flow: "app/own.ts",
    printed: "HEY!\n",
  },
  "the version that the lock file pins": {
    files: {
      "deno.json": `{ "imports": { "millrace": "${ROOT}mod.ts", "ms": "npm:ms@^2.1.0", ` +
        `"ms/": "npm:/ms@^2.1.0/" } }`,
      "deno.lock": JSON.stringify({
        version: "5",
        specifiers: { "npm:ms@^2.1.0": "2.1.1" },
        npm: {
          "ms@2.1.1": {
            integrity:
              "sha512-tgp+dl5cGk28utYktBsrFqA7HKgrhgPsg6Z/EfhWI4gl1Hwq8B/GmY/0oXZ6nF8hDVesS/FpnYaD/kOWhYQvyg==",
          },
        },
      }),
      "own.ts": printing(
        `import ms from "ms/package.json" with { type: "json" };`,
        "ms.version",
      ),
    },
    flow: "own.ts",
    printed: "2.1.1\n",
  },
};

for (const [what, { files, flow, printed }] of Object.entries(PROJECTS)) {
  Deno.test(`a worker loads a flow as \`deno run\` does: ${what}`, async () => {
    await withProject(files, async (folder) => {
      for (const workers of ["-w1", "-w2"]) {
        const { code, stdout, stderr } = await runCli([flow, workers], { cwd: folder });
        assertEquals({ code, stdout, stderr }, { code: 0, stdout: printed, stderr: "" });
      }
    });
  });
}

Deno.test("a flow is the worker's main module, and does not run as one", async () => {
  const files = {
    "deno.json": `{ "imports": { "millrace": "${ROOT}mod.ts" } }`,
    "own.ts": printing(
      `if (import.meta.main) console.log("it runs as main");`,
      "import.meta.main, Deno.mainModule === import.meta.url, Deno.args.join()",
    ),
  };
  await withProject(files, async (folder) => {
    const { code, stdout, stderr } = await runCli(["own.ts", "--", "a", "-b"], { cwd: folder });
    assertEquals([code, stdout, stderr], [0, "false\ntrue\na,-b\n", ""]);
  });
});

Deno.test("a flow in a project that says where Millrace is runs with it, by any name", async () => {
  for (
    const [name, to] of [["millrace", `${ROOT}mod.ts`], [
      "@millrace/millrace",
      `file://${ROOT}mod.ts`,
    ]]
  ) {
    const imports = { [name]: to, "@my/lib": "./lib.ts" };
    const files = { "deno.json": JSON.stringify({ imports }), "lib.ts": LIB };
    await withProject({ ...files, "own.ts": FLOW.replace("millrace", name) }, async (folder) => {
      for (const workers of [1, 2]) {
        const { code, stdout, stderr } = await runCli(["own.ts", `-w${workers}`], { cwd: folder });
        assertEquals({ code, stdout, stderr }, { code: 0, stdout: "HEY!\n", stderr: "" });
      }
    });
  }
});

Deno.test("a flow in a project of its own can read Kafka, whose packages are ours", async () => {
  const flow = FLOW.replace("TestingInputConfig }", "KafkaInputConfig }").replace(
    `new TestingInputConfig(["hey"])`,
    `new KafkaInputConfig({ brokers: ["localhost:1"], topic: "t" })`,
  ).replace(".map(shout)", "");
  const imports = { "@my/lib": "./lib.ts", "millrace": `${ROOT}mod.ts` };
  const files = { "deno.json": JSON.stringify({ imports }), "lib.ts": LIB };
  await withProject({ ...files, "own.ts": flow }, async (folder) => {
    const { code, stderr } = await runCli(["own.ts"], { cwd: folder });
    assertEquals(code, 1);
    assertStringIncludes(stderr, "no Kafka broker in reach at localhost:1");
  });
});

Deno.test("a flow whose project has a broken deno.json says so", async () => {
  await withProject({ "deno.json": "{ oops", "own.ts": FLOW }, async (folder) => {
    const { code, stdout, stderr } = await runCli(["own.ts"], { cwd: folder });
    assertEquals([code, stdout], [1, ""]);
    assertStringIncludes(stderr, "deno.json");
    assertStringIncludes(stderr, "before it could load the flow; Deno says above why");
  });
});
