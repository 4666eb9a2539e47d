/**
 * A proxy in front of a Kafka broker, for faults of the network. It loses requests and answers,
 * holds them back, cuts connections and refuses new ones. It counts, so that a test can prove that
 * its fault has happened.
 *
 * Clients would switch to the address in the broker's metadata. So the proxy reads each message,
 * and replaces the broker's port by its own.
 */

/** Kinds of requests, by their numbers in Kafka's protocol. */
export const API = {
  produce: 0,
  fetch: 1,
  listOffsets: 2,
  metadata: 3,
  offsetFetch: 9,
  joinGroup: 11,
  groupHeartbeat: 12,
  syncGroup: 14,
  apiVersions: 18,
  initProducerId: 22,
  addPartitionsToTxn: 24,
  addOffsetsToTxn: 25,
  endTxn: 26,
  txnOffsetCommit: 28,
  streamsGroupHeartbeat: 88,
} as const;

/** A fault that happens once: to the `nth` request of a kind since the start, counted from 1. */
export interface Fault {
  readonly api: keyof typeof API;
  readonly nth: number;
  /**
   * What is lost before the connection is cut. It is the request, which the broker then never sees,
   * the answer to a completed request, or the second half of the answer. With `success`, nothing is
   * cut, but the answer to a write reports that the first partition has another leader.
   */
  readonly lose: "request" | "response" | "half a response" | "success";
}

/** A request or an answer that the proxy holds back. Its client may be killed meanwhile. */
export interface Held {
  /** The port of the client's side of the connection. */
  readonly clientPort: number;
  /** Forwards it, also if the client has gone. */
  release(): void;
  /** Cuts the connection, so that it never arrives. */
  drop(): void;
  /** The broker's answer, with its length, once it has come. */
  readonly answered: Promise<Uint8Array<ArrayBuffer>>;
}

/** What is to be held back. */
interface Hold {
  readonly api: number;
  readonly side: "request" | "answer";
  /** How many of the kind come before it. */
  before: number;
  readonly held: PromiseWithResolvers<Held>;
}

/** A request under way. */
interface Pending {
  readonly api: number;
  readonly version: number;
  readonly fault?: Fault;
  readonly answered: PromiseWithResolvers<Uint8Array<ArrayBuffer>>;
}

/** One client's connection, and the proxy's own to the broker. */
interface Link {
  readonly client: Deno.TcpConn;
  readonly clientPort: number;
  readonly broker: Deno.TcpConn;
  /** By correlation id. */
  readonly pending: Map<number, Pending>;
  /** Resolves when the broker's side has ended. */
  readonly ended: PromiseWithResolvers<void>;
}

/** The newest versions of requests that the broker appears to have, as if it were older. */
export type Newest = Partial<Record<keyof typeof API, number>>;

const NOT_LEADER_OR_FOLLOWER = 6;

const HOST = "127.0.0.1";

/** The proxy; it listens until it is disposed of. */
export class TcpProxy implements AsyncDisposable {
  /** Its address, for a client. */
  readonly address: string;
  /** While true, connections are closed as they are made. */
  refusing = false;
  /** Requests to produce wait for it before the broker sees them. */
  mayProduce: Promise<void> = Promise.resolve();
  /** How many bytes it lets through to the broker in a millisecond. */
  bytesPerMs = Infinity;
  /** How many connections it has refused. */
  refused = 0;
  /** How many connections it has cut, faults included. */
  cuts = 0;
  /** How many messages have come while nothing got through. */
  swallowed = 0;
  /** Faults that have happened. */
  readonly fired: Fault[] = [];
  /** Bytes received from the broker. */
  received = 0;
  readonly #listener: Deno.TcpListener;
  readonly #target: { hostname: string; port: number };
  readonly #links = new Set<Link>();
  readonly #work: Promise<void>[] = [];
  readonly #requests = new Map<number, number>();
  readonly #newest: ReadonlyMap<number, number>;
  #faults: Fault[] = [];
  #holds: Hold[] = [];
  /** Messages, and ends of connections, wait for it. */
  #hole: PromiseWithResolvers<void> | null = null;
  readonly #heldBack = new Set<() => void>();

