import { assert, assertEquals } from "@std/assert";
import { encodeFrame, type Frame } from "../../../src/runtime/exchange/frames.ts";
import { Mesh } from "../../../src/runtime/exchange/mesh.ts";
import type { Transport } from "../../../src/runtime/exchange/transport.ts";
import { BatchEncoder } from "../../../src/core/value_codec.ts";

/** A transport that notes what is sent, and lets a test deliver. */
class HandTransport implements Transport {
  readonly sent: [to: number, frame: Uint8Array][] = [];
  deliver: (from: number, frame: Uint8Array) => void = () => {};
  send = (to: number, frame: Uint8Array): void => void this.sent.push([to, frame]);
  receive = (take: (from: number, frame: Uint8Array) => void): void => void (this.deliver = take);
  flush(): void {}
  close(): void {}
}

function encoded(...items: unknown[]): Uint8Array {
  const encoder = new BatchEncoder();
  for (const item of items) encoder.write(item);
  return encoder.take();
}

function batch(exchange: number, ...items: unknown[]): Uint8Array {
  const frame: Frame = { kind: "batch", exchange, count: items.length, items: encoded(...items) };
  return encodeFrame(frame);
}

function started(mesh: Mesh): { errors: unknown[] } {
  const errors: unknown[] = [];
  mesh.start({ wake() {}, fail: (error) => void errors.push(error) });
  return { errors };
}

/** Credit of the peer for batches of exchange 7. */
function credit(batches: number, emptied = false): Uint8Array {
  return encodeFrame({ kind: "credit", exchange: 7, batches, emptied });
}

Deno.test("a sender has room within its window, in items and in bytes, and more after credit", () => {
  const transport = new HandTransport();
  const mesh = new Mesh(transport, { items: 6, bytes: 100, first: 6 });
  const sender = mesh.sender(7, 1);
  started(mesh);
  assertEquals(sender.room, 6);
  sender.batch(2, new Uint8Array(10));
  assertEquals(sender.room, 4);
  sender.batch(2, new Uint8Array(10));
  assertEquals(sender.room, 0);
  transport.deliver(1, credit(1));
  assertEquals(sender.room, 4);
  sender.batch(1, new Uint8Array(200));
  assertEquals(sender.room, 0);
  transport.deliver(1, credit(2));
  assertEquals(sender.room, 1); // one as large as the last may always come into an empty window
});

Deno.test("a window grows while the peer empties it though the sender had more", () => {
  const transport = new HandTransport();
  const mesh = new Mesh(transport, { items: 6, bytes: 100 });
  const sender = mesh.sender(7, 1);
  started(mesh);
  const rooms = [sender.room];
  for (let round = 0; round < 4; round++) {
    const items = sender.room;
    sender.offered(items);
    sender.batch(items, new Uint8Array(items));
    transport.deliver(1, credit(1, true));
    rooms.push(sender.room);
  }
  assertEquals(rooms, [1, 2, 4, 6, 6]);
});

Deno.test("a window lasts for a turn of a fast peer, though batches are not split", () => {
  const transport = new HandTransport();
  const mesh = new Mesh(transport);
  const sender = mesh.sender(7, 1);
  started(mesh);
  let batches = 0;
  for (let turn = 0; turn < 12; turn++) {
    for (batches = 0; sender.room > 0; batches++) {
      sender.offered(1_000); // the other half stays on this worker
      sender.batch(500, new Uint8Array(8_500));
    }
    transport.deliver(1, credit(batches, true));
  }
  assert(batches * 500 >= 16_384, `${batches * 500} items are on their way at most`);
});

Deno.test("a receiver gives credit for what has been taken, not for what has come", () => {
  const transport = new HandTransport();
  const mesh = new Mesh(transport);
  const receiver = mesh.receiver(2, 1);
  started(mesh);
  transport.deliver(1, batch(2, "a", ["b", 1]));
  transport.deliver(1, batch(2, "c"));
  transport.deliver(1, encodeFrame({ kind: "barrier", exchange: 2, epoch: 5 }));
  mesh.flush();
  assertEquals(transport.sent, []);
  assertEquals(receiver.take(), ["a", ["b", 1]]);
  assertEquals(receiver.take(), ["c"]);
  assertEquals((receiver.take() as { kind: string }).kind, "barrier");
  assertEquals(receiver.take(), undefined);
  mesh.flush();
  mesh.flush();
  assertEquals(transport.sent, [[
    1,
    encodeFrame({ kind: "credit", exchange: 2, batches: 2, emptied: true }),
  ]]);
});

Deno.test("channels of several exchanges and peers do not mix", () => {
  const transport = new HandTransport();
  const mesh = new Mesh(transport);
  const names = [[0, 1], [0, 2], [1, 1]] as const;
  const receivers = names.map(([exchange, from]) => mesh.receiver(exchange, from));
  started(mesh);
  for (const [exchange, from] of names) transport.deliver(from, batch(exchange, exchange, from));
  assertEquals(receivers.map((receiver) => receiver.take()), [[0, 1], [0, 2], [1, 1]]);
});

Deno.test("a frame for an exchange that is not there, or that cannot be read, fails the run", () => {
  const transport = new HandTransport();
  const { errors } = started(new Mesh(transport));
  transport.deliver(3, batch(9, 1));
  transport.deliver(3, new Uint8Array([77]));
  assertEquals(errors.map(String), [
    "Error: worker 3 sent to exchange 9, which is not there",
    "Error: a frame from another worker cannot be read",
  ]);
});

Deno.test("a sender says nothing of activity twice, and barriers change nothing of that", () => {
  const transport = new HandTransport();
  const sender = new Mesh(transport).sender(7, 1);
  const idle = { kind: "idle" } as const;
  const barrier = { kind: "barrier", epoch: 3 } as const;
  for (const message of [idle, idle, barrier, idle]) sender.control(message);
  sender.batch(1, encoded("item"));
  sender.control(idle);
  const frames = [{ ...idle, exchange: 7 }, { ...barrier, exchange: 7 }].map(encodeFrame);
  assertEquals(transport.sent.map(([, frame]) => frame), [
    ...frames,
    batch(7, "item"),
    frames[0],
  ]);
});
