import { assertEquals, assertStringIncludes } from "@std/assert";
import { runCli } from "../support/cli.ts";

/** A project of somebody's, in a folder whose name has a space. */
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

Deno.test("a flow in a project of its own uses that project's deno.json, comments and all", async () => {
  const config = `{ // ours\n "imports": { "@my/lib": "./src/lib.ts" } }`;
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

Deno.test("a flow in a project that says where Millrace is runs with it, by any name", async () => {
  const root = new URL("../../", import.meta.url).pathname;
  for (
    const [name, to] of [["millrace", `${root}mod.ts`], [
      "@millrace/millrace",
      `file://${root}mod.ts`,
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
  const files = { "deno.json": `{ "imports": { "@my/lib": "./lib.ts" } }`, "lib.ts": LIB };
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
    assertStringIncludes(stderr, "deno.json is not JSON: ");
  });
});
