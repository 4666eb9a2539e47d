/** Records that wait in a shard: which are read again, and where a task goes on. */
import { assert, assertEquals } from "@std/assert";
import { type TaskId, taskId } from "../../../src/core/task_id.ts";
import { encodeFrame } from "../../../src/runtime/exchange/frames.ts";
import { HeldRecords, type StreamPosition } from "../../../src/runtime/group/held_records.ts";
import { encodeShuffleBatch } from "../../../src/runtime/group/shuffle_batch.ts";
import { Random } from "../../support/values/random.ts";

const [A, B, C] = [taskId("in", 0), taskId("in", 1), taskId("in", 2)];

/** A record with this many frames, which say which task has sent them and their numbers. */
function record(task: TaskId, first: number, count: number): Uint8Array {
  const frames = Array.from(
    { length: count },
    (_, i) => encodeFrame({ kind: "barrier", exchange: 0, epoch: first + i }),
  );
  return encodeShuffleBatch(task, frames);
}

/** A reader of a log in memory. */
class Reading {
  readonly held: HeldRecords;
  readonly delivered: string[] = [];
  reads = 0;
  readonly #log: readonly Uint8Array[];
  #at: number;

  constructor(
    log: readonly Uint8Array[],
    most: number,
    from: bigint | null = null,
    resume: Iterable<readonly [TaskId, StreamPosition]> = [],
  ) {
    this.#log = log;
    this.#at = Number(from ?? 0n);
    this.held = new HeldRecords(from, resume, most);
  }

  /** Reads a record, as a task does. Returns whether there was one. */
  read(): boolean {
    const { seek } = this.held;
    if (seek !== null) {
      this.#at = Number(seek);
      this.held.soughtTo(seek);
    }
    const bytes = this.#log.at(this.#at);
    if (this.#at >= this.#log.length || bytes === undefined) return false;
    this.reads++;
    this.held.take({ bytes, next: BigInt(++this.#at) });
    return true;
  }

  /** Delivers a frame of one of these tasks. Returns whether there was one. */
  deliver(tasks: readonly TaskId[]): boolean {
    if (this.held.isShort) return false;
    for (const stream of this.held.streams) {
      if (!tasks.includes(stream.sender) || stream.records.length === 0) continue;
      const [first] = stream.records;
      const frame = first.frames[first.at++];
      if (frame.kind === "barrier") this.delivered.push(`${stream.sender} ${frame.epoch}`);
      if (first.at === first.frames.length) this.held.drop(stream);
      return true;
    }
    return false;
  }
}

Deno.test("HeldRecords keeps what waits, and delivers others meanwhile", () => {
  const log = [record(A, 0, 2), record(B, 0, 1), record(A, 2, 1), record(B, 1, 1)];
  const reading = new Reading(log, 1_000);
  while (reading.read());
  while (reading.deliver([B]));
  assertEquals(reading.delivered, ["in_1 0", "in_1 1"]);
  assertEquals(reading.held.positions(), {
    offset: 0n,
    streams: new Map([[B, { offset: 4n, frames: 0 }]]),
  });
  reading.deliver([A]);
  assertEquals(reading.held.positions().streams.get(A), { offset: 0n, frames: 1 });
  while (reading.deliver([A]));
  assertEquals(reading.held.positions(), { offset: 4n, streams: new Map() });
  assertEquals(reading.reads, 4);
});

Deno.test("HeldRecords has no position before anything has been read", () => {
  assertEquals(new HeldRecords(null, [], 0).positions().offset, null);
  assertEquals(new HeldRecords(7n, [], 0).positions(), { offset: 7n, streams: new Map() });
});

Deno.test("HeldRecords reads again what had no room, and then goes on after the last record", () => {
  const log = [record(A, 0, 1), record(A, 1, 1), record(A, 2, 1), record(B, 0, 1), record(B, 1, 1)];
  const reading = new Reading(log, 0);
  while (reading.read());
  assertEquals(reading.held.count, 2); // the first of each
  assertEquals(reading.held.seek, null); // there is something to deliver of both
  reading.deliver([A]);
  assert(reading.held.isShort);
  assertEquals(reading.held.seek, 1n);
  reading.read();
  assertEquals(reading.held.isShort, false);
  while (reading.deliver([A, B]) || reading.read());
  const of = (task: TaskId) => reading.delivered.filter((each) => each.startsWith(task));
  assertEquals([of(A), of(B)], [["in_0 0", "in_0 1", "in_0 2"], ["in_1 0", "in_1 1"]]);
  assertEquals(reading.held.positions(), { offset: 5n, streams: new Map() });
});

for (let seed = 1; seed <= 100; seed++) {
  Deno.test(`HeldRecords loses nothing and delivers nothing twice (seed ${seed})`, () => {
    const random = new Random(seed);
    const sent = new Map([A, B, C].map((task) => [task, 0]));
    const log = Array.from({ length: 60 }, () => {
      const task = random.pick([...sent.keys()]);
      const count = 1 + random.below(4);
      const first = sent.get(task)!;
      sent.set(task, first + count);
      return record(task, first, count);
    });
    const most = random.pick([0, 200, 2_000]);
    let reading = new Reading(log, most);
    const delivered: string[] = [];
    let going: TaskId[] = [A, B, C];
    for (let step = 0; step < 400; step++) {
      const what = random.below(20);
      if (what === 0) going = [A, B, C].filter(() => random.below(2) === 0);
      else if (what === 1) { // a restart
        const { offset, streams } = structuredClone(reading.held.positions());
        delivered.push(...reading.delivered);
        reading = new Reading(log, most, offset, streams);
      } else if (what < 12) reading.read();
      else reading.deliver(going);
    }
    while (reading.deliver([A, B, C]) || reading.read());
    delivered.push(...reading.delivered);
    for (const [task, count] of sent) {
      const expected = Array.from({ length: count }, (_, i) => `${task} ${i}`);
      assertEquals(delivered.filter((each) => each.startsWith(task)), expected);
    }
    assertEquals(reading.held.positions(), { offset: BigInt(log.length), streams: new Map() });
  });
}
