/**
 * What each transport between workers has to do, by `src/runtime/exchange/transport.ts`.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import type { Transport } from "../../src/runtime/exchange/transport.ts";
import { type Check, register, type Skips } from "./suite.ts";

/** Transports under test. */
export interface TransportSubject extends AsyncDisposable {
  /** Returns the transports of all workers of a run, joined with one another. */
  join(workers: number): Promise<readonly Transport[]>;
  /** How long frames may take, in milliseconds; 10 seconds without it. */
  readonly patienceMs?: number;
}

/** The checks, for {@linkcode testTransport} and for the test of this suite. */
export const transportChecks: readonly Check<TransportSubject>[] = [
  {
    title: "frames of all sizes arrive whole and in order, with their sender",
    async run(subject) {
      using run = await Joined.of(subject, 3);
      run.receiveAll();
      const sizes = [1, 2, 255, 256, 65_535, 65_536, 262_145, 1, (1 << 20) + 1, 3];
      for (const [i, bytes] of sizes.entries()) {
        run.eachPair((from, to) => run.send(from, to, frameOf(from * 3 + to + i, bytes)));
        run.flushAll();
      }
      await run.has(6 * sizes.length);
      run.eachPair((from, to) => {
        run.assertTaken(from, to, sizes.map((bytes, i) => frameOf(from * 3 + to + i, bytes)));
      });
    },
  },
  {
    title: "many frames go out with one flush",
    async run(subject) {
      using run = await Joined.of(subject, 2);
      run.receiveAll();
      const frames = Array.from({ length: 5_000 }, (_, i) => frameOf(i, 1 + i % 300));
      for (const frame of frames) run.send(0, 1, frame);
      run.transports[0].flush();
      await run.has(frames.length);
      run.assertTaken(0, 1, frames);
    },
  },
  {
    title: "nothing goes out before a flush",
    async run(subject) {
      using run = await Joined.of(subject, 2);
      run.receiveAll();
      run.send(0, 1, frameOf(1, 10));
      await run.pause();
      assertEquals(run.taken, 0);
      run.transports[0].flush();
      await run.has(1);
    },
  },
  {
    title: "frames that come before a worker takes them wait for it",
    async run(subject) {
      using run = await Joined.of(subject, 2);
      const frames = [frameOf(1, 10), frameOf(2, 100_000)];
      for (const frame of frames) {
        run.send(0, 1, frame);
        run.transports[0].flush();
        await run.pause();
      }
      run.receiveAll();
      await run.has(2);
      run.assertTaken(0, 1, frames);
    },
  },
  {
    title: "what is sent while a frame is taken arrives",
    async run(subject) {
      using run = await Joined.of(subject, 2);
      run.receiveAll((from, to, frame) => {
        if (frame[0] === 0) return;
        run.send(to, from, frame.map((byte) => byte - 1));
        run.transports[to].flush();
      });
      run.send(0, 1, new Uint8Array([20]));
      run.transports[0].flush();
      await run.has(21);
    },
  },
  {
    title: "a worker that has closed takes nothing, and the others go on",
    async run(subject) {
      using run = await Joined.of(subject, 3);
      run.receiveAll();
      run.transports[2].close();
      for (let i = 0; i < 3; i++) {
        run.eachPair((from, to) => {
          if (from !== 2) run.send(from, to, frameOf(i, 10));
        });
        for (const worker of [0, 1]) run.transports[worker].flush();
        await run.pause();
      }
      await run.has(6);
      for (const from of [0, 1]) run.assertTaken(from, 2, []);
    },
  },
  {
    title: "what has not gone out at a close is dropped, and a flush after it does nothing",
    async run(subject) {
      using run = await Joined.of(subject, 2);
      run.receiveAll();
      run.send(0, 1, frameOf(1, 10));
      run.transports[0].close();
      run.transports[0].flush();
      run.send(0, 1, frameOf(2, 10));
      run.transports[0].flush();
      await run.pause();
      assertEquals(run.taken, 0);
    },
  },
  {
    title: "a second close does nothing",
    async run(subject) {
      using run = await Joined.of(subject, 2);
      for (let i = 0; i < 2; i++) for (const transport of run.transports) transport.close();
    },
  },
];

