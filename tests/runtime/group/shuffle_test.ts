/** What tasks send one another: the sending end, the bytes, and the receiving end. */
import { assertEquals, assertThrows } from "@std/assert";
import { ExchangeNumbers } from "../../../src/runtime/group/exchange_numbers.ts";
import { keyGroupOf, ownersOf } from "../../../src/core/key_groups.ts";
import { taskId } from "../../../src/core/task_id.ts";
import { BatchEncoder, decodeBatch } from "../../../src/core/value_codec.ts";
import type { ShuffleReader, ShuffleRecord } from "../../../src/group/log.ts";
import { Channel } from "../../../src/runtime/channel.ts";
import { encodeFrame } from "../../../src/runtime/exchange/frames.ts";
import {
  decodeShuffleBatch,
  encodeShuffleBatch,
} from "../../../src/runtime/group/shuffle_batch.ts";
import { SentTime } from "../../../src/runtime/group/sent_time.ts";
import { ShuffleOut } from "../../../src/runtime/group/shuffle_out.ts";
import { type ShardReader, ShuffleTask } from "../../../src/runtime/group/shuffle_task.ts";
import type { From, Tick, TimeControl } from "../../../src/runtime/time/controls.ts";
import { MergedTime } from "../../../src/runtime/time/merged_time.ts";
import { WaitingBytes } from "../../../src/runtime/group/waiting_bytes.ts";
import { drain, roomyChannel, taskHost } from "../../support/runtime/task_host.ts";

const TASK = taskId("in", 3);
const SHARDS = 4;

const fail = (item: unknown, thrown: unknown) =>
  new Error(`${JSON.stringify(item)?.slice(0, 20)}: ${(thrown as Error).message}`);

function sending(waiting = new WaitingBytes(() => {}), bytes = 8 << 20) {
  const receiverOf = (exchange: number) => ["sums", "counts"][exchange];
  const limitOf = () => ({ bytes, raise: "raise the limit" });
  return new ShuffleOut(TASK, { receiverOf, shards: SHARDS, limitOf }, waiting);
}

/** A batch frame of an exchange. */
function frame(exchange: number, ...items: unknown[]): Uint8Array {
  const encoder = new BatchEncoder();
  for (const item of items) encoder.write(item);
  const { count } = encoder;
  return encodeFrame({ kind: "batch", exchange, count, items: encoder.take() });
}

/** The items that batches hold, by the shard of a sub-topology. */
function itemsOf(batches: ReturnType<ShuffleOut["take"]>): Record<string, unknown[]> {
  const items: Record<string, unknown[]> = {};
  for (const { subtopology, shard, bytes } of batches) {
    const { task, frames } = decodeShuffleBatch(bytes);
    assertEquals(task, TASK);
    for (const each of frames) {
      if (each.kind !== "batch") throw new Error(`a frame of kind ${each.kind}`);
      (items[`${subtopology} ${shard}`] ??= []).push(...decodeBatch(each.items));
    }
  }
  return items;
}

Deno.test("ShuffleOut sends each pair to the shard that owns its key", () => {
  const out = sending();
  const pairs = Array.from({ length: 50 }, (_, i) => [`k${i}`, i] as const);
  out.sender(0, { route: "key", fail, epoch: 0 }).push(pairs);
  const owners = ownersOf(SHARDS);
  const expected = Object.groupBy(pairs, ([key]) => `sums ${owners[keyGroupOf(key)]}`);
  assertEquals(itemsOf(out.take(0)), { ...expected });
});

Deno.test("ShuffleOut keeps what is sent after a barrier for the next epoch", () => {
  const out = sending();
  const [sums, counts] = [
    out.sender(0, { route: "spread", fail, epoch: 0 }),
    out.sender(1, { route: "spread", fail, epoch: 0 }),
  ];
  sums.push([1]);
  sums.push({ kind: "barrier", epoch: 0 });
  sums.push([2]);
  counts.push([3]); // its barrier has not come yet
  assertEquals(itemsOf(out.take(0)), { "sums 0": [1], "counts 0": [3] });
  assertEquals(itemsOf(out.take(0)), {});
  assertEquals(itemsOf(out.take(1)), { "sums 1": [2] });
});

