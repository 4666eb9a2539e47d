import { assertEquals, assertStringIncludes } from "@std/assert";
import { silentLog } from "../../../src/core/log.ts";
import { ControlLink } from "../../../src/runtime/process/control_link.ts";
import { challenge, createKey } from "../../../src/runtime/process/handshake.ts";
import { workerSocket } from "../../../src/runtime/process/mesh_listener.ts";
import type { ToCoordinator, ToWorker } from "../../../src/runtime/process/protocol.ts";
import {
  connectTo,
  listen,
  makeFolder,
  removeFolder,
  type RunFolder,
} from "../../../src/runtime/process/socket_folder.ts";
import { WorkerProcess } from "../../../src/runtime/process/worker_process.ts";
import { TestClock } from "../../support/clock/test_clock.ts";
import { eventually, idle } from "../../support/eventually.ts";
import { refuseWarning } from "../../support/refuse_warning.ts";

const FLOW = import.meta.resolve("../../e2e/flows/numbers.ts");

/** How long a worker waits for its coordinator to say why another one is gone. */
const LOST_MS = 5_000;

/** Worker 1 of two. The test plays its coordinator and worker 0. */
class Stage implements AsyncDisposable {
  readonly clock = new TestClock();
  readonly exits: number[] = [];
  readonly key = createKey();
  readonly #folder: RunFolder;
  readonly #listener: Deno.Listener;
  readonly #link: ControlLink<ToCoordinator, ToWorker>;
  readonly #heard: ToCoordinator[] = [];
  readonly #over: Promise<unknown>;
  #conn: Deno.Conn | null = null;

  private constructor(folder: RunFolder, ours: Deno.Conn, theirs: Deno.Conn) {
    this.#folder = folder;
    this.#listener = listen(folder, workerSocket(0)).listener;
    this.#link = new ControlLink(ours);
    const link = new ControlLink<ToWorker, ToCoordinator>(theirs);
    const worker = new WorkerProcess(link, folder, {
      clock: this.clock,
      exit: (code) => {
        this.exits.push(code);
        link.close();
      },
    });
    this.#over = Promise.all([worker.follow(), this.#listen()]);
  }

  static async set(): Promise<Stage> {
    const folder = makeFolder(silentLog)!;
    const { listener, address } = listen(folder, "control");
    using _ = listener;
    const ends = await Promise.all([listener.accept(), connectTo(address)]);
    return new Stage(folder, ...ends);
  }

  async #listen(): Promise<void> {
    for await (const message of this.#link.messages()) this.#heard.push(message);
  }

  /** What the worker has said last, in words. */
  get failure(): string | null {
    const failed = this.#heard.find((message) => message.kind === "failed");
    return failed === undefined ? null : failed.failure.error.message;
  }

  /** The worker loads its flow. Returns what has it connect to worker 0. */
  async load(): Promise<() => void> {
    const flow = { moduleUrl: FLOW, exportName: null, logLevel: "error" } as const;
    this.tell({ kind: "load", index: 1, count: 2, statusMs: 60_000, ...flow });
    const { mesh } = await this.hears("loaded");
    this.tell({ kind: "plan", positions: [], recovery: null });
    const { plans } = await this.hears("planned");
    const zero = { unix: `${this.#folder.path}/${workerSocket(0)}` };
    const start = { epoch: 0, plans, positions: [], snapshots: null, recovery: null };
    const addresses = [zero, mesh!];
    return () => this.tell({ kind: "open", ...start, mesh: { addresses, key: this.key } });
  }

  /** The worker connects to worker 0. */
  async connect(): Promise<Deno.Conn> {
    const open = await this.load();
    open();
    return this.#conn = await this.#listener.accept();
  }

  /** Worker 0 does not listen any more. */
  deafen(): void {
    this.#listener.close();
  }

  /** The coordinator tells the worker something. */
  tell(message: ToWorker): void {
    this.#link.send(message);
  }

