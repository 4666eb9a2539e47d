import { assertEquals } from "@std/assert";
import { joinFrames } from "../../../src/runtime/exchange/frame_stream.ts";
import { LONGEST_FRAME } from "../../../src/runtime/exchange/frames.ts";
import { SocketTransport } from "../../../src/runtime/process/socket_transport.ts";
import { eventually, idle } from "../../support/eventually.ts";

/** A transport's only peer has this index. */
const PEER = 4;

/** A transport to one peer, with what it received. */
class End {
  readonly frames: Uint8Array[] = [];
  readonly lost: string[] = [];
  readonly transport: SocketTransport;

  constructor(conn: Deno.Conn) {
    this.transport = new SocketTransport(new Map([[PEER, conn]]), (peer, why) => {
      this.lost.push(`${peer}: ${why instanceof Error ? why.message : why}`);
    });
  }

  receive(): void {
    this.transport.receive((from, frame) => {
      assertEquals(from, PEER);
      this.frames.push(frame);
    });
  }

  /** Waits for `count` frames. */
  async has(count: number): Promise<void> {
    await eventually(() => this.frames.length >= count, `${count} frames have come`);
  }

  /** Waits for the peer to be reported as lost. */
  async isLost(): Promise<void> {
    await eventually(() => this.lost.length > 0, "the peer is lost");
  }
}

/** Both ends of a connection. */
async function connect(): Promise<[Deno.Conn, Deno.Conn]> {
  const folder = await Deno.makeTempDir();
  const address = { transport: "unix", path: `${folder}/socket` } as const;
  using listener = Deno.listen(address);
  const ends = await Promise.all([listener.accept(), Deno.connect(address)]);
  await Deno.remove(folder, { recursive: true });
  return ends;
}

/** Two transports that are each other's peers, and are closed after the test. */
async function pair(): Promise<Disposable & { left: End; right: End }> {
  const [left, right] = (await connect()).map((conn) => new End(conn));
  const close = () => [left, right].forEach(({ transport }) => transport.close());
  return { left, right, [Symbol.dispose]: close };
}

/** A transport whose peer is a bare connection. */
async function byHand(): Promise<Disposable & { end: End; hand: Deno.Conn }> {
  const [hand, conn] = await connect();
  const end = new End(conn);
  const close = () => {
    end.transport.close();
    try {
      hand.close();
    } catch (error) {
      if (!(error instanceof Deno.errors.BadResource)) throw error; // else the test has closed it
    }
  };
  return { end, hand, [Symbol.dispose]: close };
}

/** A frame whose bytes follow from its number, so that no two are alike. */
function frameOf(number: number, bytes: number): Uint8Array {
  const frame = new Uint8Array(bytes);
  for (let i = 0; i < bytes; i++) frame[i] = (number * 131 + i * 7 + (i >> 8)) & 255;
  return frame;
}

/** Compares large frames without a diff of megabytes. */
function assertFrames(actual: readonly Uint8Array[], expected: readonly Uint8Array[]): void {
  assertEquals(actual.map(({ length }) => length), expected.map(({ length }) => length));
  const wrong = expected.findIndex((frame, i) => frame.some((byte, at) => actual[i][at] !== byte));
  assertEquals(wrong, -1, `frame ${wrong} is another`);
}

async function writeAll(conn: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let rest = bytes; rest.length > 0;) rest = rest.subarray(await conn.write(rest));
}

/** What comes before a frame. */
function lengthOf(bytes: number): Uint8Array {
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, bytes);
  return length;
}

Deno.test("SocketTransport hands frames of all sizes over whole and in order, both ways", async () => {
  using ends = await pair();
  const { left, right } = ends;
  const sizes = [1, 2, 3, 255, 256, 65_535, 65_536, 262_144, 1 << 20, (1 << 20) + 1, 5 << 20, 1];
  const frames = sizes.map((bytes, i) => frameOf(i, bytes));
  const back = frames.map((frame) => frame.map((byte) => byte ^ 255)).reverse();
  for (const end of [left, right]) end.receive();
  for (const [i, frame] of frames.entries()) {
    left.transport.send(PEER, frame);
    right.transport.send(PEER, back[i]);
    left.transport.flush();
    right.transport.flush();
  }
  await Promise.all([left.has(frames.length), right.has(frames.length)]);
  assertFrames(right.frames, frames);
  assertFrames(left.frames, back);
  assertEquals([left.lost, right.lost], [[], []]);
});

Deno.test("SocketTransport hands over many small frames at once, more than one write takes", async () => {
  using ends = await pair();
  const { left, right } = ends;
  const frames = Array.from({ length: 20_000 }, (_, i) => frameOf(i, 1 + i % 300));
  right.receive();
  for (const frame of frames) left.transport.send(PEER, frame);
  left.transport.flush(); // once for all of them
  await right.has(frames.length);
  assertFrames(right.frames, frames);
});

Deno.test("SocketTransport keeps what comes before anybody takes it", async () => {
  using ends = await pair();
  const { left, right } = ends;
  left.transport.send(PEER, frameOf(1, 1_000));
  left.transport.flush();
  await idle();
  right.receive();
  await right.has(1);
  assertFrames(right.frames, [frameOf(1, 1_000)]);
});

Deno.test("SocketTransport sends nothing before it is flushed", async () => {
  using ends = await pair();
  const { left, right } = ends;
  right.receive();
  left.transport.send(PEER, frameOf(1, 10));
  await idle();
  assertEquals(right.frames, []);
  left.transport.flush();
  await right.has(1);
});

