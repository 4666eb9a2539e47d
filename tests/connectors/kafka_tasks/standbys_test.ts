import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import type { ChangelogRecord } from "../../../src/connectors/kafka_tasks/changelog_records.ts";
import {
  type ChangelogReads,
  LOOK_MS,
  RETRY_MS,
  Standbys,
} from "../../../src/connectors/kafka_tasks/standbys.ts";
import { StateCaches } from "../../../src/connectors/kafka_tasks/state_caches.ts";
import {
  positionsRecord,
  stateRecords,
} from "../../../src/connectors/kafka_tasks/state_records.ts";
import { createLog } from "../../../src/core/log.ts";
import { taskId } from "../../../src/core/task_id.ts";
import type { StoredPosition } from "../../../src/recovery/store.ts";
import { TaskCaches } from "../../../src/recovery/task_cache/task_caches.ts";
import { TestClock } from "../../support/clock/test_clock.ts";
import { eventually } from "../../support/eventually.ts";
import { type TempFolder, tempFolder } from "../../support/files/temp_folder.ts";
import { chunks } from "../../support/recovery/state_chunks.ts";
import { localThread } from "../../support/recovery/task_cache.ts";

const TASK = taskId("keyed", 0);
const OTHER = taskId("other", 0);
const HOUR = 3_600_000;
const DAY = 24 * HOUR;

/** How many records a fetch has. */
const FETCHED = 2;

/** The one changelog, as its owner commits to it. An offset has one record. */
class Changelog implements ChangelogReads {
  readonly records: ChangelogRecord[] = [];
  /** From where on it was read, each time. */
  readonly reads: bigint[] = [];
  start = 0n;
  /** Holds up what comes next; `null` for nothing. */
  holdSpan: Promise<void> | null = null;
  holdRead: Promise<void> | null = null;
  failure: Error | null = null;
  /** The end, as it was when it was asked for. */
  asked = -1n;
  /** Whether somebody waits for what is held up. */
  isHeld = false;

  get end(): bigint {
    return BigInt(this.records.length);
  }

  /** Commits changed keys, with a position. */
  commit(states: Record<string, string | null>, position: number): void {
    const changes = Object.entries(states).map(([key, state]) => ({
      step: "count",
      key,
      state: state === null ? null : new TextEncoder().encode(state),
    }));
    for (
      const record of [...stateRecords([...chunks(changes)], 0), positionsRecord(at(position), 0)]
    ) this.records.push({ ...record, offset: this.records.length });
  }

  async spanOf() {
    const { start, end } = this;
    await this.#held(this.holdSpan);
    return { topic: "id", start, end, deleteRetentionMs: DAY };
  }

  endsOf(all: readonly unknown[]): Promise<bigint[]> {
    this.asked = this.end;
    return Promise.resolve(all.map(() => this.end));
  }

  async *read(_of: unknown, { from, to }: { from: bigint; to: bigint }) {
    this.reads.push(from);
    for (let next = Number(from); next < to; next += FETCHED) {
      yield this.records.slice(next, Math.min(next + FETCHED, Number(to)));
      await this.#held(this.holdRead);
      if (this.failure !== null) throw this.failure;
    }
  }

  async #held(hold: Promise<void> | null): Promise<void> {
    if (hold === null) return;
    this.isHeld = true;
    await hold;
    this.isHeld = false;
  }
}

const at = (position: number): StoredPosition[] => [
  { step: "", role: "input", partition: "", state: new Uint8Array([position]) },
];

/** A machine with standbys, whose disk may be that of an earlier one. */
function machineOn(folder: TempFolder, changelog: Changelog, clock = new TestClock()) {
  const warnings: string[] = [];
  const log = createLog((level, message, { error }) => {
    if (level === "warn") warnings.push(`${message}: ${error}`);
  });
  const caches = new StateCaches({
    folder: folder.at("app"),
    app: "app",
    log,
    clock,
    caches: (log) => new TaskCaches({ log, clock, startThread: localThread({}) }),
  });
  const standbys = new Standbys({ app: "app", shards: 1, reads: changelog, caches, clock, log });
  return {
    clock,
    caches,
    standbys,
    warnings,
    /** Runs until a standby has all that is committed. */
    current: (standby: { readonly lag: number | null }) =>
      eventually(() => {
        clock.advance(LOOK_MS);
        return standby.lag === 0 && changelog.asked === changelog.end;
      }, "the standby is current"),
    /** Runs until a request is held up. */
    held: () =>
      eventually(() => {
        clock.advance(LOOK_MS);
        return changelog.isHeld;
      }, "it is held up"),
    [Symbol.asyncDispose]: async () => {
      await standbys.close();
      await caches.close();
    },
  };
}

