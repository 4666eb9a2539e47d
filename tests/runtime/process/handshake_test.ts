import { assertEquals, assertMatch, assertNotEquals, assertRejects } from "@std/assert";
import { challenge, createKey, introduce } from "../../../src/runtime/process/handshake.ts";

/** How long the claim and the proof of the connecting side are, in bytes. */
const CLAIM_BYTES = 70;

/** Both ends of a connection. */
class Pair implements Disposable {
  readonly #all: { close(): void }[];

  private constructor(readonly connector: Deno.Conn, readonly listener: Deno.Conn) {
    this.#all = [connector, listener];
  }

  static async open(): Promise<Pair> {
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = listener.addr;
    const ends = await Promise.all([Deno.connect({ port }), listener.accept()]);
    return new Pair(...ends);
  }

  [Symbol.dispose](): void {
    for (const conn of this.#all) {
      try {
        conn.close();
      } catch (error) {
        if (!(error instanceof Deno.errors.BadResource)) throw error; // a test has closed it
      }
    }
  }
}

async function read(conn: Deno.Conn, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length;) at += (await conn.read(bytes.subarray(at)))!;
  return bytes;
}

const WHO = { version: 3, listener: 7, worker: 258 };

Deno.test("createKey() makes another key each time, too long to be guessed", () => {
  const keys = [createKey(), createKey(), createKey()];
  assertEquals(new Set(keys).size, 3);
  for (const key of keys) assertMatch(key, /^[0-9a-f]{64}$/);
});

Deno.test("both sides of a handshake know each other, and say nothing more", async () => {
  using pair = await Pair.open();
  const key = createKey();
  const introduced = introduce(pair.connector, key, WHO);
  const claim = await challenge(pair.listener, 7);
  assertEquals([claim!.version, claim!.worker, await claim!.isProved(key)], [3, 258, true]);
  await claim!.answer(key);
  assertEquals(await introduced, true);
  await pair.listener.write(Uint8Array.of(1));
  await pair.connector.write(Uint8Array.of(2));
  assertEquals([await read(pair.connector, 1), await read(pair.listener, 1)], [
    Uint8Array.of(1),
    Uint8Array.of(2),
  ]);
});

Deno.test("a claim is not proved by another key, or for another listener", async () => {
  for (const [listener, isSameKey] of [[7, false], [6, true], [7 + 256, true]] as const) {
    using pair = await Pair.open();
    const key = createKey();
    const introduced = introduce(pair.connector, key, WHO);
    const claim = await challenge(pair.listener, listener);
    assertEquals(await claim!.isProved(isSameKey ? key : createKey()), false);
    pair.listener.close();
    assertEquals(await introduced, false); // nobody has proved anything to it
  }
});

Deno.test("no byte of a claim can be changed, nor of its proof", async () => {
  using first = await Pair.open();
  const key = createKey();
  const introduced = introduce(first.connector, key, WHO);
  const nonce = crypto.getRandomValues(new Uint8Array(32));
  await first.listener.write(nonce);
  const said = await read(first.listener, CLAIM_BYTES);
  first.listener.close();
  assertEquals(await introduced, false);
  // The same random bytes again, which a real listener never sends: else all would be refused.
  const { getRandomValues } = crypto;
  crypto.getRandomValues = ((into: Uint8Array) => {
    into.set(nonce);
    return into;
  }) as typeof crypto.getRandomValues;
  try {
    for (const changed of [-1, 3, 4, 5, 6, 37, 38, CLAIM_BYTES - 1]) {
      using pair = await Pair.open();
      const claiming = challenge(pair.listener, 7);
      const bytes = said.slice();
      if (changed >= 0) bytes[changed] ^= 1;
      await pair.connector.write(bytes);
      assertEquals(await (await claiming)!.isProved(key), changed === -1, `byte ${changed}`);
    }
  } finally {
    crypto.getRandomValues = getRandomValues;
  }
});

Deno.test("a claim that was heard once is worth nothing on another connection", async () => {
  using first = await Pair.open();
  const key = createKey();
  const introduced = introduce(first.connector, key, WHO);
  await first.listener.write(crypto.getRandomValues(new Uint8Array(32)));
  const heard = await read(first.listener, CLAIM_BYTES);
  first.listener.close();
  assertEquals(await introduced, false);
  using second = await Pair.open();
  const claiming = challenge(second.listener, 7);
  await second.connector.write(heard);
  assertEquals(await (await claiming)!.isProved(key), false);
});

Deno.test("an answer that was heard once is worth nothing on another connection", async () => {
  const key = createKey();
  const nonce = new Uint8Array(32);
  using first = await Pair.open();
  const introduced = introduce(first.connector, key, WHO);
  const claim = await challenge(first.listener, 7);
  const answers: Uint8Array[] = [];
  const { write } = first.listener;
  first.listener.write = (bytes) => {
    answers.push(bytes.slice());
    return write.call(first.listener, bytes);
  };
  await claim!.answer(key);
  assertEquals(await introduced, true);
  using second = await Pair.open();
  const refused = assertRejects(
    () => introduce(second.connector, key, WHO),
    Error,
    "a process that is not of this run answers in place of worker 7",
  );
  await second.listener.write(nonce);
  await read(second.listener, CLAIM_BYTES);
  await second.listener.write(answers[0]);
  await refused;
});

Deno.test("neither side ever sends the key, nor the same bytes twice", async () => {
  const key = createKey();
  const seen: string[] = [];
  for (let round = 0; round < 2; round++) {
    using pair = await Pair.open();
    const introduced = introduce(pair.connector, key, WHO);
    await pair.listener.write(new Uint8Array(32));
    seen.push((await read(pair.listener, CLAIM_BYTES)).toHex());
    pair.listener.close();
    await introduced;
  }
  assertNotEquals(seen[0].slice(12), seen[1].slice(12));
  for (const said of seen) {
    assertEquals([said.slice(0, 12), said.includes(key)], ["4d5258030102", false]);
  }
});

Deno.test("a handshake does not wait for ever, and names who says nothing", async () => {
  using pair = await Pair.open();
  await assertRejects(
    () => introduce(pair.connector, createKey(), WHO, { ms: 20 }),
    Error,
    "worker 7 did not prove itself within 0.02 s",
  );
});

Deno.test("who says something else, or hangs up, has made no claim", async () => {
  for (const said of ["GET / HTTP/1.1\r\n".padEnd(CLAIM_BYTES), "MRX", ""]) {
    using pair = await Pair.open();
    const claiming = challenge(pair.listener, 7);
    await read(pair.connector, 32);
    if (said !== "") await pair.connector.write(new TextEncoder().encode(said));
    pair.connector.close();
    assertEquals(await claiming, null);
  }
});
