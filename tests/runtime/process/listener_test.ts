import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { silentLog } from "../../../src/core/log.ts";
import { COORDINATOR, createKey, introduce } from "../../../src/runtime/process/handshake.ts";
import { ControlListener } from "../../../src/runtime/process/listener.ts";
import { PROTOCOL_VERSION } from "../../../src/runtime/process/protocol.ts";
import {
  connectTo,
  makeFolder,
  removeFolder,
  type RunFolder,
} from "../../../src/runtime/process/socket_folder.ts";
import { refuseWarning } from "../../support/refuse_warning.ts";

/** A listener that notes who comes. Everything is closed after the test. */
class Reception implements AsyncDisposable {
  readonly listener: ControlListener;
  readonly arrived: number[] = [];
  readonly errors: unknown[] = [];
  readonly #folder: RunFolder;
  readonly #links: { close(): void }[] = [];
  #change = Promise.withResolvers<void>();

  private constructor(folder: RunFolder, listener: ControlListener) {
    this.#folder = folder;
    this.listener = listener;
  }

  /** A listener, and the keys of its workers. */
  static open(workers: number): [Reception, keys: string[]] {
    const folder = makeFolder(silentLog)!;
    const keys = Array.from({ length: workers }, createKey);
    const reception = new Reception(folder, new ControlListener(folder, keys));
    reception.listener.accept((worker, link) => {
      reception.#links.push(link);
      reception.arrived.push(worker);
      reception.#changed();
    }, (error) => {
      reception.errors.push(error);
      reception.#changed();
    });
    return [reception, keys];
  }

  /** Connects, and sends something or does what a worker does. */
  async connect(
    said: Uint8Array | { key: string; worker?: number; version?: number; listener?: number },
  ): Promise<Deno.Conn> {
    const conn = await connectTo(this.listener.address);
    this.#links.push({ close: () => closeOnce(conn) });
    if (said instanceof Uint8Array) await conn.write(said);
    else {
      const who = { version: PROTOCOL_VERSION, listener: COORDINATOR, worker: 0, ...said };
      await introduce(conn, said.key, who);
    }
    return conn;
  }

  /** Resolves when another worker has come, or an error. */
  async next(): Promise<void> {
    await this.#change.promise;
  }

  #changed(): void {
    this.#change.resolve();
    this.#change = Promise.withResolvers();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.listener.close();
    for (const link of this.#links) link.close();
    await removeFolder(this.#folder, refuseWarning);
  }
}

function closeOnce(conn: Deno.Conn): void {
  try {
    conn.close();
  } catch (error) {
    if (!(error instanceof Deno.errors.BadResource)) throw error; // else it is closed already
  }
}

/** Whether the other end hangs up, and has said nothing but its random bytes. */
async function isTurnedAway(conn: Deno.Conn): Promise<boolean> {
  let heard = 0;
  for (const buffer = new Uint8Array(100);;) {
    const read = await conn.read(buffer).catch(() => null);
    if (read === null) return heard <= 32; // fewer where a reset overtook them
    heard += read;
  }
}

Deno.test("ControlListener knows workers by their keys, whichever comes first", async () => {
  const [reception, keys] = Reception.open(2);
  await using _ = reception;
  await Promise.all([reception.next(), reception.connect({ key: keys[1], worker: 1 })]);
  await Promise.all([reception.next(), reception.connect({ key: keys[0] })]);
  assertEquals([reception.arrived, reception.errors], [[1, 0], []]);
});

/** What a stranger may do. Each is turned away. */
const STRANGERS: Record<string, Uint8Array | { key: string; worker?: number; listener?: number }> =
  {
    "has a wrong key": { key: "0".repeat(64) },
    "says that it is a worker that there is not": { key: "0".repeat(64), worker: 1 },
    "says something else": new TextEncoder().encode(
      "GET / HTTP/1.1\r\nHost: localhost:8080\r\n\r\n".padEnd(99),
    ),
    "sends garbage": new Uint8Array(70).fill(0xff),
    "sends a lot of it": new Uint8Array(1 << 16),
  };

for (const [does, said] of Object.entries(STRANGERS)) {
  Deno.test(`ControlListener turns away who ${does}, and goes on waiting for the worker`, async () => {
    const [reception, [key]] = Reception.open(1);
    await using _ = reception;
    assertEquals(await isTurnedAway(await reception.connect(said)), true);
    assertEquals([reception.arrived, reception.errors], [[], []]);
    await Promise.all([reception.next(), reception.connect({ key })]);
    assertEquals([reception.arrived, reception.errors], [[0], []]);
  });
}

Deno.test("ControlListener turns away who hangs up in the middle of its claim", async () => {
  const [reception, [key]] = Reception.open(1);
  await using _ = reception;
  const stranger = await reception.connect(new TextEncoder().encode("MRX"));
  stranger.close();
  await Promise.all([reception.next(), reception.connect({ key })]);
  assertEquals([reception.arrived, reception.errors], [[0], []]);
});

Deno.test("ControlListener takes a worker once", async () => {
  const [reception, keys] = Reception.open(2);
  await using _ = reception;
  await Promise.all([reception.next(), reception.connect({ key: keys[0] })]);
  const second = await reception.connect({ key: keys[0] });
  assertEquals(await isTurnedAway(second), true);
  assertEquals([reception.arrived, reception.errors], [[0], []]);
});

Deno.test("ControlListener takes a key for the worker that has it only, and for itself only", async () => {
  const [reception, keys] = Reception.open(2);
  await using _ = reception;
  for (const said of [{ key: keys[0], worker: 1 }, { key: keys[0], listener: 0 }]) {
    assertEquals(await isTurnedAway(await reception.connect(said)), true);
  }
  assertEquals([reception.arrived, reception.errors], [[], []]);
});

Deno.test("ControlListener is not held up by who says nothing, and hangs up when it closes", async () => {
  const [reception, [key]] = Reception.open(1);
  await using _ = reception;
  const silent = await reception.connect(new Uint8Array());
  await Promise.all([reception.next(), reception.connect({ key })]);
  assertEquals(reception.arrived, [0]);
  assertEquals(await isTurnedAway(silent), true);
});

Deno.test("ControlListener reports a worker of another version, and names both", async () => {
  const [reception, [key]] = Reception.open(1);
  await using _ = reception;
  await Promise.all([reception.next(), reception.connect({ key, version: 99 })]);
  assertEquals(reception.arrived, []);
  assertMatch(
    String(reception.errors),
    new RegExp(
      `^Error: worker 0 speaks version 99 .* the coordinator version ${PROTOCOL_VERSION}:`,
    ),
  );
});

Deno.test("ControlListener that is closed accepts nobody, without an error", async () => {
  const [reception, [key]] = Reception.open(1);
  await using _ = reception;
  reception.listener.close();
  reception.listener.close(); // twice is as good as once
  await assertRejects(() => reception.connect({ key }));
  assertEquals([reception.arrived, reception.errors], [[], []]);
});