Deno.test("SocketTransport reaches each of its peers by its index", async () => {
  const [[ours, theirs], [ours2, theirs2]] = [await connect(), await connect()];
  const peers = [new End(theirs), new End(theirs2)];
  const hub = new SocketTransport(new Map([[7, ours], [2, ours2]]), () => {});
  const came: [number, number][] = [];
  hub.receive((from, frame) => came.push([from, frame[0]]));
  for (const [i, peer] of peers.entries()) {
    peer.receive();
    peer.transport.send(PEER, Uint8Array.of(10 + i));
    peer.transport.flush();
  }
  hub.send(2, Uint8Array.of(2));
  hub.send(7, Uint8Array.of(7));
  hub.flush();
  await Promise.all(peers.map((peer) => peer.has(1)));
  await eventually(() => came.length === 2, "both have been heard");
  assertEquals(peers.map(({ frames }) => frames[0][0]), [7, 2]);
  assertEquals(new Map(came), new Map([[7, 10], [2, 11]]));
  for (const transport of [hub, ...peers.map(({ transport }) => transport)]) transport.close();
});

Deno.test("SocketTransport writes what is sent at the very moment when a write ends", async () => {
  // The loop of a worker may run between any two of the microtasks that follow a write.
  for (let hops = 0; hops < 12; hops++) {
    const written: Uint8Array[] = [];
    let finish = (): void => {};
    const conn = {
      write: (bytes: Uint8Array) => {
        written.push(bytes);
        return new Promise<number>((resolve) => finish = () => resolve(bytes.length));
      },
      close() {},
    };
    const transport = new SocketTransport(
      new Map([[PEER, conn as unknown as Deno.Conn]]),
      () => {},
    );
    transport.send(PEER, Uint8Array.of(1));
    transport.flush();
    finish();
    for (let hop = 0; hop < hops; hop++) await Promise.resolve();
    transport.send(PEER, Uint8Array.of(2));
    transport.flush();
    await idle(1);
    assertEquals(written.length, 2, `the second frame stays behind after ${hops} microtasks`);
    transport.close();
  }
});

Deno.test("SocketTransport reports a peer that closes, once, after all that it sent", async () => {
  using ends = await pair();
  const { left, right } = ends;
  right.receive();
  left.transport.send(PEER, frameOf(1, 100_000));
  left.transport.flush();
  await right.has(1);
  left.transport.close();
  await right.isLost();
  right.transport.send(PEER, frameOf(2, 10)); // nobody reads it, and it does not fail
  right.transport.flush();
  await idle();
  assertEquals(right.lost, [`${PEER}: the connection was closed`]);
  assertEquals(left.lost, []);
});

Deno.test("SocketTransport reports a peer that has gone when it writes to it", async () => {
  using peer = await byHand();
  const { end, hand } = peer;
  hand.close();
  end.transport.send(PEER, frameOf(1, 10)); // nobody reads, so only the write can tell
  end.transport.flush();
  await end.isLost();
  await idle();
  assertEquals(end.lost.length, 1);
});

Deno.test("SocketTransport reports nobody once it has been closed itself", async () => {
  using ends = await pair();
  const { left, right } = ends;
  for (const end of [left, right]) end.receive();
  left.transport.send(PEER, frameOf(1, 10));
  left.transport.flush();
  left.transport.close();
  left.transport.close(); // twice is as good as once
  await right.isLost();
  await idle();
  assertEquals(left.lost, []);
});

Deno.test("SocketTransport takes frames whose bytes come in odd pieces", async () => {
  using peer = await byHand();
  const { end, hand } = peer;
  end.receive();
  const frames = [frameOf(1, 1), frameOf(2, 300), frameOf(3, 70_000), frameOf(4, 2)];
  const bytes = joinFrames(frames);
  // Each prime number of bytes is on its own: lengths and frames are cut within.
  for (let at = 0, piece = 0; at < bytes.length; piece++) {
    const size = [1, 2, 3, 1, 7, 101, 9_973][piece % 7];
    await writeAll(hand, bytes.subarray(at, at + size));
    await idle(1);
    at += size;
  }
  await end.has(frames.length);
  assertFrames(end.frames, frames);
  assertEquals(end.lost, []);
});

for (const claim of [0, LONGEST_FRAME + 1, 0xffff_ffff]) {
  Deno.test(`SocketTransport gives up a peer whose frame claims to have ${claim} bytes`, async () => {
    using peer = await byHand();
    const { end, hand } = peer;
    end.receive();
    await writeAll(hand, joinFrames([frameOf(1, 5)]));
    await writeAll(hand, lengthOf(claim));
    await end.isLost();
    assertFrames(end.frames, [frameOf(1, 5)]);
    assertEquals(end.lost, [`${PEER}: a frame of ${claim} bytes is not one of ours`]);
    assertEquals(await hand.read(new Uint8Array(1)), null); // it has hung up
  });
}

Deno.test("SocketTransport hands over no frame whose end is missing", async () => {
  using peer = await byHand();
  const { end, hand } = peer;
  end.receive();
  await writeAll(hand, lengthOf(10));
  await writeAll(hand, frameOf(1, 9));
  hand.close();
  await end.isLost();
  assertEquals([end.frames, end.lost], [[], [`${PEER}: the connection was closed`]]);
});