Deno.test("ShuffleOut cuts what is for a shard into records, and keeps the order", () => {
  const out = sending();
  const sender = out.sender(0, { route: "key", fail, epoch: 0 });
  const pairs = Array.from({ length: 9 }, (_, i) => ["k", new Uint8Array(200 << 10).fill(i)]);
  for (const pair of pairs) sender.push([pair]);
  const batches = out.take(0);
  assertEquals(batches.length, 5); // two fit into 512 KiB
  assertEquals(Object.values(itemsOf(batches)), [pairs]);
});

Deno.test("ShuffleOut gathers the items of several batches in a frame, up to 256 or 16 KiB", () => {
  const framesOf = (batches: readonly (readonly unknown[])[]) => {
    const out = sending();
    const sender = out.sender(0, { route: "key", fail, epoch: 0 });
    for (const batch of batches) sender.push(batch);
    return out.take(0).flatMap(({ bytes }) =>
      decodeShuffleBatch(bytes).frames.map((each) => each.kind === "batch" ? each.count : each)
    );
  };
  const batch = Array.from({ length: 100 }, (_, i) => ["k", i]);
  assertEquals(framesOf([batch, batch]), [200]);
  assertEquals(framesOf([batch, batch, batch]), [256, 44]);
  const large = ["k", new Uint8Array(6 << 10)];
  assertEquals(framesOf([[large], [large], [large], [large]]), [3, 1]);
});

Deno.test("ShuffleOut has no room in an epoch that is full, until that closes", () => {
  let full = 0;
  const waiting = new WaitingBytes(() => full++, { most: 1_000 });
  const out = sending(waiting);
  out.begin(7); // the task's epoch 0 is the process's epoch 7
  const sender = out.sender(0, { route: "spread", fail, epoch: 0 });
  sender.push([new Uint8Array(900)]);
  assertEquals([full, sender.room], [0, 1]);
  sender.push([new Uint8Array(200)]);
  assertEquals([full, sender.room], [1, 0]);
  waiting.closing(7);
  assertEquals(sender.room, Infinity); // what has been read must come through
  sender.push({ kind: "barrier", epoch: 0 });
  sender.push([new Uint8Array(2_000)]);
  assertEquals([full, sender.room], [2, 0]);
  assertEquals(waiting.committed(7), true); // the next one is full already
});

Deno.test("ShuffleOut counts each byte once, in frames or before", () => {
  let full = 0;
  const sender = sending(new WaitingBytes(() => full++, { most: 70 << 10 }))
    .sender(0, { route: "key", fail, epoch: 0 });
  const item = ["k", new Uint8Array(10 << 10)]; // two make a frame
  for (let sent = 1; sent <= 6; sent++) sender.push([item]);
  assertEquals([full, sender.room], [0, 1]);
  sender.push([item]);
  assertEquals([full, sender.room], [1, 0]);
});

Deno.test("ShuffleOut refuses an item that no record can hold, and shows it", () => {
  const sender = sending().sender(0, { route: "key", fail, epoch: 0 });
  assertThrows(
    () => sender.push([["k", new Uint8Array(8 << 20)]]),
    Error,
    "the item takes 8.1 MiB, and no more than 7 MiB can be sent to another task: make items smaller",
  );
  assertThrows(() => sender.push([1]), Error, "1: ");
});

