import { assertEquals, assertThrows } from "@std/assert";
import process from "node:process";
import { locateFlow } from "../../src/cli/flow_location.ts";
import { UsageError } from "../../src/core/errors.ts";
import { folderOf } from "../support/cli.ts";

const HERE = new URL(import.meta.url).href;
const PATH = import.meta.filename!;

Deno.test("locateFlow() returns a file's URL, and the export after the colon", () => {
  assertEquals(locateFlow(PATH), { moduleUrl: HERE, exportName: null });
  assertEquals(locateFlow(`${PATH}:orders`), { moduleUrl: HERE, exportName: "orders" });
  assertEquals(locateFlow(`${PATH}:$2_b`), { moduleUrl: HERE, exportName: "$2_b" });
});

Deno.test("locateFlow() finds relative paths from the current folder", () => {
  const folder = import.meta.dirname!;
  const relative = [
    ...Deno.cwd().split("/").slice(1).map(() => ".."),
    ...folder.split("/").slice(1),
  ];
  const file = "flow_location_test.ts";
  assertEquals(locateFlow([...relative, file].join("/")).moduleUrl, HERE);
});

Deno.test("locateFlow() tries a file's full name before it splits it at a colon", async () => {
  await using folder = await folderOf({ "a:b": "", "a": "" });
  assertEquals(locateFlow(`${folder.path}/a:b`).exportName, null);
  assertEquals(locateFlow(`${folder.path}/a:c`).exportName, "c");
});

Deno.test("locateFlow() encodes a path with spaces, # and % in the URL", async () => {
  await using folder = await folderOf({ "my flows/#1 100%.ts": "" });
  const { moduleUrl } = locateFlow(`${folder.path}/my flows/#1 100%.ts`);
  assertEquals(moduleUrl.endsWith("/my%20flows/%231%20100%25.ts"), true, moduleUrl);
  assertEquals((await Deno.stat(new URL(moduleUrl))).isFile, true);
});

Deno.test("locateFlow() accepts URLs, and tells an export from a port and a package's name", () => {
  const cases: Record<string, [moduleUrl: string, exportName: string | null]> = {
    "https://example.com/flow.ts": ["https://example.com/flow.ts", null],
    "https://example.com/flow.ts:orders": ["https://example.com/flow.ts", "orders"],
    "http://localhost:8000": ["http://localhost:8000", null],
    "http://localhost:8000/flow.ts:orders": ["http://localhost:8000/flow.ts", "orders"],
    "file:///flows/flow.ts:orders": ["file:///flows/flow.ts", "orders"],
    "jsr:@scope/flows@1.2.3": ["jsr:@scope/flows@1.2.3", null],
    "jsr:@scope/flows:orders": ["jsr:@scope/flows", "orders"],
    "npm:flows": ["npm:flows", null],
    "npm:flows@1.0.0": ["npm:flows@1.0.0", null],
    "npm:flows:orders": ["npm:flows", "orders"],
  };
  for (const [argument, [moduleUrl, exportName]] of Object.entries(cases)) {
    assertEquals(locateFlow(argument), { moduleUrl, exportName });
  }
});

Deno.test("locateFlow() refuses a missing file, and names the folder it looked in", () => {
  const looked = `(looked in ${Deno.cwd()})`;
  for (const argument of ["nowhere.ts", "nowhere.ts:orders", "-"]) {
    const file = argument.split(":")[0];
    const error = assertThrows(() => locateFlow(argument), UsageError) as UsageError;
    assertEquals(error.message, `no such file: ${file} ${looked}`);
  }
  assertThrows(() => locateFlow(`${PATH}/flow.ts`), UsageError, "no such file: "); // below a file
  assertThrows(() => locateFlow(`${PATH}:no-name`), UsageError, "no such file: ");
});

Deno.test("locateFlow() refuses a folder", () => {
  const folder = import.meta.dirname!;
  const message = `${folder} is a folder: give the flow's file`;
  assertThrows(() => locateFlow(folder), UsageError, message);
  assertThrows(() => locateFlow(`${folder}:orders`), UsageError, message);
});

Deno.test("locateFlow() explains a missing permission to read a flow", async () => {
  await using folder = await folderOf({ "locked/flow.ts": "" });
  const locked = `${folder.path}/locked`;
  await Deno.chmod(folder.path, 0o755);
  await Deno.chmod(locked, 0);
  const root = Deno.uid() === 0;
  if (root) process.seteuid!(65534); // what root may do, no mode forbids
  try {
    const message = `${locked}/flow.ts cannot be read: this user lacks permission`;
    assertThrows(() => locateFlow(`${locked}/flow.ts`), UsageError, message);
  } finally {
    if (root) process.seteuid!(0);
    await Deno.chmod(locked, 0o755);
  }
});

Deno.test("locateFlow() points at the file that was probably meant", async () => {
  await using folder = await folderOf({ "flows/orders.ts": "", "flows/orders.d/x.ts": "" });
  const path = `${folder.path}/flows/order.ts`;
  assertThrows(
    () => locateFlow(path),
    UsageError,
    `: did you mean ${folder.path}/flows/orders.ts?`,
  );
  const other = assertThrows(() => locateFlow(`${folder.path}/flows/payments.ts`), UsageError);
  assertEquals((other as UsageError).message.includes("did you mean"), false);
});
