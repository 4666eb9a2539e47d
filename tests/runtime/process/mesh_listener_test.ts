import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { silentLog } from "../../../src/core/log.ts";
import { createToken } from "../../../src/runtime/process/hello.ts";
import { MeshListener } from "../../../src/runtime/process/mesh_listener.ts";
import {
  chooseFolder,
  connectTo,
  makeFolder,
  removeFolder,
  type SocketAddress,
} from "../../../src/runtime/process/socket_folder.ts";

type Conns = ReadonlyMap<number, Deno.Conn>;

/** The listeners of a run in a folder of its own. All is closed after the test. */
class Run implements AsyncDisposable {
  readonly token = createToken();
  readonly listeners: MeshListener[];
  readonly addresses: SocketAddress[];
  readonly #folder: string;
  readonly #conns: Deno.Conn[] = [];

  private constructor(folder: string, workers: number) {
    this.#folder = folder;
    this.listeners = Array.from({ length: workers }, (_, i) => MeshListener.open(folder, i));
    this.addresses = this.listeners.map(({ address }) => address);
  }

  static async of(workers: number): Promise<Run> {
    const folder = chooseFolder(silentLog)!;
    await makeFolder(folder);
    return new Run(folder, workers);
  }

  /** A worker joins the others. */
  async join(worker: number, ms?: number): Promise<Conns> {
    const conns = await this.listeners[worker].join(this.addresses, this.token, ms);
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

  async [Symbol.asyncDispose](): Promise<void> {
    for (const listener of this.listeners) listener.close();
    for (const conn of this.#conns) conn.close();
    await removeFolder(this.#folder);
  }
}

/** What a worker says first. */
function hello(token: string, index: number, magic = "MRX\x01"): Uint8Array {
  return Uint8Array.of(
    ...new TextEncoder().encode(magic),
    ...Uint8Array.fromHex(token),
    index >> 8,
    index & 255,
  );
}

/** Whether the other end has closed a connection. */
async function isClosed(conn: Deno.Conn): Promise<boolean> {
  // What the other end has not read of ours makes this an error and no end, on some systems.
  return await conn.read(new Uint8Array(1)).catch(() => null) === null;
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
      await using run = await Run.of(workers);
      const joined = await run.joinAll(order);
      for (const [worker, conns] of joined.entries()) {
        const others = [...run.listeners.keys()].filter((other) => other !== worker);
        assertEquals([...conns.keys()].sort(), others);
      }
      await assertMesh(joined);
    });
  }
}

Deno.test("MeshListener knows a worker whose hello comes byte by byte", async () => {
  await using run = await Run.of(2);
  const joining = run.join(0);
  const conn = await run.connect(0);
  for (const byte of hello(run.token, 1)) await conn.write(Uint8Array.of(byte));
  assertEquals([...(await joining).keys()], [1]);
});

Deno.test("MeshListener leaves what a worker says behind its hello to whoever reads next", async () => {
  await using run = await Run.of(2);
  const joining = run.join(0);
  await run.connect(0, Uint8Array.of(...hello(run.token, 1), 1, 2, 3));
  const heard = new Uint8Array(4);
  assertEquals([await (await joining).get(1)!.read(heard), ...heard], [3, 1, 2, 3, 0]);
});

Deno.test("MeshListener makes another token for each run, too long to be guessed", () => {
  const tokens = Array.from({ length: 3 }, createToken);
  assertEquals(new Set(tokens).size, 3);
  for (const token of tokens) assertMatch(token, /^[0-9a-f]{64}$/);
});

/** What a stranger may say to worker 1 of three, which waits for worker 2. */
const STRANGERS: Record<string, (token: string) => Uint8Array> = {
  "shows a wrong token": () => hello("0".repeat(64), 2),
  "shows a token that is wrong at its end": (token) => {
    return hello(token.replace(/.$/, (digit) => digit === "0" ? "1" : "0"), 2);
  },
  "speaks another version": (token) => hello(token, 2, "MRX\x02"),
  "has another magic": (token) => hello(token, 2, "MRY\x01"),
  "speaks HTTP": () =>
    new TextEncoder().encode(`GET / HTTP/1.1\r\nhost: localhost\r\n${" ".repeat(99)}`),
  "says that it is the worker itself": (token) => hello(token, 1),
  "has an index that connects to nobody": (token) => hello(token, 0),
  "has an index that is too high": (token) => hello(token, 3),
  "has an index whose low byte is right": (token) => hello(token, 256 + 2),
};

