import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { UsageError } from "../../../src/core/errors.ts";
import { encodeValue } from "../../../src/core/value_codec.ts";
import { MemoryRecoveryConfig } from "../../../src/recovery/memory_store.ts";
import { SqliteRecoveryConfig } from "../../../src/recovery/sqlite/sqlite_recovery.ts";
import type { RecoveryStore } from "../../../src/recovery/store.ts";
import { exportLines } from "../../../src/recovery/tools/export.ts";
import { importInto, readExport } from "../../../src/recovery/tools/import.ts";
import { tempFolder } from "../../support/files/temp_folder.ts";
import { chunks } from "../../support/recovery/state_chunks.ts";
import { loadAll, position, put, sorted, within } from "../../support/recovery/stores.ts";
import { Random } from "../../support/values/random.ts";
import { randomValue } from "../../support/values/random_value.ts";

const OPTIONS = { dryRun: false, replace: false };
const REPLACE = { dryRun: false, replace: true };

async function exported(store: RecoveryStore, step: string | null = null): Promise<string> {
  return (await Array.fromAsync(exportLines(store, { flow: "flow", step }))).join("");
}

const reading = (text: string) =>
  readExport(
    (async function* () {
      yield* text.split("\n");
    })(),
    "f.jsonl",
  );

/** Fills a store with values of all kinds. */
async function fill(store: RecoveryStore): Promise<void> {
  const random = new Random(6);
  const values = Array.from({ length: 300 }, () => encodeValue(randomValue(random)));
  await store.commit(7, {
    state: chunks([
      ...values.map((state, i) => put(`key ${i}`, state, "count")),
      put("", encodeValue(1), "sum"),
      put("\ud800\0\n", encodeValue(new Map([[new Date(0), 2n]])), "sum"),
    ]),
    positions: [
      position("p", encodeValue({ offset: 12n })),
      position("q", encodeValue(new Uint8Array([1])), { role: "output", step: "out" }),
      position("", encodeValue("windows"), { role: "kind", step: "sum" }),
      position("", encodeValue("sum"), { role: "gone", step: "old" }),
    ],
  });
}

/** All of a store, as bytes. */
async function all(store: RecoveryStore) {
  const point = await store.resume();
  const steps = await store.steps();
  const keys = await Promise.all(steps.map(async ({ step }) => [step, await loadAll(store, step)]));
  return { epoch: point?.epoch, positions: sorted(point?.positions), steps, keys };
}

Deno.test("an import of an export is the same store, byte by byte, in a store of another kind too", async () => {
  await using folder = await tempFolder();
  const from = new SqliteRecoveryConfig(folder.at("from.db"));
  const [before, text] = await within(from, async (store) => {
    await fill(store);
    return [await all(store), await exported(store)];
  });
  for (const to of [new SqliteRecoveryConfig(folder.at("to.db")), new MemoryRecoveryConfig()]) {
    await within(to, async (store) => {
      const size = await importInto(store, await reading(text), OPTIONS);
      assertEquals(size, { keys: 302, positions: 2, replaced: [] });
    });
    await within(to, async (store) => {
      const { steps, ...rest } = await all(store);
      assertEquals(rest.keys.length, 2);
      assertEquals({ ...rest, steps: steps.toSorted((a, b) => a.step < b.step ? -1 : 1) }, before);
      assertEquals(await exported(store), text);
    });
  }
});

Deno.test("an export reads like its values, where JSON has them", async () => {
  await within(new MemoryRecoveryConfig(), async (store) => {
    await store.commit(2, {
      state: chunks([
        put("ada", encodeValue({ count: 3, by: new Map([["x", 1n]]) }), "total"),
        put("bob", encodeValue(/a/), "total"),
      ]),
      positions: [position("orders-0", encodeValue({ offset: 12n, topicId: "t" }))],
    });
    assertEquals((await exported(store)).split("\n"), [
      `{"millrace":"state","version":1,"flow":"flow","epoch":2,"steps":null}`,
      `{"step":"in","role":"input","partition":"orders-0","value":{"offset":{"$bigint":"12"},"topicId":"t"}}`,
      `{"step":"total","key":"ada","value":{"count":3,"by":{"$map":[["x",{"$bigint":"1"}]]}}}`,
      `{"step":"total","key":"bob","bytes":"${encodeValue(/a/).toBase64()}"}`,
      `{"end":true}`,
      "",
    ]);
  });
});

Deno.test("one step is exported and imported without the others", async () => {
  const [a, b] = [new MemoryRecoveryConfig(), new MemoryRecoveryConfig()];
  const [text, sum] = await within(a, async (store) => {
    await fill(store);
    return [await exported(store, "sum"), await loadAll(store, "sum")];
  });
  await within(b, async (store) => {
    const other = position("r", encodeValue(5), { step: "other" });
    const gone = position("", encodeValue(null), { role: "gone", step: "sum" });
    await store.commit(9, {
      state: chunks([put("k", encodeValue(1), "other"), put("old", encodeValue(0), "sum")]),
      positions: [other, gone],
    });
    const given = await reading(text);
    await assertRejects(
      () => importInto(store, given, OPTIONS),
      UsageError,
      `something is stored already of step "sum": import into a new store, or give --replace`,
    );
    const size = await importInto(store, given, REPLACE);
    assertEquals(size, { keys: 2, positions: 0, replaced: ["sum"] });
    const { epoch, positions, steps } = await all(store);
    assertEquals(epoch, 9);
    assertEquals(positions.map(({ step, role }) => [step, role]), [["other", "input"], [
      "sum",
      "kind",
    ]]);
    assertEquals(steps.map(({ step, keys }) => [step, keys]), [["other", 1], ["sum", 2]]);
    assertEquals(await loadAll(store, "sum"), sum);
  });
});

