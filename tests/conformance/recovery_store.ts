/** What every recovery store has to do, whatever it is made of. */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { type RecoveryConfig, RecoveryError, type StateChunk } from "../../src/recovery/store.ts";
import { forgetting, storing } from "../../src/recovery/chunk_of_keys.ts";
import {
  commit,
  forget,
  loadAll,
  position,
  put,
  sorted,
  stored,
  within,
  withoutIds,
} from "../support/recovery/stores.ts";
import { chunks, idOf, type KeyChange } from "../support/recovery/state_chunks.ts";

/** A place without a store, which is gone after the test. */
export interface TestPlace extends AsyncDisposable {
  /** Another config each time, for the same store. */
  config(): RecoveryConfig;
}

const bytes = (...values: number[]) => new Uint8Array(values);

/** The error while another run uses the store. A note about that store may be in brackets. */
const IN_USE =
  /^recovery store .+: another run uses it: wait until that one has ended( \(.+\))?, or give each run a store of its own$/;

/** Registers the tests. `place` gives one that is empty. */
export function testRecoveryStore(name: string, place: () => Promise<TestPlace>): void {
  const test = (what: string, run: (config: () => RecoveryConfig) => Promise<void>) =>
    Deno.test(`${name}: ${what}`, async () => {
      await using at = await place();
      await run(() => at.config());
    });

  test("a first run has nothing to resume from", async (config) => {
    await within(config(), async (store) => {
      assertEquals(await store.resume(), null);
      assertEquals(await store.steps(), []);
      assertEquals(await loadAll(store), new Map());
    });
    // Having been open changes nothing.
    await within(config(), async (store) => assertEquals(await store.resume(), null));
  });

  test("resume returns the last epoch, and all positions as they were", async (config) => {
    const positions = [
      position("orders/0", bytes(1, 2, 3)),
      position("orders/1", bytes()),
      position("", bytes(0)),
      position("\ud800", bytes(1)),
      position("\udfff", bytes(2)),
      position("orders/0", bytes(9), { step: "in 2" }),
      position("orders/0", bytes(255), { step: "out", role: "output" }),
    ];
    await within(config(), async (store) => {
      await store.commit(0, { state: [], positions });
      assertEquals(sorted((await store.resume())?.positions), sorted(positions));
      await store.commit(7, { state: [], positions });
    });
    const resume = await within(config(), (store) => store.resume());
    assertEquals(resume?.epoch, 7);
    assertEquals(sorted(resume?.positions), sorted(positions));
  });

  test("positions replace all earlier ones", async (config) => {
    await within(config(), async (store) => {
      const before = [position("a", bytes(1)), position("b", bytes(1))];
      await store.commit(1, { state: [], positions: before });
      const after = [position("b", bytes(2)), position("c", bytes(2))];
      await store.commit(2, { state: [], positions: after });
      assertEquals(sorted((await store.resume())?.positions), after);
      await store.commit(3, { state: [], positions: [] });
      assertEquals((await store.resume())?.positions, []);
    });
  });

  test("keys come, change, go and come back", async (config) => {
    await commit(config(), 0, put("a", bytes(1)), put("b", bytes()), put("c", bytes(3)));
    const first = await stored(config());
    assertEquals(["a", "b", "c"].map((key) => first.get(key)), [bytes(1), bytes(), bytes(3)]);
    assertEquals(first.size, 3);
    await commit(config(), 1, put("a", bytes(2, 2)), forget("b"), forget("never there"));
    assertEquals((await stored(config())).get("a"), bytes(2, 2));
    assertEquals([...(await stored(config())).keys()].sort(), ["a", "c"]);
    await commit(config(), 2, put("b", bytes(4)), forget("c"));
    assertEquals([...(await stored(config())).keys()].sort(), ["a", "b"]);
    assertEquals((await stored(config())).get("b"), bytes(4));
  });

  test("states that are parts of larger buffers, or are large, are kept", async (config) => {
    const large = new Uint8Array(3 << 20).map((_, i) => i * 31);
    const states = [bytes(9, 1, 2, 9).subarray(1, 3), large, large.subarray(5, 70_000)];
    await commit(config(), 0, ...states.map((state, i) => put(String(i), state)));
    const found = await stored(config());
    for (const [i, state] of states.entries()) {
      const kept = found.get(String(i))!;
      assert(kept.length === state.length && kept.every((byte, at) => byte === state[at]));
    }
  });

  const oddNames = [
    "",
    "\0",
    "a",
    "a\0",
    "a\0b",
    "\ud800",
    "\udc00",
    "\udc00\ud800",
    "\ud83d\ude00",
    "\ud83d",
    "\ufffd",
    "a\ud800",
    "\x00a",
    "å",
    "a\u030a",
    "\u{10ffff}",
    "'; DROP TABLE state; --",
    "__proto__",
    "1",
    "x".repeat(100_000),
    "\ud800".repeat(100_000),
  ];

  test("any string is a key, and no two are the same", async (config) => {
    const state = oddNames.map((key, i) => put(key, bytes(i)));
    await commit(config(), 0, ...state);
    let found = await stored(config());
    assertEquals(found.size, oddNames.length);
    for (const [i, key] of oddNames.entries()) assertEquals(found.get(key), bytes(i));
    await commit(config(), 1, ...oddNames.slice(1).map((key) => forget(key)));
    found = await stored(config());
    assertEquals([...found.keys()], [oddNames[0]]);
  });

  test("any string is a step, and a flow", async (config) => {
    const state = oddNames.map((step, i) => put("key", bytes(i), step));
    await commit(config(), 0, ...state);
    const steps = await within(config(), (store) => store.steps());
    assertEquals(steps.map(({ step }) => step).sort(), oddNames.toSorted());
    for (const [i, step] of oddNames.entries()) {
      assertEquals(await stored(config(), step), new Map([["key", bytes(i)]]));
    }
    await config().drop();
    await within(config(), () => Promise.resolve(), "\ud800");
    await assertRejects(() => config().open("\ud801"), RecoveryError);
    await within(config(), () => Promise.resolve(), "\ud800");
  });

  test("load returns all keys of a step, and of no other", async (config) => {
    const keys = Array.from({ length: 20_000 }, (_, i) => `key ${i}`);
    await commit(config(), 0, ...keys.map((key) => put(key, bytes(1))), put("x", bytes(), "other"));
    await within(config(), async (store) => {
      assertEquals([...(await loadAll(store)).keys()].sort(), keys.toSorted());
      assertEquals(await loadAll(store, "other"), new Map([["x", bytes()]]));
      assertEquals(await loadAll(store, "no such step"), new Map());
    });
  });

  test("a key is passed once, unless a store keeps no ids", async (config) => {
    const keys = Array.from({ length: 1_000 }, (_, i) => `key ${i}`);
    await commit(config(), 0, ...keys.map((key) => put(key, bytes(0))));
    await within(config(), async (store) => {
      for (let epoch = 1; epoch < 4; epoch++) {
        const some = keys.filter((_, i) => i % (epoch + 1) === 0);
        const changed = some.map((key) => put(key, bytes(epoch)));
        await store.commit(epoch, { state: chunks(changed, store.byKey), positions: [] });
      }
      const gone = keys.filter((_, i) => i % 5 === 1).map((key) => forget(key));
      await store.commit(4, { state: chunks(gone, store.byKey), positions: [] });
    });
    const expected = keys.map((key, i) =>
      [key, bytes([3, 2, 1].find((n) => i % (n + 1) === 0) ?? 0)] as const
    )
      .filter((_, i) => i % 5 !== 1);
    assertEquals(await stored(config()), new Map(expected));
  });

  test("an id may be given to another key, in the same epoch too", async (config) => {
    const named = (key: string, state: number | null, id: number) => ({
      step: "count",
      ids: Float64Array.of(id),
      keys: [key],
      states: bytes(...state === null ? [] : [state]),
      lengths: Int32Array.of(state === null ? -1 : 1),
    });
    await within(config(), async (store) => {
      await store.commit(0, { state: [named("a", 1, 0), named("b", 2, 1)], positions: [] });
      const state = [named("a", null, 0), named("b", null, 1), named("c", 3, 0), named("a", 4, 1)];
      await store.commit(1, { state, positions: [] });
      await store.commit(2, {
        state: [named("c", null, 0), named("d", 5, 0), named("d", 6, 0)],
        positions: [],
      });
      assertEquals(await store.steps(), [{ step: "count", keys: 2, bytes: 2 }]);
    });
    await within(config(), async (store) => {
      const found = (await Array.fromAsync(store.load("count"))).flat();
      const byKey = found.map(({ key, state }) => [key, state] as const);
      assertEquals(new Map(byKey), new Map([["d", bytes(6)], ["a", bytes(4)]]));
      if (!store.byKey) assertEquals(found.map(({ id }) => id).sort(), [0, 1]);
    });
  });

  test("new ids begin after all stored ones", async (config) => {
    await commit(
      config(),
      0,
      put("a", bytes(1)),
      ...Array.from({ length: 300 }, (_, i) => put(`${i}`, bytes(1), "other")),
    );
    const { nextId } = (await within(config(), (store) => store.resume()))!;
    const last = idOf("other", "299");
    await within(
      config(),
      (store) => Promise.resolve(assert(store.byKey || nextId > last, `${nextId}`)),
    );
  });

  test("an epoch may be large", async (config) => {
    const count = 100_000;
    const keyOf = (i: number) => `key-${i * 7919 % count}`;
    await within(config(), async (store) => {
      const all = Array.from({ length: count }, (_, i) => put(keyOf(i), bytes(i, i >> 8, i >> 16)));
      await store.commit(0, { state: chunks(all), positions: [] });
      function* half(): Generator<KeyChange> {
        for (let i = 0; i < count; i += 2) {
          yield i % 4 === 0 ? forget(keyOf(i)) : put(keyOf(i), bytes(7));
        }
      }
      await store.commit(1, { state: chunks(half()), positions: [] });
      const found = await loadAll(store);
      assertEquals(found.size, count * 3 / 4);
      for (let i = 0; i < count; i++) {
        const state = found.get(keyOf(i));
        if (i % 4 === 0) assert(state === undefined);
        else if (i % 4 === 2) assert(state?.length === 1 && state[0] === 7);
        else assert(state?.length === 3 && state[0] === (i & 255) && state[2] === i >> 16);
      }
    });
  });

  test("a call while an epoch is written waits for it", async (config) => {
    await within(config(), async (store) => {
      const state = Array.from({ length: 50_000 }, (_, i) => put(String(i), bytes(1)));
      const committed = store.commit(3, {
        state: chunks(state),
        positions: [position("p", bytes(1))],
      });
      const [resume, steps, keys] = await Promise.all([
        store.resume(),
        store.steps(),
        loadAll(store),
        committed,
      ]);
      assertEquals(withoutIds(resume), { epoch: 3, positions: [position("p", bytes(1))] });
      assertEquals(steps, [{ step: "count", keys: state.length, bytes: state.length }]);
      assertEquals(keys.size, state.length);
    });
  });

  test("a commit whose changes throw in the middle leaves nothing", async (config) => {
    const before = [position("p", bytes(1))];
    await within(config(), async (store) => {
      await store.commit(1, { state: chunks([put("a", bytes(1))]), positions: before });
      const thrown = new Error("user code");
      function* failing(): Generator<KeyChange> {
        yield put("a", bytes(2));
        for (let i = 0; i < 30_000; i++) yield put(`new ${i}`, bytes(2), "new step");
        // Enough data that a store has to write some of it before it has seen all.
        const large = new Uint8Array(500_000);
        for (let i = 0; i < 100; i++) yield put(`large ${i}`, large, "new step");
        throw thrown;
      }
      const error = await assertRejects(() =>
        store.commit(2, { state: chunks(failing()), positions: [position("q", bytes(2))] })
      );
      assert(error === thrown, "the error is the one that was thrown");
      assertEquals(withoutIds(await store.resume()), { epoch: 1, positions: before });
      assertEquals(await loadAll(store), new Map([["a", bytes(1)]]));
      assertEquals(await loadAll(store, "new step"), new Map());
      // And goes on, with the same epoch and the same new step.
      await store.commit(2, { state: chunks([put("b", bytes(5), "new step")]), positions: before });
    });
    await within(config(), async (store) => {
      assertEquals(withoutIds(await store.resume()), { epoch: 2, positions: before });
      assertEquals(await loadAll(store), new Map([["a", bytes(1)]]));
      assertEquals(await loadAll(store, "new step"), new Map([["b", bytes(5)]]));
    });
  });

  test("epochs that go down are refused", async (config) => {
    await within(config(), async (store) => {
      for (const epoch of [-2, 0.5, NaN, Infinity]) {
        await assertRejects(() => store.commit(epoch, { state: [], positions: [] }), RangeError);
      }
      await store.commit(5, { state: [], positions: [] });
    });
    await within(config(), async (store) => {
      for (const epoch of [4, 0, -1]) {
        const state = chunks([put("a", bytes(1))]);
        await assertRejects(() => store.commit(epoch, { state, positions: [] }), RangeError);
      }
      assertEquals(await loadAll(store), new Map());
      await store.commit(6, { state: [], positions: [] });
      assertEquals((await store.resume())?.epoch, 6);
    });
  });

  test("a run's beginning or end replaces the positions, and keeps the epoch", async (config) => {
    const input = (
      partition: string,
    ) => [{ step: "in", role: "input" as const, partition, state: bytes(1) }];
    await within(config(), async (store) => {
      await store.commit(-1, { state: [], positions: input("a") });
    });
    await within(config(), async (store) => {
      assertEquals(withoutIds(await store.resume()), { epoch: -1, positions: input("a") });
      await store.commit(0, { state: chunks([put("k", bytes(7))]), positions: input("a") });
      await store.commit(0, { state: [], positions: input("b") });
    });
    await within(config(), async (store) => {
      assertEquals(withoutIds(await store.resume()), { epoch: 0, positions: input("b") });
      assertEquals((await store.steps()).map(({ keys }) => keys), [1]);
    });
  });

  test("a run's beginning may give the keys of a step to another, and drop others", async (config) => {
    const keys = Array.from({ length: 300 }, (_, i) => `key ${i}`);
    const state = keys.flatMap((key, i) => [
      put(key, bytes(i & 255, 1), "one"),
      put(key, bytes(i & 255, 2), "two"),
      put(key, bytes(3), "gone"),
    ]);
    await commit(config(), 4, ...state);
    const notes = [position("", bytes(1), { step: "gone", role: "gone" })];
    await within(config(), async (store) => {
      // The two steps change their names, so each id goes where another key of it was.
      const moves: StateChunk[] = [];
      for (const [from, to] of [["one", "two"], ["two", "one"], ["gone", null]] as const) {
        for await (const chunk of store.load(from)) {
          moves.unshift(forgetting(from, chunk));
          if (to !== null) moves.push(storing(to, chunk));
        }
      }
      await store.commit(4, { state: moves, positions: notes });
      assertEquals((await store.steps()).map(({ step, keys }) => [step, keys]).sort(), [
        ["one", 300],
        ["two", 300],
      ]);
    });
    await within(config(), async (store) => {
      assertEquals(withoutIds(await store.resume()), { epoch: 4, positions: notes });
      for (const [step, mark] of [["one", 2], ["two", 1]] as const) {
        const expected = new Map(keys.map((key, i) => [key, bytes(i & 255, mark)]));
        assertEquals(await loadAll(store, step), expected);
      }
      assertEquals(await loadAll(store, "gone"), new Map());
    });
  });

  test("steps counts keys and bytes, and no step whose keys are gone", async (config) => {
    await commit(
      config(),
      0,
      put("a", bytes(1, 2)),
      put("b", bytes(1)),
      put("a", bytes(1, 2, 3), "sum"),
      put("a", bytes(1), "gone"),
    );
    await commit(config(), 1, forget("a", "gone"), put("b", bytes(1, 2, 3)));
    const steps = await within(config(), (store) => store.steps());
    assertEquals(steps.toSorted((a, b) => a.step < b.step ? -1 : 1), [
      { step: "count", keys: 2, bytes: 5 },
      { step: "sum", keys: 1, bytes: 3 },
    ]);
  });

  test("one run at a time", async (config) => {
    const first = await config().open("flow");
    try {
      for (let i = 0; i < 2; i++) {
        const error = await assertRejects(() => config().open("flow"), RecoveryError);
        assertMatch(error.message, IN_USE);
      }
      await first.commit(0, { state: [], positions: [] });
    } finally {
      await first.close();
    }
    await within(config(), async (store) => assertEquals((await store.resume())?.epoch, 0));
  });

  test("a store belongs to one flow", async (config) => {
    await commit(config(), 0, put("a", bytes(1)));
    const error = await assertRejects(() => config().open("other"), RecoveryError);
    assert(/"flow".*"other"/.test(error.message), error.message);
    assertEquals(await stored(config()), new Map([["a", bytes(1)]]));
  });

  test("drop empties, also for another flow, and also what is not there", async (config) => {
    await config().drop();
    await commit(config(), 3, put("a", bytes(1)));
    await config().drop();
    await config().drop();
    await within(config(), async (store) => {
      assertEquals(await store.resume(), null);
      assertEquals(await store.steps(), []);
      assertEquals(await loadAll(store), new Map());
      await store.commit(0, { state: [], positions: [] });
    }, "other");
  });

  test("drop is refused while a run uses the store", async (config) => {
    await within(config(), async (store) => {
      await store.commit(1, { state: chunks([put("a", bytes(1))]), positions: [] });
      const error = await assertRejects(() => config().drop(), RecoveryError);
      assertMatch(error.message, IN_USE);
      assertEquals(await loadAll(store), new Map([["a", bytes(1)]]));
      await store.commit(2, { state: [], positions: [] });
    });
    assertEquals(await stored(config()), new Map([["a", bytes(1)]]));
  });

  test("closing twice is fine, and closes nobody else's", async (config) => {
    const first = await config().open("flow");
    await Promise.all([first.close(), first.close()]);
    await within(config(), async (store) => {
      await first.close();
      await assertRejects(() => config().open("flow"), RecoveryError);
      await store.commit(0, { state: [], positions: [] });
    });
    await assertRejects(() => first.commit(9, { state: [], positions: [] }), RecoveryError);
    await assertRejects(() => first.resume(), RecoveryError);
    await assertRejects(() => first.steps(), RecoveryError);
    await assertRejects(() => loadAll(first), RecoveryError);
  });
}
