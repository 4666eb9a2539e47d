import { assertEquals, assertRejects } from "@std/assert";
import { persist } from "../../../../src/connectors/kafka/transactions/persist.ts";
import { errorOfCode } from "../../../../src/connectors/kafka/wire/error_codes.ts";
import { FakeConnection } from "../../../support/kafka/fake_coordinator.ts";

const LOADING = 14;
const BUSY = 51;
const FENCED = 90;

/** Runs with a clock that only the test moves. */
async function onClock(work: (clock: { ms: number }) => Promise<void>): Promise<void> {
  const clock = { ms: 0 };
  const { now } = performance;
  performance.now = () => clock.ms;
  try {
    await work(clock);
  } finally {
    performance.now = now;
  }
}

/** Work that takes some time, and fails with each of these codes before it succeeds. */
function failing(clock: { ms: number }, codes: readonly number[], ms = 1_000) {
  const left = [...codes];
  return () => {
    clock.ms += ms;
    const code = left.shift();
    return code === undefined ? Promise.resolve("done") : Promise.reject(errorOfCode(code));
  };
}

Deno.test("work is repeated until it succeeds, with a new connection after an error", async () => {
  await onClock(async (clock) => {
    const connection = new FakeConnection();
    assertEquals(await persist(connection, 10_000, failing(clock, [LOADING, -1])), "done");
    assertEquals(connection.drops, 2);
  });
});

Deno.test("work that fails for too long is an error, once the patience is over", async () => {
  await onClock(async (clock) => {
    const connection = new FakeConnection();
    const work = failing(clock, Array(100).fill(LOADING));
    const { type } = await assertRejects(() => persist(connection, 10_000, work)) as {
      type?: string;
    };
    assertEquals([type, clock.ms], ["GROUP_LOAD_IN_PROGRESS", 10_000]);
  });
});

Deno.test("a coordinator may be busy for two minutes, however short the patience is", async () => {
  await onClock(async (clock) => {
    const connection = new FakeConnection();
    const busy = (times: number) => failing(clock, Array(times).fill(BUSY), 20_000);
    assertEquals(await persist(connection, 10_000, busy(5)), "done");
    clock.ms = 0;
    const { type } = await assertRejects(() => persist(connection, 10_000, busy(7))) as {
      type?: string;
    };
    assertEquals([type, clock.ms], ["CONCURRENT_TRANSACTIONS", 120_000]);
    assertEquals(connection.drops, 0); // it answers
  });
});

Deno.test("an error that would come again is thrown at once", async () => {
  await onClock(async (clock) => {
    const work = failing(clock, [FENCED]);
    await assertRejects(() => persist(new FakeConnection(), 10_000, work));
    assertEquals(clock.ms, 1_000);
  });
});

Deno.test("nothing is repeated once the connection's waiting has ended", async () => {
  for (const code of [LOADING, BUSY]) {
    await onClock(async (clock) => {
      const connection = new FakeConnection();
      const work = failing(clock, [code, code, code]);
      await assertRejects(() =>
        persist(connection, 10_000, () => {
          if (clock.ms === 1_000) connection.isEnded = true;
          return work();
        })
      );
      assertEquals(clock.ms, 2_000);
    });
  }
});

Deno.test("without a limit, work is repeated until the signal ends all waiting", async () => {
  await onClock(async (clock) => {
    const connection = new FakeConnection();
    const work = failing(clock, Array(100).fill(LOADING), 60_000);
    assertEquals(await persist(connection, Infinity, work), "done");
    connection.onPause = () => void (connection.isEnded = connection.drops > 150);
    const { type } = await assertRejects(() =>
      persist(connection, Infinity, failing(clock, Array(100).fill(LOADING)))
    ) as { type?: string };
    assertEquals([type, connection.drops], ["GROUP_LOAD_IN_PROGRESS", 151]);
  });
});

Deno.test("without a limit, a coordinator that never ends a transaction is an error", async () => {
  await onClock(async (clock) => {
    const connection = new FakeConnection();
    const codes = [...Array(10).fill(LOADING), ...Array(10).fill(BUSY)];
    const work = failing(clock, codes, 60_000);
    const { type } = await assertRejects(() => persist(connection, Infinity, work)) as {
      type?: string;
    };
    assertEquals([type, clock.ms], ["CONCURRENT_TRANSACTIONS", 13 * 60_000]);
  });
});