Deno.test("ShuffleOut makes no record that is larger than its topic accepts", () => {
  const limit = 1 << 20;
  const out = sending(new WaitingBytes(() => {}), limit);
  const sender = out.sender(0, { route: "spread", fail, epoch: 0 });
  // A large item may come after others of the same batch.
  const sizes = [100, 60_000, 900_000, 3, ...Array.from({ length: 200 }, () => 20_000), 900_000];
  for (let i = 0; i < SHARDS; i++) sender.push(sizes.map((size) => new Uint8Array(size)));
  const batches = out.take(0);
  const sent = Object.values(itemsOf(batches)).flat() as Uint8Array[];
  assertEquals(sent.length, SHARDS * sizes.length);
  assertEquals(batches.filter(({ bytes }) => bytes.length > limit), []);
  assertThrows(
    () => sender.push([new Uint8Array(950_000)]),
    Error,
    "the item takes 928 KiB, and no more than 896 KiB can be sent to another task: make items " +
      "smaller before this step, or raise the limit",
  );
});

Deno.test("decodeShuffleBatch refuses what is cut off or of another version", () => {
  const bytes = encodeShuffleBatch(TASK, [frame(0, 1, 2), frame(1, 3)]);
  assertEquals(decodeShuffleBatch(bytes).frames.length, 2);
  const broken = "what another task has sent cannot be read";
  let refused = 0;
  for (let length = 0; length < bytes.length; length++) {
    try {
      decodeShuffleBatch(bytes.subarray(0, length));
    } catch (error) {
      refused++;
      assertEquals((error as Error).message.startsWith(broken), true, `${length}: ${error}`);
    }
  }
  assertEquals(refused, bytes.length - 2); // it may end after its header, or after a frame
  assertThrows(
    () => decodeShuffleBatch(bytes.with(0, 2)),
    Error,
    "version 2, and this is version 1",
  );
});

/** A shuffle with records, and the channels of exchanges 0 and 1. */
function receiving(
  records: Uint8Array[],
  channel = roomyChannel,
  times = new Map<number, MergedTime>(),
) {
  let next = 0n;
  const reader: ShardReader & ShuffleReader = {
    next: (): ShuffleRecord | null => {
      const bytes = records.shift();
      return bytes === undefined ? null : { bytes, next: ++next };
    },
    ready: () => new Promise(() => {}),
    seek: (offset) => {
      throw new Error(`nothing was cut, and ${offset} is read again`);
    },
    isCurrent: true,
    lag: 0,
    close() {},
    unreadable: ({ next }, cause) => new Error(`offset ${next - 1n}: ${cause.message}`),
  };
  const passed: string[] = [];
  const host = {
    ...taskHost(),
    passed: () => passed.push("passed"),
    ended: () => passed.push("ended"),
  };
  const channels = new Map([[0, channel()], [1, channel()]]);
  const task = new ShuffleTask("sums", host, { reader, from: null, channels, times, epoch: 0 });
  return { task, channels, passed, reader };
}

function runAll(task: ShuffleTask): void {
  while (task.run());
}

Deno.test("junk in a shuffle is an error that names where it is", () => {
  for (const junk of [[], [1], [1, 0], [1, 0, 9], [123, 34, 34], [1, 0, 0, 0, 0, 0, 3, 99, 0, 0]]) {
    const sent = encodeShuffleBatch(TASK, [frame(0, 1)]);
    const { task } = receiving([sent, new Uint8Array(junk)]);
    assertThrows(() => runAll(task), Error, "offset 1: what another task has sent cannot be read");
    const { reader } = receiving([new Uint8Array(junk)]);
    const numbered = new ExchangeNumbers([]).reading(reader);
    if (junk.length < 9) assertThrows(() => numbered.next(), Error, "offset 0: what another task");
  }
});

Deno.test("items of junk in a shuffle are an error that names where they are", () => {
  const items = Uint8Array.of(99, 1, 2);
  const junk = encodeFrame({ kind: "batch", exchange: 0, count: 2, items });
  const encoder = new BatchEncoder();
  encoder.write(1);
  const few = encodeFrame({ kind: "batch", exchange: 0, count: 3, items: encoder.take() });
  for (
    const [bytes, error] of [
      [junk, "offset 1: cannot decode bytes: they are of version 99"],
      [few, "offset 1: another task has sent 1 item as 3"],
    ] as const
  ) {
    const sent = [encodeShuffleBatch(TASK, [frame(0, 1)]), encodeShuffleBatch(TASK, [bytes])];
    const { task } = receiving(sent);
    assertThrows(() => runAll(task), Error, error);
  }
});

