import { assert, assertEquals, assertThrows } from "@std/assert";
import { StepError } from "../../src/core/errors.ts";
import { keyGroupOf, ownersOf } from "../../src/core/key_groups.ts";
import { decodeValue, encodeValue } from "../../src/core/value_codec.ts";
import type { StatefulNode } from "../../src/graph/nodes.ts";
import { statefulNode } from "../../src/operators/stateful.ts";
import { MemoryRecoveryConfig } from "../../src/recovery/memory_store.ts";
import { SqliteRecoveryConfig } from "../../src/recovery/sqlite/sqlite_recovery.ts";
import {
  eachChange,
  type RecoveryConfig,
  type RecoveryStore,
  type StateChunk,
} from "../../src/recovery/store.ts";
import { Journal } from "../../src/runtime/journal.ts";
import { createKeyTable, type KeyTable } from "../../src/runtime/keyed/key_table.ts";
import { tempFolder } from "../support/files/temp_folder.ts";
import { Random } from "../support/values/random.ts";
import { stillScope } from "../support/runtime/step_scope.ts";

/** A step whose keys keep the last value that they were given. */
const node: StatefulNode = statefulNode(
  null as never, // nothing is upstream of it here
  "last",
  (state: unknown) => {
    let last = state;
    return { onItem: (value: unknown) => void (last = value), snapshot: () => last };
  },
);

/** A table of keys, and what its snapshots send. */
function tableOf({ index = 0, count = 1, firstId = 0, byKey = false } = {}) {
  const sent: StateChunk[] = [];
  const journal = new Journal(
    { index, count },
    { firstId, byKey },
    (_epoch, chunk) => sent.push(chunk),
  );
  const scope = stillScope();
  const table = createKeyTable(node, journal.ids(), scope);
  const chunks = () => {
    journal.snapshot(0, "last", table);
    return sent.splice(0);
  };
  return {
    table,
    put: (key: string, value: unknown) => put(table, key, value),
    forget: (key: string) => table.forget(table.keys.get(key)!, true),
    /** The chunks of a snapshot. */
    chunks,
    /** The changes of a snapshot, as `id key value`. */
    snapshot: () =>
      chunks().flatMap((chunk) => [...eachChange(chunk)])
        .map(({ id, key, state }) => `${id} ${key} ${state && Deno.inspect(decodeValue(state))}`),
  };
}

function put(table: KeyTable, key: string, value: unknown): void {
  let logic = table.keys.get(key);
  if (logic === undefined) logic = table.add(key);
  else if (!logic.dirty) table.markChanged(logic);
  logic.onItem(value, () => {});
}

Deno.test("a key is spelled in its first snapshot, and known by its number in all others", () => {
  const { put, snapshot } = tableOf();
  put("a", 1);
  put("b", { n: 2 });
  assertEquals(snapshot(), ["0 a 1", "1 b { n: 2 }"]);
  assertEquals(snapshot(), []);
  put("b", undefined);
  put("b", [3]);
  put("c", "new");
  assertEquals(snapshot().sort(), ["1 null [ 3 ]", '2 c "new"']);
});

Deno.test("a key is always spelled where the store keeps no numbers", () => {
  const { put, forget, snapshot } = tableOf({ byKey: true });
  put("a", 1);
  assertEquals(snapshot(), ["0 a 1"]);
  put("a", 2);
  assertEquals(snapshot(), ["0 a 2"]);
  forget("a");
  assertEquals(snapshot(), ["0 a null"]);
});

Deno.test("workers number their keys in turns, after all numbers that are stored", () => {
  const workers = [0, 1, 2].map((index) => tableOf({ index, count: 3, firstId: 128 }));
  const ids = workers.map(({ put, snapshot }) => {
    put("a", 1);
    put("b", 1);
    return snapshot().map((change) => Number(change.split(" ")[0]));
  });
  assertEquals(ids, [[128, 131], [129, 132], [130, 133]]);
});

Deno.test("a forgotten key's number is free at once, and its end is told before anything else", () => {
  const { put, forget, snapshot } = tableOf();
  put("a", 1);
  put("b", 1);
  snapshot();
  put("c", 1);
  forget("a");
  put("d", 1);
  assertEquals(snapshot(), ["0 null null", "2 c 1", "0 d 1"]);
  forget("d");
  put("d", 2);
  put("a", 3);
  assertEquals(snapshot(), ["0 null null", "0 d 2", "3 a 3"]);
});

Deno.test("a key that comes and goes within an epoch is not heard of", () => {
  const { put, forget, snapshot } = tableOf();
  put("a", 1);
  forget("a");
  assertEquals(snapshot(), []);
  put("b", 1);
  assertEquals(snapshot(), ["0 b 1"]);
  forget("b");
  put("c", 1);
  forget("c");
  assertEquals(snapshot(), ["0 null null"]);
});

