import { assert, assertRejects } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { SqliteInspector } from "../../../src/recovery/sqlite/inspector.ts";
import { SqliteRecoveryConfig } from "../../../src/recovery/sqlite/sqlite_recovery.ts";
import { RecoveryError } from "../../../src/recovery/store.ts";
import { tempFolder } from "../../support/files/temp_folder.ts";
import { loadAll } from "../../support/recovery/stores.ts";
import { Random } from "../../support/values/random.ts";
import { keys, makeStore, refusal } from "../../support/recovery/sqlite_store.ts";
import { chunks, idOf } from "../../support/recovery/state_chunks.ts";

const PAGE = 8192;

Deno.test("a store that has been cut off is refused, and stays", async () => {
  await using folder = await tempFolder();
  const path = folder.at("store.db");
  await makeStore(path);
  const good = await Deno.readFile(path);
  const size = good.length;
  for (const length of [size - PAGE, PAGE * 3, PAGE, 5000]) {
    await Deno.writeFile(path, good.subarray(0, length));
    const message = await refusal(path);
    assert(message.includes("it is damaged: bring back a copy of it, or delete it"), message);
  }
  // SQLite does not see less than a page.
  await Deno.writeFile(path, good.subarray(0, size - 100));
  const store = await new SqliteRecoveryConfig(path).open("flow");
  await assertRejects(
    () => loadAll(store),
    RecoveryError,
    "it is damaged: bring back a copy of it",
  );
  await store.close();
});

Deno.test("a store with a page of garbage is refused, and stays", async () => {
  await using folder = await tempFolder();
  const path = folder.at("store.db");
  await makeStore(path);
  const good = await Deno.readFile(path);
  assert(good.length > 10 * PAGE);
  for (let page = 1; page < good.length / PAGE; page++) {
    const bad = good.slice();
    bad.fill(0xa5, page * PAGE, (page + 1) * PAGE);
    await Deno.writeFile(path, bad);
    const message = await refusal(path);
    assert(message.includes("it is damaged: bring back a copy of it"), `page ${page}: ${message}`);
  }
});

Deno.test("flipped bytes cause no other error than a RecoveryError", async () => {
  await using folder = await tempFolder();
  const path = folder.at("store.db");
  await makeStore(path);
  const good = await Deno.readFile(path);
  const random = new Random(3);
  let refused = 0;
  for (let round = 0; round < 100; round++) {
    const bad = good.slice();
    // Some are in the header, where a byte matters most.
    const at = random.below(round % 2 === 0 ? 200 : bad.length);
    bad[at] ^= 1 + random.below(255);
    await Deno.writeFile(path, bad);
    try {
      const store = await new SqliteRecoveryConfig(path).open("flow");
      try {
        await store.resume();
        await store.steps();
        // SQLite does not detect all damage: a key may then appear twice. But loading must end.
        let rows = 0;
        for await (const chunk of store.load("count")) rows += chunk.length;
        assert(rows < 10_000);
      } finally {
        await store.close();
      }
    } catch (error) {
      assert(error instanceof RecoveryError, `byte ${at}: ${Deno.inspect(error)}`);
      refused++;
    }
  }
  assert(refused > 10, `${refused} were refused`);
});

Deno.test("damage found when keys are loaded is a RecoveryError, and the store then refuses all calls", async () => {
  await using folder = await tempFolder();
  const path = folder.at("store.db");
  await makeStore(path, 30_000);
  const store = await new SqliteRecoveryConfig(path).open("flow");
  const { size } = await Deno.stat(path);
  const bad = await Deno.readFile(path);
  // The first page is still right, and cached.
  await Deno.writeFile(path, bad.fill(0xa5, PAGE, size));
  const error = await assertRejects(() => loadAll(store), RecoveryError);
  assert(error.message.includes("it is damaged: bring back a copy of it"), error.message);
  const next = await assertRejects(
    () => store.commit(5, { state: [], positions: [] }),
    RecoveryError,
  );
  assert(next.message.includes("it failed before: open it again"), next.message);
  await store.close();
});