Deno.test("ShuffleTask hands items to their exchanges, and a barrier to all at one point", () => {
  const records = [encodeShuffleBatch(TASK, [frame(0, 1, 2), frame(1, 3), frame(0, 4)])];
  const { task, channels, passed } = receiving(records);
  task.run(); // reads the record
  task.trigger(0);
  runAll(task);
  assertEquals(drain(channels.get(0)!), [[1, 2], [4], "barrier"]);
  assertEquals(drain(channels.get(1)!), [[3], "barrier"]);
  assertEquals(passed, ["passed"]);
});

Deno.test("ShuffleTask waits for room, also before a barrier", () => {
  const records = [encodeShuffleBatch(TASK, [frame(0, 1), frame(0, 2), frame(1, 3)])];
  const { task, channels, passed } = receiving(records, () => new Channel());
  task.run();
  task.trigger(0);
  runAll(task);
  assertEquals(task.waits, "room");
  assertEquals(task.queued, 2);
  assertEquals([drain(channels.get(0)!), drain(channels.get(1)!)], [[[1]], []]);
  assertEquals(passed, []);
  runAll(task);
  assertEquals(drain(channels.get(0)!), [[2], "barrier"]);
  assertEquals(drain(channels.get(1)!), [[3], "barrier"]);
});

Deno.test("ShuffleTask ends at a stop, after all of the record that it has read", () => {
  const one = encodeShuffleBatch(TASK, [frame(0, 1), frame(0, 2)]);
  const { task, channels, passed } = receiving([one, one]);
  task.run();
  task.stop();
  runAll(task);
  assertEquals(drain(channels.get(0)!), [[1], [2], "end"]);
  assertEquals(drain(channels.get(1)!), ["end"]);
  assertEquals(passed, ["ended"]);
});

Deno.test("ShuffleTask refuses an exchange that the flow does not have", () => {
  const { task } = receiving([encodeShuffleBatch(TASK, [frame(5, 1)])]);
  assertThrows(
    () => runAll(task),
    Error,
    "sent a frame of kind batch to exchange 5, which this flow does not have here: all machines",
  );
});

const ORIGIN = "in on worker 3";

const from = (tick: number): From => ({ kind: "from", source: "p", origin: ORIGIN, tick });

function tick(number: number): Tick {
  const logged = { at: 1_000 * number, idleSince: null };
  return { kind: "tick", origin: ORIGIN, number, states: [["p", "behind"]], logged };
}

/** What records for a shard say, in the order in which they say it. */
function saidTo(shard: number, batches: ReturnType<ShuffleOut["take"]>): unknown[] {
  return batches.filter((each) => each.shard === shard).flatMap(({ bytes }) => [
    "record",
    ...decodeShuffleBatch(bytes).frames.map((each) =>
      each.kind === "batch"
        ? decodeBatch(each.items).length
        : (each as { message: TimeControl }).message
    ),
  ]);
}

Deno.test("ShuffleOut tells all shards of event time at the end of an epoch, also without items", () => {
  const timeOf = (value: unknown) => value as number;
  const time = new SentTime(0, { timeOf, waitMs: 10, driftMs: Infinity, fail, steps: new Set() });
  const out = sending();
  const sender = out.sender(0, { route: "key", fail, epoch: 0, time });
  sender.push(from(1));
  sender.push([["k", 10], ["k", 30]]);
  sender.push(from(1));
  sender.push([["k", 20]]);
  sender.push(tick(2));
  sender.push({ kind: "barrier", epoch: 0 });
  const batches = out.take(0);
  const shard = batches.find(({ bytes }) => decodeShuffleBatch(bytes).frames.length > 2)!.shard;
  const end = [{ kind: "newest", source: "p", origin: ORIGIN, tick: 1, time: 30 }, tick(2)];
  for (let each = 0; each < SHARDS; each++) {
    const reaching = { ...from(1), reaches: 30 };
    const items = each === shard ? [reaching, 2, reaching, 1] : [];
    assertEquals(saidTo(each, batches), ["record", ...items, ...end]);
  }
  sender.push({ kind: "barrier", epoch: 1 });
  assertEquals(out.take(1), []); // nothing new
});