type Machine = ReturnType<typeof machineOn>;

Deno.test("what a standby that is current has read is on the disk", async () => {
  await using folder = await tempFolder();
  const changelog = new Changelog();
  changelog.commit({ a: "1", b: "2", c: "3" }, 1);
  await using machine = machineOn(folder, changelog);
  await machine.current(machine.standbys.add(TASK));
  machine.caches.abandon(); // as if it had died
  await using next = machineOn(folder, changelog);
  const { end } = changelog;
  const found = await next.caches.open(TASK, {
    topic: "id",
    start: 0n,
    end,
    deleteRetentionMs: DAY,
  });
  assertEquals(found?.offset, end);
});

/** What the restore of the task finds on the disk, as `KafkaTaskLog.restore` opens it. */
async function promoted({ standbys, caches }: Machine, changelog: Changelog) {
  standbys.closeOf(TASK);
  const span = { topic: "id", start: changelog.start, end: changelog.end, deleteRetentionMs: DAY };
  const cache = (await caches.open(TASK, span))!;
  const states: Record<string, string> = {};
  for await (const { keys } of cache.keys()) {
    for (const { key, state } of keys) states[key] = new TextDecoder().decode(state);
  }
  return { offset: cache.offset, position: cache.positions.at(0)?.state[0], states };
}

Deno.test("a standby has what the owner of the task has committed", async () => {
  await using folder = await tempFolder();
  const changelog = new Changelog();
  changelog.commit({ a: "1", b: "1", c: "1" }, 1);
  await using machine = machineOn(folder, changelog);
  const standby = machine.standbys.add(TASK);
  assertEquals(standby.lag, null);
  await machine.current(standby);
  changelog.commit({ a: "2", b: null }, 2);
  await machine.current(standby);
  assertEquals(changelog.reads, [0n, 4n]);
  assertEquals(await promoted(machine, changelog), {
    offset: 7n,
    position: 2,
    states: { a: "2", c: "1" },
  });
  assertEquals(machine.warnings, []);
});

Deno.test("a standby that begins again reads on from its file", async () => {
  await using folder = await tempFolder();
  const changelog = new Changelog();
  changelog.commit({ a: "1" }, 1);
  {
    await using machine = machineOn(folder, changelog);
    await machine.current(machine.standbys.add(TASK));
  }
  changelog.commit({ b: "2" }, 2);
  await using machine = machineOn(folder, changelog);
  await machine.current(machine.standbys.add(TASK));
  assertEquals(changelog.reads, [0n, 2n]);
  const { offset, states } = await promoted(machine, changelog);
  assertEquals({ offset, states }, { offset: 4n, states: { a: "1", b: "2" } });
});

Deno.test("a task that moves here while its standby catches up gets the last point", async () => {
  await using folder = await tempFolder();
  const changelog = new Changelog();
  changelog.commit({ a: "1" }, 1);
  await using machine = machineOn(folder, changelog);
  await machine.current(machine.standbys.add(TASK));
  changelog.commit({ a: "2", b: "2", c: "2" }, 2);
  const hold = Promise.withResolvers<void>();
  changelog.holdRead = hold.promise;
  await machine.held(); // after the first records
  const { offset, position } = await promoted(machine, changelog);
  // The restore reads on from there. What the file has of later records does no harm.
  assertEquals({ offset, position }, { offset: 2n, position: 1 });
  hold.resolve();
  assertEquals(machine.warnings, []);
});

Deno.test("a task that moves here while its standby opens has the file to itself", async () => {
  await using folder = await tempFolder();
  const changelog = new Changelog();
  changelog.commit({ a: "1" }, 1);
  await using machine = machineOn(folder, changelog);
  const hold = Promise.withResolvers<void>();
  changelog.holdSpan = hold.promise;
  machine.standbys.add(TASK);
  await machine.held();
  assertEquals((await promoted(machine, changelog)).offset, null);
  hold.resolve();
  await eventually(() => !changelog.isHeld, "the standby goes on");
  await assertRejects(() => promoted(machine, changelog), Error, "is open already");
  assertEquals(changelog.reads, []);
  assertEquals(machine.warnings, []);
});

Deno.test("a standby that is ended while it opens closes its file", async () => {
  await using folder = await tempFolder();
  const changelog = new Changelog();
  changelog.commit({ a: "1" }, 1);
  await using machine = machineOn(folder, changelog);
  const first = machine.standbys.add(TASK);
  await eventually(() => machine.caches.has(TASK), "the file is being opened");
  first.close();
  first.close();
  const second = machine.standbys.add(TASK); // it has come back
  await machine.current(second);
  assertEquals(first.lag, null);
  assertEquals((await promoted(machine, changelog)).states, { a: "1" });
});

