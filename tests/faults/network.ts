/**
 * A network in front of a broker, as bad as a test wants. It knows nothing of Kafka, and forwards
 * bytes. The broker has to name this port to its clients (`through` of `KafkaCluster.start`).
 */
import type { Buffer } from "node:buffer";
import { createServer, type Server, type Socket } from "node:net";
import net from "node:net";
import type { Random } from "../support/values/random.ts";

const HOST = "127.0.0.1";

/** What happens to bytes on their way, in both directions. */
export interface Weather {
  /** The least delay of each piece, in milliseconds, and how much may be added at random. */
  readonly delayMs?: number;
  readonly jitterMs?: number;
  /** The size of the largest piece that is forwarded at once. */
  readonly pieceBytes?: number;
  /** Bytes per second, for each connection and direction. */
  readonly bytesPerSecond?: number;
}

/** A client's connection, and ours to the broker. */
interface Link {
  readonly client: Socket;
  readonly broker: Socket;
}

/** The network; it forwards until it is disposed of. */
export class Network implements AsyncDisposable {
  /** While true, connections end as soon as they are made. */
  refusing = false;
  /** While true, nothing gets through and no connection ends: all bytes wait. */
  blackHole = false;
  /** What applies to new pieces. */
  weather: Weather = {};
  /** How many bytes of answers may pass until the next reset, within an answer; `null` for any. */
  resetAfter: number | null = null;
  /** How many connections it has accepted, refused, and reset. */
  accepted = 0;
  refused = 0;
  resets = 0;
  /** How many pieces it has forwarded, and how many came in a black hole. */
  pieces = 0;
  swallowed = 0;
  readonly #server: Server;
  readonly #links = new Set<Link>();
  readonly #random: Random;
  #broker: { host: string; port: number } | null = null;
  #wake: (() => void)[] = [];
  #closed = false;

  private constructor(random: Random) {
    this.#random = random;
    this.#server = createServer((client) => this.#accept(client));
  }

  /** Listens on a port of its own, before there is a broker. */
  static async listen(random: Random): Promise<Network> {
    const network = new Network(random);
    await new Promise<void>((resolve) => network.#server.listen(0, HOST, () => resolve()));
    return network;
  }

  /** The port on which it listens. */
  get port(): number {
    return (this.#server.address() as { port: number }).port;
  }

  /** The address for a client. */
  get address(): string {
    return `${HOST}:${this.port}`;
  }

  /** Sets the broker to which bytes go. */
  connect(broker: string): void {
    const [host, port] = broker.split(":");
    this.#broker = { host, port: Number(port) };
  }

  /** Ends the black hole, and forwards what waits. */
  lift(): void {
    this.blackHole = false;
    for (const wake of this.#wake.splice(0)) wake();
  }

  /** Resets to fine weather, without a black hole or a reset to come. */
  clear(): void {
    this.lift();
    this.weather = {};
    this.resetAfter = null;
  }

  /** Resets all connections. */
  resetAll(): void {
    for (const link of this.#links) this.#reset(link);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.lift();
    for (const { client, broker } of this.#links) {
      client.destroy();
      broker.destroy();
    }
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #accept(client: Socket): void {
    if (this.refusing || this.#broker === null) {
      this.refused++;
      client.on("error", () => {});
      client.resetAndDestroy();
      return;
    }
    this.accepted++;
    const broker = net.connect(this.#broker);
    const link = { client, broker };
    this.#links.add(link);
    this.#forward(client, broker, link);
    this.#forward(broker, client, link);
  }

  #forward(from: Socket, to: Socket, link: Link): void {
    from.setNoDelay(true);
    let tail = Promise.resolve();
    from.on("data", (data) => {
      from.pause();
      tail = tail.then(() => this.#pass(data as Buffer, to, link)).then(() => {
        from.resume();
      });
    });
    from.on("error", () => {});
    from.on("close", () => {
      this.#links.delete(link);
      // In a black hole, ends are not forwarded either.
      if (!this.blackHole) tail.finally(() => to.destroy());
      else this.#wake.push(() => to.destroy());
    });
  }

  async #pass(data: Buffer, to: Socket, link: Link): Promise<void> {
    const { delayMs = 0, jitterMs = 0, pieceBytes = data.length, bytesPerSecond } = this.weather;
    for (let at = 0; at < data.length; at += pieceBytes) {
      if (this.blackHole) {
        this.swallowed++;
        await new Promise<void>((resolve) => this.#wake.push(resolve));
      }
      const piece = data.subarray(at, at + pieceBytes);
      const ms = delayMs + (jitterMs > 0 ? this.#random.below(jitterMs) : 0) +
        (bytesPerSecond === undefined ? 0 : 1_000 * piece.length / bytesPerSecond);
      if (ms > 0) await new Promise((resolve) => setTimeout(resolve, ms));
      if (to.destroyed || this.#closed) return;
      this.pieces++;
      if (to === link.client && this.resetAfter !== null) {
        this.resetAfter -= piece.length;
        if (this.resetAfter < 0) {
          to.write(piece.subarray(0, piece.length >> 1));
          this.resetAfter = null;
          return this.#reset(link);
        }
      }
      await new Promise<void>((resolve) => to.write(piece, () => resolve()));
    }
  }

  #reset({ client, broker }: Link): void {
    this.resets++;
    client.resetAndDestroy();
    broker.destroy();
  }
}