/**
 * Registers the tests of a transport.
 *
 * @param name Which transport it is.
 * @param make Makes what is tested, for each check.
 * @param skips The checks that it does not pass, each with the reason.
 */
export function testTransport(
  name: string,
  make: () => TransportSubject | Promise<TransportSubject>,
  skips?: Skips,
): void {
  register(name, transportChecks, make, skips);
}

/** Long enough for what must not arrive to have arrived, in milliseconds. */
const PAUSE_MS = 20;

/** A frame whose bytes follow from its number. */
function frameOf(number: number, bytes: number): Uint8Array {
  const frame = new Uint8Array(bytes);
  for (let i = 0; i < bytes; i++) frame[i] = number * 131 + i * 7 + (i >> 8);
  return frame;
}

/** Called with each frame that is taken. */
type OnFrame = (from: number, to: number, frame: Uint8Array) => void;

/** The transports of a run, and what each has taken. */
class Joined implements Disposable {
  readonly transports: readonly Transport[];
  /** How many frames have been taken. */
  taken = 0;
  readonly #patienceMs: number;
  readonly #frames = new Map<string, Uint8Array[]>(); // by sender and receiver
  #onTaken: () => void = () => {};

  private constructor(transports: readonly Transport[], patienceMs: number) {
    this.transports = transports;
    this.#patienceMs = patienceMs;
  }

  static async of({ join, patienceMs = 10_000 }: TransportSubject, workers: number) {
    return new Joined(await join(workers), patienceMs);
  }

  /** Lets all workers take frames. */
  receiveAll(onFrame: OnFrame = () => {}): void {
    for (const [to, transport] of this.transports.entries()) {
      transport.receive((from, frame) => {
        const route = `${from} to ${to}`;
        // A transport may use the memory of a frame again once it has been taken.
        this.#frames.set(route, [...this.#frames.get(route) ?? [], frame.slice()]);
        this.taken++;
        onFrame(from, to, frame);
        this.#onTaken();
      });
    }
  }

  send(from: number, to: number, frame: Uint8Array): void {
    this.transports[from].send(to, frame);
  }

  flushAll(): void {
    for (const transport of this.transports) transport.flush();
  }

  eachPair(call: (from: number, to: number) => void): void {
    for (const from of this.transports.keys()) {
      for (const to of this.transports.keys()) if (from !== to) call(from, to);
    }
  }

  /** Waits until all workers together have taken this many frames. */
  async has(count: number): Promise<void> {
    if (this.taken < count) {
      const all = Promise.withResolvers<void>();
      const timer = setTimeout(
        () => all.reject(new Error(`${this.taken} of ${count} frames have come`)),
        this.#patienceMs,
      );
      this.#onTaken = () => {
        if (this.taken >= count) all.resolve();
      };
      try {
        await all.promise;
      } finally {
        clearTimeout(timer);
      }
    }
    assertEquals(this.taken, count);
  }

  /** Lets arrive what would arrive. */
  async pause(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }

  /** Compares without a diff of megabytes. */
  assertTaken(from: number, to: number, expected: readonly Uint8Array[]): void {
    const frames = this.#frames.get(`${from} to ${to}`) ?? [];
    assertEquals(frames.map(({ length }) => length), expected.map(({ length }) => length));
    const wrong = expected.findIndex((frame, i) => frame.some((byte, j) => frames[i][j] !== byte));
    assertEquals(wrong, -1, `frame ${wrong} from ${from} to ${to} is another`);
  }

  [Symbol.dispose](): void {
    for (const transport of this.transports) transport.close();
  }
}