for (const [does, say] of Object.entries(STRANGERS)) {
  Deno.test(`MeshListener turns away who ${does}, and goes on waiting`, async () => {
    await using run = await Run.of(3);
    const early = [run.join(0), run.join(1)];
    const stranger = await run.connect(1, say(run.token));
    assertEquals(await isClosed(stranger), true);
    await assertMesh(await Promise.all([...early, run.join(2)]));
  });
}

for (const bytes of [0, 1, 4, 37]) {
  Deno.test(`MeshListener is not held up by who says ${bytes} bytes of a hello, and hangs up when done`, async () => {
    await using run = await Run.of(2);
    const joining = run.join(0);
    const silent = await run.connect(0, hello(run.token, 1).subarray(0, bytes));
    await assertMesh(await Promise.all([joining, run.join(1)]));
    assertEquals(await isClosed(silent), true);
  });
}

Deno.test("MeshListener bears who leaves in the middle of a hello", async () => {
  await using run = await Run.of(2);
  const joining = run.join(0);
  for (const bytes of [0, 20]) {
    const conn = await connectTo(run.addresses[0]);
    if (bytes > 0) await conn.write(hello(run.token, 1).subarray(0, bytes));
    conn.close();
  }
  await assertMesh(await Promise.all([joining, run.join(1)]));
});

Deno.test("MeshListener takes an index once, from whoever comes first", async () => {
  await using run = await Run.of(3);
  const joining = run.join(0);
  const first = await run.connect(0, hello(run.token, 1));
  const second = await run.connect(0, hello(run.token, 1));
  assertEquals(await isClosed(second), true);
  await run.connect(0, hello(run.token, 2));
  await first.write(Uint8Array.of(5));
  const heard = new Uint8Array(1);
  await (await joining).get(1)!.read(heard);
  assertEquals(heard[0], 5);
});

Deno.test("MeshListener names the workers that never came, and lets those go that did", async () => {
  await using run = await Run.of(4);
  const joining = assertRejects(
    () => run.join(0, 50),
    Error,
    "worker 0 found no connection to worker 1, 3 within 0.05 s",
  );
  const came = await run.connect(0, hello(run.token, 2));
  await joining;
  assertEquals(await isClosed(came), true);
});

Deno.test("MeshListener fails when another worker does not listen, and lets the rest go", async () => {
  await using run = await Run.of(4);
  run.listeners[1].close();
  const came = await run.connect(2, hello(run.token, 3));
  await assertRejects(() => run.join(2), Deno.errors.NotFound);
  assertEquals(await isClosed(came), true);
  await assertRejects(() => run.connect(2)); // nobody listens there any more
});

Deno.test("MeshListener that is closed takes nobody, and hangs up on who had come", async () => {
  await using run = await Run.of(3);
  const joining = assertRejects(() => run.join(0, 50), Error, "found no connection to worker");
  const [came, silent] = [await run.connect(0, hello(run.token, 1)), await run.connect(0)];
  const late = await run.connect(0, hello("0".repeat(64), 1));
  assertEquals(await isClosed(late), true); // so the others have been accepted
  run.listeners[0].close();
  run.listeners[0].close(); // twice is as good as once
  assertEquals([await isClosed(came), await isClosed(silent)], [true, true]);
  await assertRejects(() => run.connect(0));
  await joining;
});

Deno.test("MeshListener leaves its connections open when it is closed after all have joined", async () => {
  await using run = await Run.of(3);
  const joined = await run.joinAll();
  for (const listener of run.listeners) listener.close();
  await assertMesh(joined);
});
