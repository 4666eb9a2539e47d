import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { silentLog } from "../../../src/core/log.ts";
import { createToken, sendHello } from "../../../src/runtime/process/hello.ts";
import { ControlListener } from "../../../src/runtime/process/listener.ts";
import { PROTOCOL_VERSION } from "../../../src/runtime/process/protocol.ts";
import {
  chooseFolder,
  connectTo,
  makeFolder,
  removeFolder,
} from "../../../src/runtime/process/socket_folder.ts";

/** A listener that notes who comes. Everything is closed after the test. */
class Reception implements AsyncDisposable {
  readonly listener: ControlListener;
  readonly arrived: number[] = [];
  readonly errors: unknown[] = [];
  readonly #folder: string;
  readonly #links: { close(): void }[] = [];
  #change = Promise.withResolvers<void>();

  private constructor(folder: string, listener: ControlListener) {
    this.#folder = folder;
    this.listener = listener;
  }

  /** A listener, and the tokens of so many workers. */
  static async open(workers: number): Promise<[Reception, tokens: string[]]> {
    const folder = chooseFolder(silentLog)!;
    await makeFolder(folder);
    const tokens = Array.from({ length: workers }, createToken);
    const reception = new Reception(folder, new ControlListener(folder, tokens));
    reception.listener.accept((worker, link) => {
      reception.#links.push(link);
      reception.arrived.push(worker);
      reception.#changed();
    }, (error) => {
      reception.errors.push(error);
      reception.#changed();
    });
    return [reception, tokens];
  }

  /** Connects, and sends something, or shows a token. */
  async connect(said: Uint8Array | { token: string; version?: number }): Promise<Deno.Conn> {
    const conn = await connectTo(this.listener.address);
    this.#links.push({ close: () => closeOnce(conn) });
    if (said instanceof Uint8Array) await conn.write(said);
    else await sendHello(conn, { version: PROTOCOL_VERSION, worker: 0, ...said });
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
    await removeFolder(this.#folder);
  }
}

function closeOnce(conn: Deno.Conn): void {
  try {
    conn.close();
  } catch (error) {
    if (!(error instanceof Deno.errors.BadResource)) throw error; // else it is closed already
  }
}

/** Whether the other end hangs up without a word. */
async function isTurnedAway(conn: Deno.Conn): Promise<boolean> {
  return await conn.read(new Uint8Array(1)).catch(() => null) === null;
}

Deno.test("ControlListener makes another token for each worker, too long to be guessed", async () => {
  const [reception, tokens] = await Reception.open(3);
  await using _ = reception;
  assertEquals(new Set(tokens).size, 3);
  for (const token of tokens) assertMatch(token, /^[0-9a-f]{64}$/);
});

Deno.test("ControlListener knows workers by their tokens, whichever comes first", async () => {
  const [reception, tokens] = await Reception.open(2);
  await using _ = reception;
  await Promise.all([reception.next(), reception.connect({ token: tokens[1] })]);
  await Promise.all([reception.next(), reception.connect({ token: tokens[0] })]);
  assertEquals([reception.arrived, reception.errors], [[1, 0], []]);
});

/** What a stranger may do. Each is turned away. */
const STRANGERS: Record<string, Uint8Array | { token: string }> = {
  "shows a wrong token": { token: "0".repeat(64) },
  "says something else": new TextEncoder().encode("GET / HTTP/1.1\r\nHost: localhost:8080\r\n\r\n"),
  "sends garbage": new Uint8Array(38).fill(0xff),
  "sends a lot of it": new Uint8Array(1 << 16),
};

for (const [does, said] of Object.entries(STRANGERS)) {
  Deno.test(`ControlListener turns away who ${does}, and goes on waiting for the worker`, async () => {
    const [reception, [token]] = await Reception.open(1);
    await using _ = reception;
    assertEquals(await isTurnedAway(await reception.connect(said)), true);
    assertEquals([reception.arrived, reception.errors], [[], []]);
    await Promise.all([reception.next(), reception.connect({ token })]);
    assertEquals([reception.arrived, reception.errors], [[0], []]);
  });
}

Deno.test("ControlListener turns away who hangs up in the middle of the token", async () => {
  const [reception, [token]] = await Reception.open(1);
  await using _ = reception;
  const stranger = await reception.connect(new TextEncoder().encode("MRX"));
  stranger.close();
  await Promise.all([reception.next(), reception.connect({ token })]);
  assertEquals([reception.arrived, reception.errors], [[0], []]);
});

Deno.test("ControlListener takes a token once", async () => {
  const [reception, tokens] = await Reception.open(2);
  await using _ = reception;
  await Promise.all([reception.next(), reception.connect({ token: tokens[0] })]);
  const second = await reception.connect({ token: tokens[0] });
  assertEquals(await isTurnedAway(second), true);
  assertEquals([reception.arrived, reception.errors], [[0], []]);
});

Deno.test("ControlListener is not held up by who says nothing, and hangs up when it closes", async () => {
  const [reception, [token]] = await Reception.open(1);
  await using _ = reception;
  const silent = await reception.connect(new Uint8Array());
  await Promise.all([reception.next(), reception.connect({ token: token })]);
  assertEquals(reception.arrived, [0]);
  assertEquals(await isTurnedAway(silent), true);
});

Deno.test("ControlListener reports a worker of another version, and names both", async () => {
  const [reception, [token]] = await Reception.open(1);
  await using _ = reception;
  await Promise.all([reception.next(), reception.connect({ token, version: 99 })]);
  assertEquals(reception.arrived, []);
  assertMatch(
    String(reception.errors),
    new RegExp(
      `^Error: worker 0 speaks version 99 .* the coordinator version ${PROTOCOL_VERSION}:`,
    ),
  );
});

Deno.test("ControlListener that is closed takes nobody, and is no error", async () => {
  const [reception, [token]] = await Reception.open(1);
  await using _ = reception;
  reception.listener.close();
  reception.listener.close(); // twice is as good as once
  await assertRejects(() => reception.connect({ token: token }));
  assertEquals([reception.arrived, reception.errors], [[], []]);
});
