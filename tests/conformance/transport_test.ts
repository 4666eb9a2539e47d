/** The suite of transports finds what it is for: a broken transport fails each of its checks. */
import { assertEquals, assertRejects } from "@std/assert";
import type { Transport } from "../../src/runtime/exchange/transport.ts";
import { MemoryNetwork } from "../../src/runtime/run/memory_network.ts";
import { transportChecks, type TransportSubject } from "./transport.ts";

/** Returns a broken transport in place of a sound one. */
type Fault = (sound: Transport) => Partial<Transport>;

/** Transports in memory with a fault. */
function subjectWith(fault: Fault): TransportSubject {
  return {
    join: (workers) => {
      const network = new MemoryNetwork();
      return Promise.resolve(Array.from({ length: workers }, (_, i) => {
        const sound = network.transport(i);
        return {
          send: sound.send.bind(sound),
          flush: sound.flush.bind(sound),
          receive: sound.receive.bind(sound),
          close: sound.close.bind(sound),
          ...fault(sound),
        };
      }));
    },
    patienceMs: 50,
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

/** What a transport does wrong, and the check that has to find it. */
const FAULTS: readonly [what: string, fault: Fault, title: string][] = [
  [
    "cuts large frames",
    (sound) => ({ send: (to, frame) => sound.send(to, frame.subarray(0, 65_535)) }),
    "frames of all sizes arrive whole and in order, with their sender",
  ],
  [
    "names another sender",
    (sound) => ({ receive: (take) => sound.receive((from, frame) => take((from + 1) % 3, frame)) }),
    "frames of all sizes arrive whole and in order, with their sender",
  ],
  [
    "lets small frames pass large ones",
    (sound) => {
      const held: [number, Uint8Array][] = [];
      return {
        send: (to, frame) => frame.length > 1_000 ? held.push([to, frame]) : sound.send(to, frame),
        flush: () => {
          sound.flush();
          setTimeout(() => {
            for (const [to, frame] of held.splice(0)) sound.send(to, frame);
            sound.flush();
          }, 0);
        },
      };
    },
    "frames of all sizes arrive whole and in order, with their sender",
  ],
  [
    "has room for a thousand frames",
    (sound) => {
      let room = 1_000;
      return { send: (to, frame) => room-- > 0 ? sound.send(to, frame) : undefined };
    },
    "many frames go out with one flush",
  ],
  [
    "does not wait for a flush",
    (sound) => ({
      send: (to, frame) => {
        sound.send(to, frame);
        sound.flush();
      },
    }),
    "nothing goes out before a flush",
  ],
  [
    "drops what nobody takes",
    (sound) => {
      let take: (from: number, frame: Uint8Array) => void = () => {};
      sound.receive((from, frame) => take(from, frame));
      return { receive: (taker) => void (take = taker) };
    },
    "frames that come before a worker takes them wait for it",
  ],
  [
    "is deaf to a flush while it hands frames over",
    (sound) => {
      let isTaking = false;
      return {
        flush: () => isTaking ? undefined : sound.flush(),
        receive: (take) =>
          sound.receive((from, frame) => {
            isTaking = true;
            take(from, frame);
            isTaking = false;
          }),
      };
    },
    "what is sent while a frame is taken arrives",
  ],
  [
    "takes frames after it has closed",
    () => ({ close: () => {} }),
    "a worker that has closed takes nothing, and the others go on",
  ],
  [
    "sends at its close what it holds",
    (sound) => ({
      close: () => {
        sound.flush();
        setTimeout(() => sound.close(), 5);
      },
    }),
    "what has not gone out at a close is dropped, and a flush after it does nothing",
  ],
  [
    "frees twice what it holds",
    () => {
      let isClosed = false;
      return {
        close: () => {
          if (isClosed) throw new Error("bad resource");
          isClosed = true;
        },
      };
    },
    "a second close does nothing",
  ],
];

for (const [what, fault, title] of FAULTS) {
  Deno.test({
    name: `the suite of transports finds one that ${what}`,
    sanitizeOps: false, // it may leave frames on their way
    sanitizeResources: false,
    fn: async () => {
      const check = transportChecks.find((check) => check.title === title)!;
      await assertRejects(() => check.run(subjectWith(fault)));
    },
  });
}

Deno.test("each check of transports is failed by some broken transport", () => {
  const failed = new Set(FAULTS.map(([, , title]) => title));
  const missing = transportChecks.map(({ title }) => title).filter((title) => !failed.has(title));
  assertEquals(missing, []);
});