Deno.test("a standby that is ended before its file is opened leaves none open", async () => {
  await using folder = await tempFolder();
  const changelog = new Changelog();
  await using machine = machineOn(folder, changelog);
  const hold = Promise.withResolvers<void>();
  changelog.holdSpan = hold.promise;
  const standby = machine.standbys.add(TASK);
  await machine.held();
  standby.close();
  hold.resolve();
  await machine.standbys.close(); // what it was at is done
  assertEquals(machine.caches.has(TASK), false);
});

Deno.test("a standby that fails after its end is not reported", async () => {
  await using folder = await tempFolder();
  const changelog = new Changelog();
  changelog.commit({ a: "1" }, 1);
  await using machine = machineOn(folder, changelog);
  const hold = Promise.withResolvers<void>();
  changelog.holdRead = hold.promise;
  const standby = machine.standbys.add(TASK);
  await machine.held();
  standby.close();
  changelog.failure = new Error("the connection is closed");
  hold.resolve();
  await machine.standbys.close();
  assertEquals(machine.warnings, []);
});

Deno.test("a standby of a task that still runs here does not touch its file", async () => {
  await using folder = await tempFolder();
  const changelog = new Changelog();
  changelog.commit({ a: "1" }, 1);
  await using machine = machineOn(folder, changelog);
  await promoted(machine, changelog); // it runs here
  const standby = machine.standbys.add(TASK);
  await eventually(() => machine.warnings.length > 0, "the standby has failed");
  assertEquals(machine.caches.has(TASK), true);
  machine.caches.release(TASK); // given up
  machine.clock.advance(RETRY_MS);
  await machine.current(standby);
  assertEquals((await promoted(machine, changelog)).states, { a: "1" });
});

Deno.test("a standby that fails begins again in a minute, and others go on", async () => {
  await using folder = await tempFolder();
  const changelog = new Changelog();
  changelog.commit({ a: "1" }, 1);
  await using machine = machineOn(folder, changelog);
  const standby = machine.standbys.add(TASK);
  await machine.current(standby);
  changelog.commit({ a: "2" }, 2);
  changelog.failure = new Error("the broker is away");
  await eventually(() => {
    machine.clock.advance(LOOK_MS);
    return machine.warnings.length > 0;
  }, "the standby has failed");
  assertEquals(machine.warnings, [
    "a standby has failed, and begins again in a minute: Error: the broker is away",
  ]);
  assertEquals(standby.lag, null);
  changelog.failure = null;
  const reads = changelog.reads.length;
  const other = machine.standbys.add(OTHER);
  await machine.current(other);
  assertEquals(changelog.reads.slice(reads), [0n]);
  machine.clock.advance(RETRY_MS);
  await machine.current(standby);
  assertEquals((await promoted(machine, changelog)).states, { a: "2" });
});

Deno.test("a standby that was not current for long reads the whole changelog", async () => {
  await using folder = await tempFolder();
  const changelog = new Changelog();
  changelog.commit({ a: "1", b: "1" }, 1);
  await using machine = machineOn(folder, changelog);
  const standby = machine.standbys.add(TASK);
  await machine.current(standby);
  // The record of the key that is forgotten is gone by the time at which it is read.
  changelog.records.splice(0, 3);
  changelog.commit({ b: "2" }, 2);
  changelog.records.push(...changelog.records, ...changelog.records.slice(-1));
  machine.clock.advance(13 * HOUR);
  await machine.current(standby);
  assertEquals((await promoted(machine, changelog)).states, { b: "2" });
});

Deno.test("a file gets no point before all has been read", async () => {
  await using folder = await tempFolder();
  const changelog = new Changelog();
  changelog.commit({ a: "1" }, 1);
  changelog.commit({ b: "2", c: "2" }, 2);
  await using machine = machineOn(folder, changelog);
  const hold = Promise.withResolvers<void>();
  changelog.holdRead = hold.promise;
  machine.standbys.add(TASK);
  await machine.held(); // it has the positions of the first commit
  assertEquals((await promoted(machine, changelog)).offset, null);
  hold.resolve();
});

Deno.test("a task has one standby here", async () => {
  await using folder = await tempFolder();
  await using machine = machineOn(folder, new Changelog());
  machine.standbys.add(TASK);
  assertThrows(() => machine.standbys.add(TASK), Error, "has a standby here already");
});