  /** Starts a proxy in front of `broker`, `host:port`, which causes `faults`. */
  constructor(broker: string, faults: readonly Fault[] = [], newest: Newest = {}) {
    this.#newest = new Map(
      Object.entries(newest).map(([api, version]) => [API[api as keyof typeof API], version]),
    );
    const [hostname, port] = broker.split(":");
    this.#target = { hostname, port: Number(port) };
    this.#faults = [...faults];
    this.#listener = Deno.listen({ hostname: HOST, port: 0 });
    this.address = `${HOST}:${this.#listener.addr.port}`;
    this.#work.push(this.#accept());
  }

  /** How many requests of a kind have come. */
  requests(api: keyof typeof API): number {
    return this.#requests.get(API[api]) ?? 0;
  }

  /**
   * Holds back the next request of a kind, or the next answer to one, after `before` others.
   * Resolves when it has come.
   */
  hold(api: keyof typeof API, side: Hold["side"], before = 0): Promise<Held> {
    const held = Promise.withResolvers<Held>();
    this.#holds.push({ api: API[api], side, before, held });
    return held.promise;
  }

  /**
   * From now on, nothing gets through and no connection ends: what is sent waits, as on a network
   * that sends it again and again. When the result is disposed of, all of it arrives, also what
   * came from a client that has gone since.
   */
  blackHole(): Disposable {
    if (this.#hole !== null) throw new Error("nothing gets through already");
    this.#hole = Promise.withResolvers<void>();
    return { [Symbol.dispose]: () => this.#heal() };
  }

  #heal(): void {
    this.#hole?.resolve();
    this.#hole = null;
  }

  /** Cuts all connections. */
  cutAll(): void {
    for (const link of this.#links) this.#cut(link);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    this.#heal();
    for (const drop of this.#heldBack) drop();
    for (const link of this.#links) close(link);
    await Promise.all(this.#work);
  }

  async #accept(): Promise<void> {
    for await (const client of this.#listener) {
      if (this.refusing) {
        this.refused++;
        client.close();
      } else this.#work.push(this.#serve(client));
    }
  }

  async #serve(client: Deno.TcpConn): Promise<void> {
    const broker = await Deno.connect(this.#target).catch((error) => {
      if (!(error instanceof Deno.errors.ConnectionRefused)) throw error;
      return null; // the broker is down
    });
    if (broker === null) {
      client.close();
      return;
    }
    const clientPort = client.remoteAddr.port;
    const ended = Promise.withResolvers<void>();
    const link: Link = { client, clientPort, broker, pending: new Map(), ended };
    this.#links.add(link);
    // If one direction ends, by an end of file or by a cut, so does the other.
    const toClient = this.#toClient(link).finally(ended.resolve);
    await Promise.allSettled(
      [this.#toBroker(link), toClient].map((side) => side.finally(() => close(link))),
    );
    this.#links.delete(link);
    // Another fault has cut the connection first, so these answers are lost all the same.
    for (const { fault } of link.pending.values()) {
      if (fault !== undefined && fault.lose !== "success") this.fired.push(fault);
    }
  }

  #cut(link: Link): void {
    this.cuts++;
    close(link);
  }

  async #toBroker(link: Link): Promise<void> {
    for (;;) {
      const message = await this.#read(link.client);
      if (message === null) return;
      const view = new DataView(message.buffer);
      const [api, version, id] = [view.getInt16(4), view.getInt16(6), view.getInt32(8)];
      const nth = (this.#requests.get(api) ?? 0) + 1;
      this.#requests.set(api, nth);
      const fault = this.#faults.find((fault) => API[fault.api] === api && fault.nth === nth);
      if (fault?.lose === "request") return this.#fire(link, fault);
      if (api === API.produce) await this.mayProduce;
      if (this.bytesPerMs < Infinity) await this.#delay(message.length / this.bytesPerMs);
      const answered = Promise.withResolvers<Uint8Array<ArrayBuffer>>();
      const isHeld = this.#isHeld(api, "request");
      if (!await this.#mayPass(link, api, "request", answered.promise)) return;
      link.pending.set(id, { api, version, fault, answered });
      await writeAll(link.broker, message);
      // The client may have gone, which would end the broker's side before it answers.
      if (isHeld) await Promise.race([answered.promise, link.ended.promise]);
    }
  }

  async #toClient(link: Link): Promise<void> {
    for (;;) {
      const message = await this.#read(link.broker);
      if (message === null) return;
      this.received += message.length;
      const id = new DataView(message.buffer).getInt32(4);
      const { api, version, fault, answered } = link.pending.get(id)!;
      link.pending.delete(id);
      answered.resolve(message);
      if (!await this.#mayPass(link, api, "answer", answered.promise)) return;
      if (fault?.lose === "success") {
        this.fired.push(fault);
        denyFirst(message);
      } else if (fault !== undefined) {
        const half = fault.lose === "response" ? 0 : message.length >> 1;
        await writeAll(link.client, message.subarray(0, half));
        return this.#fire(link, fault);
      }
      if (api === API.metadata) this.#redirect(message, version);
      if (api === API.apiVersions) this.#age(message, version);
      await writeAll(link.client, message);
    }
  }

  /** Reads a message, or the end of a connection: neither gets through a black hole. */
  async #read(from: Deno.TcpConn): Promise<Uint8Array<ArrayBuffer> | null> {
    try {
      return await readMessage(from);
    } finally {
      while (this.#hole !== null) {
        this.swallowed++;
        await this.#hole.promise;
      }
    }
  }

  #isHeld(api: number, side: Hold["side"]): boolean {
    return this.#holds.some((hold) => hold.api === api && hold.side === side && hold.before === 0);
  }

  /** Waits while a message is held back. Returns whether it may be forwarded then. */
  async #mayPass(
    link: Link,
    api: number,
    side: Hold["side"],
    answered: Held["answered"],
  ): Promise<boolean> {
    const hold = this.#holds.find((hold) => hold.api === api && hold.side === side);
    if (hold === undefined || hold.before-- > 0) return true;
    this.#holds = this.#holds.filter((other) => other !== hold);
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const drop = () => {
      close(link);
      resolve(false);
    };
    this.#heldBack.add(drop);
    const { clientPort } = link;
    hold.held.resolve({ clientPort, release: () => resolve(true), drop, answered });
    const mayPass = await promise;
    this.#heldBack.delete(drop);
    return mayPass;
  }

  /** Resolves after the time that a slow line takes. */
  async #delay(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, ms);
    this.#heldBack.add(resolve);
    await promise;
    clearTimeout(timer);
    this.#heldBack.delete(resolve);
  }

  #fire(link: Link, fault: Fault): void {
    this.fired.push(fault);
    this.#cut(link);
  }

  /**
   * Replaces the port of every broker. Before the brokers: length, correlation id, throttle time.
   */
  #redirect(message: Uint8Array<ArrayBuffer>, version: number): void {
    const view = new DataView(message.buffer);
    const port = this.#listener.addr.port;
    let at = version >= 3 ? 12 : 8;
    if (version < 9) {
      const brokers = view.getInt32(at);
      at += 4;
      for (let i = 0; i < brokers; i++) {
        at += 4; // the node's id
        at += 2 + view.getInt16(at);
        view.setInt32(at, port);
        at += 4;
        at += 2 + Math.max(view.getInt16(at), 0); // the rack, with -1 for none
      }
      return;
    }
    // Flexible: each length is a byte, and one more than its value. Each structure ends with a
    // zero.
    at++;
    const brokers = message[at++] - 1;
    for (let i = 0; i < brokers; i++) {
      at += 4;
      at += message[at] || 1;
      view.setInt32(at, port);
      at += 4;
      at += message[at] || 1;
      at++;
    }
  }

  /**
   * Lowers the newest versions, an array of three int16 after length, correlation id and error.
   * From version 3 on, its count is a varint and one more, and each entry ends with a zero.
   */
  #age(message: Uint8Array<ArrayBuffer>, version: number): void {
    if (this.#newest.size === 0) return;
    const view = new DataView(message.buffer);
    const isFlexible = version >= 3;
    let at = 10;
    let count = 0;
    if (isFlexible) {
      for (let shift = 0, more = true; more; shift += 7) {
        more = message[at] >= 0x80;
        count |= (message[at++] & 0x7f) << shift;
      }
      count--;
    } else {
      count = view.getInt32(at);
      at += 4;
    }
    for (let i = 0; i < count; i++, at += isFlexible ? 7 : 6) {
      const newest = this.#newest.get(view.getInt16(at)) ?? Infinity;
      if (view.getInt16(at + 4) > newest) view.setInt16(at + 4, newest);
    }
  }
}