Deno.test("a whole export takes the place of all that is stored, if it may", async () => {
  await using folder = await tempFolder();
  const config = new SqliteRecoveryConfig(folder.at("store.db"));
  const text = await within(new MemoryRecoveryConfig(), async (store) => {
    await fill(store);
    return await exported(store);
  });
  await within(config, async (store) => {
    await store.commit(20, {
      state: chunks([put("key 1", encodeValue("old"), "count"), put("k", encodeValue(1), "more")]),
      positions: [position("r", encodeValue(5), { step: "other" })],
    });
    const before = await all(store);
    const given = await reading(text);
    const message = `steps "count", "more", "other"`;
    await assertRejects(() => importInto(store, given, OPTIONS), UsageError, message);
    const dry = await importInto(store, given, { ...REPLACE, dryRun: true });
    assertEquals([dry.keys, dry.replaced], [302, ["count", "more", "other"]]);
    assertEquals(await all(store), before);
    await importInto(store, given, REPLACE);
    // The epoch never goes back.
    assertEquals(await exported(store), text.replace(`"epoch":7`, `"epoch":20`));
  });
});

Deno.test("what an output has not completed is not replaced", async () => {
  await within(new MemoryRecoveryConfig(), async (store) => {
    const text = await exported(store).catch((error) => error.message);
    assertEquals(text, "there is nothing to export: no epoch was committed");
    const half = position("unfinished:t", encodeValue(1), { role: "output", step: "out" });
    await store.commit(0, { state: [], positions: [half] });
    const given = await reading(await exported(store));
    await assertRejects(
      () => importInto(store, given, REPLACE),
      UsageError,
      `step "out" cannot be replaced: this output has written what is not visible yet`,
    );
  });
});

const HEAD = `{"millrace":"state","version":1,"flow":"f","epoch":0,"steps":null}`;
const KEY = `{"step":"s","key":"k","value":1}`;
const POSITION = `{"step":"in","role":"input","partition":"p","value":1}`;
const END = `{"end":true}`;

Deno.test("a file that is not a whole export is refused, with the line", async () => {
  const wrong: readonly (readonly [string[], string])[] = [
    [[], "f.jsonl is empty: it is not an export"],
    [[KEY], "line 1: an export begins with a line"],
    [["hello"], "line 1: this is not a line of an export: it is not JSON"],
    [["5"], "line 1: this is not a line of an export: it is not an object"],
    [[HEAD.replace("1", "2")], "the export has version 2, and this Millrace reads 1"],
    [[HEAD.replace(`"f"`, "5")], "it needs a flow, as text"],
    [[HEAD.replace("0", `"0"`)], "it needs an epoch"],
    [[HEAD.replace("null", `"s"`)], "it needs steps"],
    [[HEAD, KEY], "f.jsonl was cut off after line 2"],
    [[HEAD, KEY.slice(0, -3)], "line 2: this is not a line of an export"],
    [[HEAD, HEAD], "line 2: here another export begins"],
    [[HEAD, END, KEY], "line 3: there is more after the end"],
    [[HEAD, KEY, KEY, END], `line 3: key "k" came before`],
    [[HEAD, POSITION, POSITION, END], `line 3: partition "p" came before`],
    [[HEAD, `{"key":"k","value":1}`], "it needs a step"],
    [[HEAD, `{"step":"s","value":1}`], "it needs a key, or a role and a partition"],
    [[HEAD, POSITION.replace("input", "inptu")], "a role is one of input, output"],
    [[HEAD, `{"step":"s","key":"k"}`], "it needs one of value and bytes"],
    [[HEAD, KEY.replace("1", `1,"bytes":""`)], "it needs one of value and bytes"],
    [[HEAD, `{"step":"s","key":"k","bytes":"*"}`], "bytes must be base64"],
    [[HEAD, `{"step":"s","key":"k","bytes":"/w=="}`], "bytes are not of an encoded value"],
    [[HEAD, KEY.replace("1", `{"$set":1}`)], `{"$set":1} stands for no value`],
    [[HEAD.replace("null", `["t"]`), KEY], `step "s" is not among the "steps"`],
  ];
  for (const [lines, text] of wrong) {
    const { message } = await assertRejects(() => reading(lines.join("\n")), UsageError);
    assertStringIncludes(message, text);
  }
  const { keys, positions } = await reading([HEAD, KEY, "", POSITION, END, ""].join("\n"));
  assertEquals([keys.size, positions.length], [1, 1]);
});