/** A key of each shard. */
const KEY_OF = Array.from({ length: SHARDS }, (_, shard) => keyOf(shard));

function keyOf(shard: number): string {
  const owners = ownersOf(SHARDS);
  for (let i = 0;; i++) if (owners[keyGroupOf(`k${i}`)] === shard) return `k${i}`;
}

/** What shard 0 is told if these are sent in two batches, an epoch, and one batch. */
function toldOfOld(waitMs: number): unknown[] {
  const time = new SentTime(0, {
    timeOf: (value) => value as number,
    waitMs,
    driftMs: Infinity,
    fail,
    steps: new Set(),
  });
  const out = sending();
  const sender = out.sender(0, { route: "key", fail, epoch: 0, time });
  const [own, other] = KEY_OF;
  sender.push(from(1));
  sender.push([[own, 10], [other, 30], [own, 19], [own, 20], [other, 40], [own, 20], [own, 21]]);
  sender.push([[own, 29], [own, 31]]);
  sender.push({ kind: "barrier", epoch: 0 });
  sender.push([[own, 5], [own, 50]]);
  return saidTo(0, out.take(1));
}

Deno.test("ShuffleOut tells a shard how far the source is before items that may be late", () => {
  const newest = (time: number) => ({ kind: "newest", source: "p", origin: ORIGIN, tick: 1, time });
  // 20 is not older than 30 by more than 10. The second 20 is, at 40, as are 21 and 29 after it.
  const reaching = { ...from(1), reaches: 40 }; // with an infinite drift, it is said once
  const epoch = [reaching, 1, newest(30), 2, newest(40), 4, newest(40)];
  assertEquals(toldOfOld(10), ["record", ...epoch, "record", reaching, 2]);
  // Where items may overtake one another, only the end of the epoch counts.
  const told = ["record", reaching, 7, newest(40), "record", reaching, 2];
  assertEquals(toldOfOld(Infinity), told);
});

Deno.test("ShuffleOut says before items how far they reach, eight times in a drift at most", () => {
  const timeOf = (value: unknown) => value as number;
  const time = new SentTime(0, { timeOf, waitMs: 0, driftMs: 80, fail, steps: new Set() });
  const out = sending();
  const sender = out.sender(0, { route: "key", fail, epoch: 0, time });
  sender.push(from(1));
  for (const time of [200, 205, 210, 211, 225]) { // a frame each
    sender.push(Array.from({ length: 256 }, () => [KEY_OF[0], time]));
  }
  const reaching = (reaches: number) => ({ ...from(1), reaches });
  const told = [reaching(200), 256, 256, 256, reaching(211), 256, reaching(225), 256];
  assertEquals(saidTo(0, out.take(0)), ["record", ...told]);
});

Deno.test("ShuffleOut sends in pieces what takes a source far ahead, of 256 items at least", () => {
  const pieces = (gapMs: number, driftMs: number, batch: number) => {
    const timeOf = (value: unknown) => value as number;
    const time = new SentTime(0, { timeOf, waitMs: 0, driftMs, fail, steps: new Set() });
    const out = sending();
    const sender = out.sender(0, { route: "key", fail, epoch: 0, time });
    sender.push(from(1));
    const items = Array.from({ length: 1_600 }, (_, i) => [KEY_OF[i % SHARDS], i * gapMs]);
    sender.push(items.slice(0, 1_000));
    out.take(0);
    for (let i = 1_000; i < items.length; i += batch) sender.push(items.slice(i, i + batch));
    return saidTo(0, out.take(0)).filter((each) => typeof each === "number");
  };
  for (const batch of [600, 30]) {
    assertEquals(pieces(1, 600, batch), [150]);
    assertEquals(pieces(2, 599, batch), [75, 75]);
    assertEquals(pieces(50, Infinity, batch), [150]);
  }
  assertEquals(pieces(50, 100, 600), [64, 64, 22]);
});

