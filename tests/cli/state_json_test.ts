import { assertEquals, assertMatch } from "@std/assert";
import { describeState } from "../../src/cli/state.ts";
import type { ShowCommand } from "../../src/cli/state_arguments.ts";
import { encodeValue } from "../../src/core/value_codec.ts";
import { SqliteRecoveryConfig } from "../../src/recovery/sqlite/sqlite_recovery.ts";
import { tempFolder } from "../support/files/temp_folder.ts";
import { chunks } from "../support/recovery/state_chunks.ts";
import { position, put, within } from "../support/recovery/stores.ts";

const START = Date.UTC(2026, 0, 1);

async function shown(path: string, more: Partial<ShowCommand> = {}): Promise<unknown> {
  const command = { path, step: null, key: null, json: true, limit: 100, ...more };
  const text = await describeState(command);
  assertMatch(text, /^[^\n\u202e]*\n$/, "one line, and nothing that turns text around");
  return JSON.parse(text);
}

Deno.test("state --json shows a store in the form of the operations port", async () => {
  await using folder = await tempFolder();
  const path = folder.at("state.db");
  await within(new SqliteRecoveryConfig(path), (store) =>
    store.commit(7, {
      state: chunks([
        put("ada", encodeValue(new Map([["x", 2n]])), "total"),
        put("\u202e\n", encodeValue(1), "total"),
        put("zoe", encodeValue([null, START, START + 60_000, 5]), "windows"),
      ]),
      positions: [
        position("t-0", encodeValue({ offset: 12n })),
        position("0", encodeValue({ seen: [], least: START }), { role: "time", step: "windows" }),
        position("", encodeValue("windows"), { role: "kind", step: "windows" }),
      ],
    }));
  const ada = { key: "ada", text: 'Map(1) { "x" => 2n }', value: [["x", "2"]] };
  const strange = { key: "\u202e\n", text: "1", value: 1 };
  assertEquals(await shown(path, { step: "total" }), {
    step: "total",
    count: 2,
    keys: [ada, strange],
  });
  assertEquals(await shown(path, { step: "total", limit: 1 }), {
    step: "total",
    count: 2,
    keys: [ada],
  });
  assertEquals(await shown(path, { step: "total", key: "ada" }), ada);
  assertEquals(await shown(path, { step: "total", key: '"\\u202e\\n"' }), strange);
  const [from, to] = ["2026-01-01T00:00:00.000Z", "2026-01-01T00:01:00.000Z"];
  assertEquals(await shown(path, { step: "windows", key: "zoe" }), {
    key: "zoe",
    text: `${from} to ${to}: 5`,
    value: { windows: [{ from, to, value: 5 }] },
  });
  const { committedAt, steps, positions, ...rest } = await shown(path) as Record<string, unknown>;
  assertEquals(rest, { flow: "flow", epoch: 7 });
  assertMatch(String(committedAt), /^20\d\d-.*Z$/);
  const bytes = (step: string) =>
    (steps as { step: string; bytes: number }[]).find((each) => each.step === step)!.bytes;
  assertEquals(steps, [
    { step: "total", keys: 2, bytes: bytes("total") },
    { step: "windows", keys: 1, bytes: bytes("windows") },
  ]);
  assertEquals((positions as { step: string }[]).toSorted((a, b) => a.step < b.step ? -1 : 1), [
    { step: "in", role: "input", partition: "t-0", text: "offset 12", value: { offset: "12" } },
    {
      step: "windows",
      role: "time",
      partition: "0",
      text: `event time ${from}`,
      value: { seen: [], least: START },
    },
  ]);
});
