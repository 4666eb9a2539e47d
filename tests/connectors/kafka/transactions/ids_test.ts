import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import {
  finishedIds,
  type IdSet,
  idsOf,
  newIdSet,
  ofWorker,
  preparedTransaction,
  readStoredIds,
  unfinishedIds,
} from "../../../../src/connectors/kafka/transactions/ids.ts";

const set = (name: string, cluster = "c"): IdSet => ({ prefix: `p.${name}`, slots: 3, cluster });

function transaction(transactionalId: string) {
  const identity = { transactionalId, producerId: 1n, producerEpoch: 2 };
  return { ...identity, epoch: 3, openedAt: 4, timeoutMs: 5, cluster: "c" };
}

Deno.test("new ids have a random part and three numbers", () => {
  const made = newIdSet("p", "c");
  assert(/^p\.[0-9a-f]{8}$/.test(made.prefix), made.prefix);
  assertEquals(idsOf(made), [0, 1, 2].map((slot) => `${made.prefix}.${slot}`));
  assertNotEquals(newIdSet("p", "c").prefix, made.prefix);
});

Deno.test("positions are read back in one order, whether work is finished or not", () => {
  const positions = new Map([
    unfinishedIds(set("b")),
    preparedTransaction(transaction("p.b.1")),
    finishedIds(set("a")),
    preparedTransaction(transaction("p.a.2")),
  ]);
  const { sets, transactions } = readStoredIds(positions);
  assertEquals(sets, [set("a"), set("b")]);
  assertEquals(transactions.map(({ transactionalId }) => transactionalId), ["p.a.2", "p.b.1"]);
  assertEquals(transactions[1].producerId, 1n);
});

Deno.test("a position of a newer version is refused, as its transaction cannot be ended", () => {
  const newer = { ...transaction("p.a.0"), protocol: "new" };
  for (
    const [name, state] of [["unfinished:open:p.a.0", newer], ["unfinished:else", {}]] as const
  ) {
    assertThrows(() => readStoredIds(new Map([[name, state]])), Error, `"${name}"`);
  }
});

Deno.test("workers share out the ids of runs before", () => {
  const stored = ["a", "b", "c", "d", "e"].map((name) => set(name));
  const share = (workerIndex: number, workerCount: number) =>
    ofWorker(stored, { workerIndex, workerCount }).map(({ prefix }) => prefix);
  assertEquals(share(0, 1), ["p.a", "p.b", "p.c", "p.d", "p.e"]);
  assertEquals(share(0, 2), ["p.a", "p.c", "p.e"]);
  assertEquals(share(1, 2), ["p.b", "p.d"]);
  assertEquals(share(5, 6), []);
});