  /** Waits until the worker has said something of a kind. */
  async hears<K extends ToCoordinator["kind"]>(kind: K) {
    const isIt = (message: ToCoordinator): message is Extract<ToCoordinator, { kind: K }> =>
      message.kind === kind;
    await eventually(() => this.#heard.some(isIt), `the worker says ${kind}`);
    return this.#heard.find(isIt)!;
  }

  /** Waits until the worker has left. */
  async left(): Promise<void> {
    await eventually(() => this.exits.length > 0, "the worker leaves");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#link.close();
    await this.#over;
    for (const open of [this.#listener, this.#conn]) {
      try {
        open?.close();
      } catch (error) {
        if (!(error instanceof Deno.errors.BadResource)) throw error; // else the test has closed it
      }
    }
    await removeFolder(this.#folder, refuseWarning);
  }
}

/** How a worker may lose worker 0. */
interface Loss {
  /** Brings the two to where the loss can come. Returns what makes it come. */
  readonly prepare: (stage: Stage) => Promise<() => unknown>;
  /** How the worker's report of it begins. */
  readonly says: string;
}

const HUNG_UP = "worker 0 hung up while worker 1 connected to it";

const LOSSES: Record<string, Loss> = {
  "does not listen any more": {
    prepare: async (stage) => {
      const open = await stage.load();
      stage.deafen();
      return open;
    },
    says: "worker 1 cannot reach worker 0: it is not there",
  },
  "hangs up at once": {
    prepare: async (stage) => {
      const conn = await stage.connect();
      return () => conn.close();
    },
    says: HUNG_UP,
  },
  "hangs up without reading the proof": {
    prepare: async (stage) => {
      const conn = await stage.connect();
      await conn.write(new Uint8Array(32));
      await conn.read(new Uint8Array(1)); // the rest of it is there too
      return () => conn.close();
    },
    says: HUNG_UP,
  },
  "hangs up in place of its proof": {
    prepare: async (stage) => {
      const conn = await stage.connect();
      await challenge(conn, 0);
      return () => conn.close();
    },
    says: HUNG_UP,
  },
  "gives a wrong proof": {
    prepare: async (stage) => {
      const claim = await challenge(await stage.connect(), 0);
      return async () => {
        try {
          await claim!.answer("0".repeat(64));
        } catch (error) {
          if (!(error instanceof Deno.errors.BrokenPipe)) throw error; // else the worker has left
        }
      };
    },
    says: "a process that is not of this run answers in place of worker 0",
  },
  "hangs up once they are connected": {
    prepare: async (stage) => {
      const conn = await stage.connect();
      const claim = await challenge(conn, 0);
      await claim!.answer(stage.key);
      await stage.hears("opened");
      return () => conn.close();
    },
    says: "the connection to worker 0 broke",
  },
};

for (const [does, { prepare, says }] of Object.entries(LOSSES)) {
  /** Has the worker lose worker 0. Returns once it waits for the coordinator. */
  const lose = async (stage: Stage) => {
    const act = await prepare(stage);
    await act();
    const isSeen = () => stage.clock.sleeps.includes(LOST_MS) || stage.failure !== null;
    await eventually(isSeen, "the loss is seen");
  };

  Deno.test(`a worker says nothing where worker 0 ${does}, and then the coordinator ends the run`, async () => {
    await using stage = await Stage.set();
    await lose(stage);
    stage.clock.advance(LOST_MS - 1);
    await idle();
    stage.tell({ kind: "abort" });
    await stage.left();
    stage.clock.advance(LOST_MS);
    await idle();
    assertEquals([stage.failure, stage.exits], [null, [1]]);
  });

  Deno.test(`a worker says nothing where the coordinator ends the run, and then worker 0 ${does}`, async () => {
    await using stage = await Stage.set();
    const act = await prepare(stage);
    stage.tell({ kind: "abort" });
    await act();
    await stage.left();
    stage.clock.advance(LOST_MS);
    await idle();
    assertEquals([stage.failure, stage.exits], [null, [1]]);
  });

  Deno.test(`a worker reports that worker 0 ${does}, if the coordinator does not end the run`, async () => {
    await using stage = await Stage.set();
    await lose(stage);
    stage.clock.advance(LOST_MS);
    stage.tell({ kind: "run" }); // some of it is reported with the next act
    const { failure } = await stage.hears("failed");
    assertStringIncludes(failure.error.message, says);
    await stage.left();
    assertEquals(stage.exits, [1]);
  });
}

/** A link whose other end reads when the test says so. */
class HeldLink {
  readonly sent: ToCoordinator[] = [];
  readonly #told: ToWorker[] = [];
  #next = Promise.withResolvers<void>();
  #isClosed = false;
  /** Whether what was sent last is still to be read. */
  isHeld = false;
  /** How often the worker has asked for that. */
  asked = 0;

  get isSending(): boolean {
    this.asked++;
    return this.isHeld;
  }

  tell(message: ToWorker): void {
    this.#told.push(message);
    this.#next.resolve();
  }

  async hears(kind: ToCoordinator["kind"]): Promise<ToCoordinator> {
    await eventually(() => this.of(kind).length > 0, `the worker says ${kind}`);
    return this.of(kind)[0];
  }

  of(kind: ToCoordinator["kind"]): ToCoordinator[] {
    return this.sent.filter((message) => message.kind === kind);
  }

  send(message: ToCoordinator): void {
    this.sent.push(message);
  }

  flushed(): Promise<void> {
    return Promise.resolve();
  }

  close(): void {
    this.#isClosed = true;
    this.#next.resolve();
  }

  async *messages(): AsyncGenerator<ToWorker, void> {
    while (!this.#isClosed) {
      yield* this.#told.splice(0);
      await this.#next.promise;
      this.#next = Promise.withResolvers();
    }
  }
}

Deno.test("a worker keeps its status to itself while a coordinator that stands still has one to read", async () => {
  const held = new HeldLink();
  const link = held as unknown as ControlLink<ToWorker, ToCoordinator>;
  const worker = new WorkerProcess(link, null, { exit: () => held.close() });
  const over = worker.follow();
  const moduleUrl = import.meta.resolve("../../e2e/flows/silent.ts");
  const flow = { moduleUrl, exportName: null, logLevel: "error" } as const;
  held.tell({ kind: "load", index: 0, count: 1, statusMs: 1, ...flow });
  await held.hears("loaded");
  held.tell({ kind: "plan", positions: [], recovery: null });
  const { plans } = await held.hears("planned") as Extract<ToCoordinator, { kind: "planned" }>;
  const start = { epoch: 0, plans, positions: [], snapshots: null, recovery: null, mesh: null };
  held.tell({ kind: "open", ...start });
  await held.hears("opened");
  held.isHeld = true;
  held.tell({ kind: "run" });
  await eventually(() => held.asked >= 3, "three statuses are due");
  assertEquals(held.of("status"), []);
  held.isHeld = false;
  await held.hears("status");
  held.tell({ kind: "abort" });
  await over;
});
