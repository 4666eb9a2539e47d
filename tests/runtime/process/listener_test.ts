import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { ControlLink } from "../../../src/runtime/process/control_link.ts";
import { ControlListener, createControlToken } from "../../../src/runtime/process/listener.ts";
import {
  PROTOCOL_VERSION,
  type ToCoordinator,
  type ToWorker,
} from "../../../src/runtime/process/protocol.ts";
import {
  chooseFolder,
  connectTo,
  makeFolder,
  removeFolder,
} from "../../../src/runtime/process/socket_folder.ts";

type WorkerLink = ControlLink<ToWorker, ToCoordinator>;

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
    const folder = chooseFolder()!;
    await makeFolder(folder);
    const tokens = Array.from({ length: workers }, createControlToken);
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

  /** Connects, and may say something. */
  async connect(...said: ToCoordinator[]): Promise<WorkerLink> {
    const link: WorkerLink = new ControlLink(await connectTo(this.listener.address));
    this.#links.push(link);
    for (const message of said) link.send(message);
    return link;
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

function hello(token: string, version = PROTOCOL_VERSION): ToCoordinator {
  return { kind: "hello", version, token };
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
  await Promise.all([reception.next(), reception.connect(hello(tokens[1]))]);
  await Promise.all([reception.next(), reception.connect(hello(tokens[0]))]);
  assertEquals([reception.arrived, reception.errors], [[1, 0], []]);
});

/** What a stranger may do. Each is turned away. */
const STRANGERS: Record<string, (reception: Reception, token: string) => Promise<WorkerLink>> = {
  "shows a wrong token": (reception) => reception.connect(hello("0".repeat(64))),
  "shows half a token": (reception, token) => reception.connect(hello(token.slice(0, 32))),
  "shows no text for a token": (reception) => reception.connect(hello({} as string)),
  "says something else first": (reception, token) =>
    reception.connect({ kind: "opened" }, hello(token)),
  "sends no message": async (reception) => {
    const link = await reception.connect();
    link.send("GET / HTTP/1.1" as never); // which makes a line of JSON, but no object
    return link;
  },
  "sends a line that is too long": (reception) => reception.connect(hello("0".repeat(17 << 20))),
};

for (const [does, come] of Object.entries(STRANGERS)) {
  Deno.test(`ControlListener turns away who ${does}, and goes on waiting for the worker`, async () => {
    const [reception, [token]] = await Reception.open(1);
    await using _ = reception;
    const stranger = await come(reception, token);
    assertEquals(await stranger.receive(), undefined); // its connection is closed
    assertEquals([reception.arrived, reception.errors], [[], []]);
    await Promise.all([reception.next(), reception.connect(hello(token))]);
    assertEquals([reception.arrived, reception.errors], [[0], []]);
  });
}

Deno.test("ControlListener turns away garbage, and goes on waiting for the worker", async () => {
  const [reception, [token]] = await Reception.open(1);
  await using _ = reception;
  using stranger = await connectTo(reception.listener.address);
  await stranger.write(new Uint8Array([0xff, 0x00, 0x7b, 0x0a, 0x0a]));
  assertEquals(await stranger.read(new Uint8Array(1)).catch(() => null), null);
  await Promise.all([reception.next(), reception.connect(hello(token))]);
  assertEquals([reception.arrived, reception.errors], [[0], []]);
});

Deno.test("ControlListener takes a token once", async () => {
  const [reception, tokens] = await Reception.open(2);
  await using _ = reception;
  await Promise.all([reception.next(), reception.connect(hello(tokens[0]))]);
  const second = await reception.connect(hello(tokens[0]));
  assertEquals(await second.receive(), undefined);
  assertEquals([reception.arrived, reception.errors], [[0], []]);
});

Deno.test("ControlListener is not held up by who says nothing, and hangs up when it closes", async () => {
  const [reception, [token]] = await Reception.open(1);
  await using _ = reception;
  const silent = await reception.connect();
  await Promise.all([reception.next(), reception.connect(hello(token))]);
  assertEquals(reception.arrived, [0]);
  assertEquals(await silent.receive(), undefined);
});

Deno.test("ControlListener reports a worker of another version, and names both", async () => {
  const [reception, [token]] = await Reception.open(1);
  await using _ = reception;
  await Promise.all([reception.next(), reception.connect(hello(token, 99))]);
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
  await assertRejects(() => reception.connect(hello(token)));
  assertEquals([reception.arrived, reception.errors], [[], []]);
});