/** Puts an error in a Produce response, after length, correlation id, topic count, name, … */
function denyFirst(message: Uint8Array<ArrayBuffer>): void {
  const view = new DataView(message.buffer);
  const partition = 12 + 2 + view.getInt16(12) + 4;
  view.setInt16(partition + 4, NOT_LEADER_OR_FOLLOWER);
}

function close({ client, broker }: Link): void {
  for (const side of [client, broker]) {
    try {
      side.close();
    } catch (error) {
      if (!(error instanceof Deno.errors.BadResource)) throw error; // closed before
    }
  }
}

/** A message with the four bytes of its length; `null` if the connection has ended. */
async function readMessage(from: Deno.TcpConn): Promise<Uint8Array<ArrayBuffer> | null> {
  const length = new Uint8Array(4);
  if (!await readFull(from, length)) return null;
  const message = new Uint8Array(4 + new DataView(length.buffer).getInt32(0));
  message.set(length);
  return await readFull(from, message.subarray(4)) ? message : null;
}

async function readFull(from: Deno.TcpConn, into: Uint8Array): Promise<boolean> {
  for (let at = 0; at < into.length;) {
    const count = await from.read(into.subarray(at));
    if (count === null) return false;
    at += count;
  }
  return true;
}

async function writeAll(to: Deno.TcpConn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await to.write(bytes.subarray(at));
}