Deno.test("damage that SQLite does not detect is a RecoveryError too, when keys are loaded or changed", async () => {
  const large = "UPDATE large_state SET state = x'00' WHERE place % 1048576 = 3000";
  const kinds: [sql: string, says: RegExp, change?: boolean][] = [
    [
      "UPDATE state_block SET states = x'00' WHERE place % 1000000 = (SELECT place % 1000000 + 3 FROM state_block LIMIT 1)",
      /is not what was written/,
    ],
    [
      "UPDATE key_block SET keys = '[]' WHERE place % 1000000 = (SELECT place % 1000000 + 3 FROM state_block LIMIT 1)",
      /keys is not what was written/,
    ],
    [
      "DELETE FROM key_block WHERE place % 1000000 = (SELECT place % 1000000 + 3 FROM state_block LIMIT 1)",
      /a block of keys is missing/,
    ],
    [
      "DELETE FROM state_block WHERE place % 1000000 = (SELECT place % 1000000 + 3 FROM state_block LIMIT 1)",
      /step "count" has 2873 keys instead of 3001/,
      false,
    ],
    ["DELETE FROM large_state", /a state is missing/, false],
    [large, /a state is not what was written/, false],
  ];
  for (const [sql, says, seenByCommit] of kinds) {
    await using folder = await tempFolder();
    const path = folder.at("store.db");
    await makeStore(path);
    let store = await new SqliteRecoveryConfig(path).open("flow");
    const more = [{ step: "count", key: "large", state: new Uint8Array(200) }];
    await store.commit(5, { state: chunks(more), positions: [] });
    await store.close();
    const db = new DatabaseSync(path);
    db.exec(sql.replace("3000", String(idOf("count", "large"))));
    db.close();
    store = await new SqliteRecoveryConfig(path).open("flow");
    const error = await assertRejects(() => loadAll(store), RecoveryError);
    assert(/it is damaged: bring back a copy of it/.test(error.message), error.message);
    assert(says.test(error.message), error.message);
    // Its answers cannot be trusted any more.
    await assertRejects(() => store.resume(), RecoveryError, "it failed before");
    await store.close();
    if (seenByCommit === false) continue;
    store = await new SqliteRecoveryConfig(path).open("flow");
    const state = chunks(keys(3000, new Uint8Array(1)));
    await assertRejects(() => store.commit(6, { state, positions: [] }), RecoveryError, "damaged");
    await store.close();
  }
});

Deno.test("a flow, a step, an epoch or a position that is not what was written is refused, and stays", async () => {
  const position = { step: "in", role: "input", partition: "p", state: new Uint8Array(9) } as const;
  for (
    const sql of [
      "UPDATE position SET state = x'000000000000000001'",
      "UPDATE position SET partition = 'q'",
      "UPDATE position SET role = 'output'",
      "DELETE FROM position",
      "UPDATE step SET name = 'im' WHERE name = 'in'",
      "UPDATE step SET keys = keys - 1 WHERE name = 'count'",
      "DELETE FROM step WHERE name = 'in'",
      "UPDATE meta SET epoch = 3",
      "UPDATE meta SET epoch = NULL",
      "UPDATE meta SET flow = 'flaw'",
      "DELETE FROM meta",
    ]
  ) {
    await using folder = await tempFolder();
    const path = folder.at("store.db");
    const store = await new SqliteRecoveryConfig(path).open("flow");
    const state = chunks(keys(10, new Uint8Array(1)));
    await store.commit(0, { state, positions: [position] });
    await store.close();
    const db = new DatabaseSync(path);
    db.exec(sql);
    db.close();
    const message = await refusal(path);
    const says =
      /it is damaged: .*\(the flow, the steps or the positions are not what was written\)/;
    assert(says.test(message), `${sql}: ${message}`);
    await assertRejects(() => SqliteInspector.open(path), RecoveryError, "it is damaged");
  }
});
