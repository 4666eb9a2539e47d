import { assertEquals } from "@std/assert";
import { configFlags, mapOf, mergeMaps } from "../../../src/runtime/process/worker_config.ts";

const OURS = new URL("../../../", import.meta.url).href;

Deno.test("configFlags() gives none where the flow is in our own project, or has no configuration", async () => {
  assertEquals(await configFlags(new URL("examples/wordcount.ts", OURS).href), []);
  assertEquals(await configFlags("https://example.com/flow.ts"), []);
  const folder = await Deno.makeTempDir();
  assertEquals(await configFlags(`file://${folder}/flow.ts`), []);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("mapOf() makes addresses absolute, and lets a package's name stand for what is inside it", async () => {
  const map = await mapOf({
    url: "file:///project/deno.json",
    imports: {
      "lib": "./src/lib.ts",
      "up/": "../up/",
      "root": "/srv/root.ts",
      "kafkajs": "npm:kafkajs@2.2.4",
      "@std/assert": "jsr:@std/assert@^1",
      "own/": "npm:/own@1/",
    },
    scopes: { "./old/": { "lib": "./old/lib.ts" } },
  });
  assertEquals(map, {
    imports: {
      "lib": "file:///project/src/lib.ts",
      "up/": "file:///up/",
      "root": "file:///srv/root.ts",
      "kafkajs": "npm:kafkajs@2.2.4",
      "kafkajs/": "npm:/kafkajs@2.2.4/",
      "@std/assert": "jsr:@std/assert@^1",
      "@std/assert/": "jsr:/@std/assert@^1/",
      "own/": "npm:/own@1/",
    },
    scopes: { "file:///project/old/": { "lib": "file:///project/old/lib.ts" } },
  });
});

Deno.test("mergeMaps() keeps our names to our own files, and lets all know what we are called", () => {
  const ours = {
    imports: { "kafkajs": "npm:kafkajs@2.2.4", "millrace": `${OURS}mod.ts` },
    scopes: {},
  };
  const root = { imports: { "a": "file:///root/a.ts", "b": "file:///root/b.ts" }, scopes: {} };
  const member = {
    imports: { "b": "file:///member/b.ts", "kafkajs": "npm:kafkajs@1" },
    scopes: {},
  };
  assertEquals(mergeMaps([root, member], ours), {
    imports: {
      "millrace": `${OURS}mod.ts`,
      "a": "file:///root/a.ts",
      "b": "file:///member/b.ts",
      "kafkajs": "npm:kafkajs@1",
    },
    scopes: { [OURS]: ours.imports },
  });
  const other = { imports: { "millrace": "jsr:@millrace/millrace@1" }, scopes: {} };
  assertEquals(mergeMaps([other], ours).imports["millrace"], "jsr:@millrace/millrace@1");
});