Deno.test("ShuffleOut tells all shards of the first tick of an input before its items", () => {
  const out = sending();
  const time = new SentTime(0, null);
  const sender = out.sender(0, { route: "key", fail, epoch: 0, time });
  sender.push(tick(1));
  sender.push(from(1));
  sender.push([[KEY_OF[0], 1]]);
  sender.push(tick(2));
  sender.push({ kind: "barrier", epoch: 0 });
  const batches = out.take(0);
  assertEquals(saidTo(0, batches), ["record", tick(1), from(1), 1, tick(2)]);
  assertEquals(saidTo(1, batches), ["record", tick(1), tick(2)]);
});

Deno.test("ShuffleOut sends the last tick of an origin in an epoch, and no others", () => {
  const out = sending();
  const time = new SentTime(0, null);
  const sender = out.sender(0, { route: "spread", fail, epoch: 0, time });
  sender.push(tick(2));
  sender.push(tick(3));
  sender.push({ kind: "end", stopped: true });
  assertEquals(saidTo(0, out.take(0)), ["record", tick(3)]);
});

Deno.test("ShuffleOut says in each record where its first items come from", () => {
  const out = sending();
  const time = new SentTime(0, null);
  const sender = out.sender(0, { route: "key", fail, epoch: 0, time });
  sender.push(from(1));
  for (let n = 0; n < 3; n++) sender.push([["k", new Uint8Array(300 << 10)]]);
  const [{ shard }] = out.take(-1).concat(out.take(0));
  sender.push([["k", 1]]);
  assertEquals(saidTo(shard, out.take(0)), ["record", from(1), 1]);
});

Deno.test("SentTime shows the value whose time cannot be told", () => {
  const timeOf = () => {
    throw new TypeError("no time");
  };
  const time = new SentTime(0, { timeOf, waitMs: 5, driftMs: Infinity, fail, steps: new Set() });
  time.onControl(from(1));
  assertThrows(() => time.onBatch([["k", 1]], 0), Error, '["k",1]: no time');
});

Deno.test("SentTime does not ask for the time of a window step's results", () => {
  const timeOf = () => {
    throw new TypeError("no time");
  };
  const time = new SentTime(0, {
    timeOf,
    waitMs: 5,
    driftMs: Infinity,
    fail,
    steps: new Set([ORIGIN]),
  });
  time.onControl(from(1));
  time.onBatch([["k", 1]], 0);
  assertEquals(time.take(), []);
});

Deno.test("ShuffleTask tells where items come from, and holds ticks until all tasks have brought them", () => {
  const time = (message: TimeControl) => encodeFrame({ kind: "time", exchange: 0, message });
  const other = taskId("in", 0);
  const records = [
    encodeShuffleBatch(TASK, [time(from(1)), frame(0, 1), time(tick(2))]),
    encodeShuffleBatch(other, [time(from(0)), frame(0, 2), time(tick(2))]),
    encodeShuffleBatch(TASK, [time(from(1)), frame(0, 3)]),
  ];
  const times = new Map([[0, new MergedTime(4, (channel) => channel === 0 || channel === 3)]]);
  const { task, channels } = receiving(records, roomyChannel, times);
  runAll(task);
  assertEquals(said(channels.get(0)!), [from(1), [1], from(0), [2], tick(2), from(1), [3]]);
});

function said(channel: Channel): unknown[] {
  const all: unknown[] = [];
  for (let message; (message = channel.take()) !== undefined;) all.push(message);
  return all;
}