Deno.test("keys that a snapshot brought back keep their numbers, and are as stored", () => {
  const { table, put, forget, snapshot } = tableOf({ firstId: 100 });
  table.restore("a", 7, 1);
  table.restore("b", 9, 2);
  assertEquals(snapshot(), []);
  put("a", 3);
  forget("b");
  put("c", 4);
  put("d", 5);
  assertEquals(
    snapshot(),
    ["9 null null", "9 c 4", "100 d 5", "7 null 3"].sort((a, b) => {
      const rank = (change: string) =>
        change.includes("null null") ? 0 : change.includes("null") ? 2 : 1;
      return rank(a) - rank(b);
    }),
  );
});

Deno.test("a snapshot is sent in chunks, by keys and by bytes", () => {
  const { put, chunks } = tableOf();
  for (let i = 0; i < 10_000; i++) put(`k${i}`, i);
  const sizes = (of: StateChunk[]) => of.map(({ ids, keys }) => [ids.length, keys?.length ?? 0]);
  assertEquals(sizes(chunks()), [[4096, 4096], [4096, 4096], [1808, 1808]]);
  for (let i = 0; i < 5_000; i++) put(`k${i}`, i);
  assertEquals(sizes(chunks()), [[4096, 0], [904, 0]]);
  for (let i = 0; i < 30; i++) put(`k${i}`, "x".repeat(1 << 20));
  const large = chunks();
  assert(large.length > 2 && large.length < 6, `${large.length} chunks`);
  for (const { states, lengths } of large) {
    assertEquals(states.length, lengths.reduce((sum, length) => sum + length, 0));
  }
});

Deno.test("a state that cannot be encoded names the step, the worker and the key", () => {
  const { put, chunks } = tableOf({ index: 2, count: 3 });
  put("a", 1);
  put("bad", () => {});
  const error = assertThrows(chunks, StepError);
  assertEquals([error.stepId, error.worker, error.item], ["last", 2, `{ key: "bad" }`]);
});

const stores: Record<string, (folder: string) => RecoveryConfig> = {
  "in memory": () => new MemoryRecoveryConfig(),
  "in SQLite": (folder) => new SqliteRecoveryConfig(`${folder}/store.db`),
};

for (const [where, configOf] of Object.entries(stores)) {
  Deno.test(`a store ${where} has what the keys of all workers had, whatever came and went`, async () => {
    for (let seed = 0; seed < 30; seed++) {
      await using folder = await tempFolder();
      const config = configOf(folder.at("."));
      const random = new Random(seed);
      const expected = new Map<string, unknown>();
      // From few keys, which come and go all the time, to more than some blocks.
      const keys = Array.from({ length: random.pick([3, 60, 700]) }, (_, i) => `key ${i}`);
      const value = () =>
        random.pick([random.below(1_000), "x".repeat(random.below(400)), [1, { a: 2 }]]);
      for (let epoch = 0, run = 0; run < 4; run++) {
        const store = await config.open("flow");
        const count = 1 + random.below(3);
        const tables = await restored(store, count);
        for (let left = random.below(5); left >= 0; left--, epoch++) {
          for (let steps = random.below(keys.length * 2); steps > 0; steps--) {
            const key = random.pick(keys);
            const of = tables[ownersOf(count)[keyGroupOf(key)]];
            if (random.below(3) > 0) {
              const last = value();
              of.put(key, last);
              expected.set(key, last);
            } else if (expected.delete(key)) of.forget(key);
          }
          const state = tables.flatMap((table) => table.chunks());
          await store.commit(epoch, { state, positions: [] });
          await check(store, expected, `seed ${seed}, epoch ${epoch}`);
        }
        await store.close();
      }
    }
  });
}

/** The tables of `count` workers with what is stored. */
async function restored(store: RecoveryStore, count: number) {
  const firstId = (await store.resume())?.nextId ?? 0;
  const tables = Array.from({ length: count }, (_, index) => tableOf({ index, count, firstId }));
  const owners = ownersOf(count);
  for await (const chunk of store.load("last")) {
    for (const { id, key, state } of chunk) {
      tables[owners[keyGroupOf(key)]].table.restore(key, id, decodeValue(state));
    }
  }
  return tables;
}

async function check(
  store: RecoveryStore,
  expected: ReadonlyMap<string, unknown>,
  about: string,
): Promise<void> {
  const found = (await Array.fromAsync(store.load("last"))).flat();
  assertEquals(new Set(found.map(({ id }) => id)).size, found.length, about);
  const pairs = found.map(({ key, state }): [string, unknown] => [key, decodeValue(state)]);
  assertEquals(pairs.length, expected.size, about);
  assertEquals(new Map(pairs), new Map(expected), about);
  const bytes = [...expected.values()].reduce(
    (sum: number, value) => sum + encodeValue(value).length,
    0,
  );
  const steps = expected.size === 0 ? [] : [{ step: "last", keys: expected.size, bytes }];
  assertEquals(await store.steps(), steps, about);
}
