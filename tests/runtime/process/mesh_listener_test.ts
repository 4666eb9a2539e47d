import { assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { silentLog } from "../../../src/core/log.ts";
import { challenge, createKey, introduce } from "../../../src/runtime/process/handshake.ts";
import { MESH_VERSION, MeshListener } from "../../../src/runtime/process/mesh_listener.ts";
import {
  connectTo,
  listen,
  makeFolder,
  removeFolder,
  type RunFolder,
  type SocketAddress,
} from "../../../src/runtime/process/socket_folder.ts";
import { idle } from "../../support/eventually.ts";
import { refuseWarning } from "../../support/refuse_warning.ts";

type Conns = ReadonlyMap<number, Deno.Conn>;

/** What a worker says of itself, and of the one that it means to reach. */
interface Who {
  readonly key: string;
  readonly version: number;
  readonly listener: number;
  readonly worker: number;
}

/** The listeners of a run in a folder of its own. All is closed after the test. */
class Run implements AsyncDisposable {
  readonly key = createKey();
  readonly listeners: MeshListener[];
  readonly addresses: SocketAddress[];
  readonly folder: RunFolder;
  readonly #conns: Deno.Conn[] = [];

  private constructor(folder: RunFolder, workers: number) {
    this.folder = folder;
    this.listeners = Array.from({ length: workers }, (_, i) => MeshListener.open(folder, i));
    this.addresses = this.listeners.map(({ address }) => address);
  }

  static of(workers: number): Run {
    return new Run(makeFolder(silentLog)!, workers);
  }

  /** A worker joins the others. */
  async join(worker: number, ms?: number): Promise<Conns> {
    const conns = await this.listeners[worker].join(this.addresses, this.key, ms);
    this.#conns.push(...conns.values());
    return conns;
  }

  /** All workers join, the last one first or the first one first. */
  async joinAll(order: "up" | "down" = "up"): Promise<Conns[]> {
    const workers = [...this.listeners.keys()];
    if (order === "down") workers.reverse();
    const joined = await Promise.all(workers.map((worker) => this.join(worker)));
    return order === "down" ? joined.reverse() : joined;
  }

  /** Somebody connects to a worker, and may say something. */
  async connect(worker: number, bytes: Uint8Array = new Uint8Array()): Promise<Deno.Conn> {
    const conn = await connectTo(this.addresses[worker]);
    this.#conns.push(conn);
    if (bytes.length > 0) await conn.write(bytes);
    return conn;
  }

  /** Somebody connects to a worker, and does what another worker does. */
  async introduce(to: number, who: Partial<Who> & { worker: number }): Promise<Deno.Conn> {
    const conn = await this.connect(to);
    const { key = this.key, version = MESH_VERSION, listener = to, worker } = who;
    await introduce(conn, key, { version, listener, worker });
    return conn;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const listener of this.listeners) listener.close();
    for (const conn of this.#conns) conn.close();
    await removeFolder(this.folder, refuseWarning);
  }
}

/** Whether the other end closes a connection after its random bytes or a proof only. */
async function isClosed(conn: Deno.Conn, most = 32): Promise<boolean> {
  let heard = 0;
  for (const buffer = new Uint8Array(100);;) {
    // What the other end has not read of ours makes this an error and no end, on some systems.
    const read = await conn.read(buffer).catch(() => null);
    if (read === null) return heard <= most;
    heard += read;
  }
}

/** Fails if a connection has been closed. `closed` is what {@linkcode isClosed} returned for it. */
async function assertOpen(closed: Promise<boolean>): Promise<void> {
  const state = await Promise.race([closed.then(() => "closed"), idle().then(() => "open")]);
  assertEquals(state, "open");
}

/** Has each worker tell each other one who they both are, and reads what it hears. */
async function assertMesh(joined: readonly Conns[]): Promise<void> {
  const ends = joined.flatMap((conns, worker) =>
    [...conns].map(([peer, conn]) => ({ worker, peer, conn }))
  );
  await Promise.all(ends.map(({ worker, peer, conn }) => conn.write(Uint8Array.of(worker, peer))));
  for (const { worker, peer, conn } of ends) {
    const heard = new Uint8Array(3);
    assertEquals([await conn.read(heard), ...heard], [2, peer, worker, 0]);
  }
}

for (const workers of [2, 3, 5]) {
  for (const order of ["up", "down"] as const) {
    Deno.test(`MeshListener joins all of ${workers} workers with all, in order ${order}`, async () => {
      await using run = Run.of(workers);
      const joined = await run.joinAll(order);
      for (const [worker, conns] of joined.entries()) {
        const others = [...run.listeners.keys()].filter((other) => other !== worker);
        assertEquals([...conns.keys()].sort(), others);
      }
      await assertMesh(joined);
    });
  }
}

Deno.test("MeshListener leaves what a worker says after its proof to the next reader", async () => {
  await using run = Run.of(2);
  const joining = run.join(0);
  const conn = await run.introduce(0, { worker: 1 });
  await conn.write(Uint8Array.of(1, 2, 3));
  const heard = new Uint8Array(4);
  assertEquals([await (await joining).get(1)!.read(heard), ...heard], [3, 1, 2, 3, 0]);
});

/** What a stranger may say to worker 1 of three, which waits for worker 2. */
const STRANGERS: Record<string, (key: string) => Uint8Array | Partial<Who> & { worker: number }> = {
  "has a wrong key": () => ({ key: "0".repeat(64), worker: 2 }),
  "has a key that is wrong at its end": (key) => {
    return { key: key.replace(/.$/, (digit) => digit === "0" ? "1" : "0"), worker: 2 };
  },
  "speaks another version": () => ({ version: MESH_VERSION + 1, worker: 2 }),
  "means to reach another worker": () => ({ listener: 0, worker: 2 }),
  "has another magic": () => new TextEncoder().encode("MRY\x01".padEnd(70)),
  "speaks HTTP": () =>
    new TextEncoder().encode(`GET / HTTP/1.1\r\nhost: localhost\r\n${" ".repeat(99)}`),
  "says that it is the worker itself": () => ({ worker: 1 }),
  "has an index that connects to nobody": () => ({ worker: 0 }),
  "has an index that is too high": () => ({ worker: 3 }),
  "has an index whose low byte is right": () => ({ worker: 256 + 2 }),
};

for (const [does, say] of Object.entries(STRANGERS)) {
  Deno.test(`MeshListener turns away who ${does}, and goes on waiting`, async () => {
    await using run = Run.of(3);
    const early = [run.join(0), run.join(1)];
    const said = say(run.key);
    const stranger = said instanceof Uint8Array
      ? await run.connect(1, said)
      : await run.introduce(1, said);
    assertEquals(await isClosed(stranger), true);
    await assertMesh(await Promise.all([...early, run.join(2)]));
  });
}

/** What a worker says, cut off; the random bytes do not matter. */
function cutOff(bytes: number): Uint8Array {
  return Uint8Array.of(0x4d, 0x52, 0x58, MESH_VERSION, 0, 1, ...new Uint8Array(64)).subarray(
    0,
    bytes,
  );
}

for (const bytes of [0, 1, 4, 69]) {
  Deno.test(`MeshListener is not held up by who says ${bytes} bytes of its claim, and hangs up when done`, async () => {
    await using run = Run.of(2);
    const joining = run.join(0);
    const silent = await run.connect(0, cutOff(bytes));
    await assertMesh(await Promise.all([joining, run.join(1)]));
    assertEquals(await isClosed(silent), true);
  });
}

Deno.test("MeshListener bears who leaves in the middle of a claim", async () => {
  await using run = Run.of(2);
  const joining = run.join(0);
  for (const bytes of [0, 20]) {
    const conn = await connectTo(run.addresses[0]);
    if (bytes > 0) await conn.write(cutOff(bytes));
    conn.close();
  }
  await assertMesh(await Promise.all([joining, run.join(1)]));
});

Deno.test("MeshListener accepts an index once, from the first that comes", async () => {
  await using run = Run.of(3);
  const joining = run.join(0);
  const first = await run.introduce(0, { worker: 1 });
  const second = await run.introduce(0, { worker: 1 });
  assertEquals(await isClosed(second), true);
  await run.introduce(0, { worker: 2 });
  await first.write(Uint8Array.of(5));
  const heard = new Uint8Array(1);
  await (await joining).get(1)!.read(heard);
  assertEquals(heard[0], 5);
});

Deno.test("MeshListener names the workers that never came, and lets those go that did once closed", async () => {
  await using run = Run.of(4);
  const joining = assertRejects(
    () => run.join(0, 50),
    Error,
    "worker 0 found no connection to worker 1, 3 within 0.05 s",
  );
  const came = await run.introduce(0, { worker: 2 });
  await joining;
  const closed = isClosed(came);
  await assertOpen(closed); // worker 2 must not take worker 0 for the cause
  run.listeners[0].close();
  assertEquals(await closed, true);
});

Deno.test("MeshListener fails when another worker does not listen, and lets the rest go once closed", async () => {
  await using run = Run.of(4);
  run.listeners[1].close();
  const joining = assertRejects(() => run.join(2), Error);
  const came = await run.introduce(2, { worker: 3 });
  const { message, cause } = await joining;
  assertEquals(
    message.startsWith("worker 2 cannot reach worker 1: it is not there"),
    true,
    message,
  );
  assertInstanceOf(cause, Deno.errors.NotFound);
  const closed = isClosed(came);
  await assertOpen(closed);
  run.listeners[2].close();
  assertEquals(await closed, true);
  await assertRejects(() => run.connect(2)); // nobody listens there any more
});

Deno.test("MeshListener that is closed takes nobody, and hangs up on who had come", async () => {
  await using run = Run.of(3);
  const joining = assertRejects(() => run.join(0, 50), Error, "found no connection to worker");
  const [came, silent] = [await run.introduce(0, { worker: 1 }), await run.connect(0)];
  const late = await run.introduce(0, { key: "0".repeat(64), worker: 1 });
  assertEquals(await isClosed(late), true); // so the others have been accepted
  run.listeners[0].close();
  run.listeners[0].close(); // twice is as good as once
  assertEquals([await isClosed(came), await isClosed(silent)], [true, true]);
  await assertRejects(() => run.connect(0));
  await joining;
});

Deno.test("MeshListener leaves its connections open when it is closed after all have joined", async () => {
  await using run = Run.of(3);
  const joined = await run.joinAll();
  for (const listener of run.listeners) listener.close();
  await assertMesh(joined);
});

/** What a stranger may do that listens in the place of worker 0. */
const IMPOSTORS: Record<string, (conn: Deno.Conn) => Promise<void>> = {
  "gives a wrong proof": async (conn) => {
    const claim = await challenge(conn, 0);
    await claim!.answer("0".repeat(64));
  },
  "sends the worker's own proof back": async (conn) => {
    await conn.write(new Uint8Array(32));
    const said = new Uint8Array(70);
    for (let at = 0; at < 70;) at += (await conn.read(said.subarray(at)))!;
    await conn.write(said.subarray(38));
  },
  "speaks first": (conn) => conn.write(new Uint8Array(64)).then(() => {}),
};

for (const [does, act] of Object.entries(IMPOSTORS)) {
  Deno.test(`MeshListener says nothing to who listens in a worker's place and ${does}`, async () => {
    await using run = Run.of(2);
    run.listeners[0].close();
    const { listener } = listen(run.folder, "worker-0");
    using _ = listener;
    const accepting = listener.accept();
    const joining = assertRejects(
      () => run.join(1),
      Error,
      "a process that is not of this run answers in place of worker 0; it has been told nothing",
    );
    using impostor = await accepting;
    await act(impostor);
    await joining;
    assertEquals(await isClosed(impostor, 70), true); // its claim at most
  });
}
