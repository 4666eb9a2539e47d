import type { WorkerIndex } from "../../core/ids.ts";
import type { ExchangeNode } from "../../graph/nodes.ts";
import type { Channel, Incoming, Outgoing } from "../channel.ts";
import type { FailItem } from "./dealing.ts";
import type { ExchangeEnds } from "./ends.ts";
import type { Mesh } from "./mesh.ts";
import { Router } from "./router.ts";

/** Which worker it is, of how many. */
export interface MeshPlace {
  readonly workerIndex: WorkerIndex;
  readonly workerCount: number;
  /** How many bytes of an exchange may be on their way to one other worker. */
  readonly remoteBytes: number;
  /** Makes the channel for what stays here. */
  readonly newChannel: () => Channel;
}

/** Exchanges by channels: out to all workers, and in from all. */
export class MeshEnds implements ExchangeEnds {
  readonly #mesh: Mesh;
  readonly #place: MeshPlace;
  readonly #local = new Map<number, Channel>();

  constructor(mesh: Mesh, place: MeshPlace) {
    this.#mesh = mesh;
    this.#place = place;
  }

  outgoing(exchange: number, route: ExchangeNode["route"], fail: FailItem): Outgoing {
    const { workerIndex: localIndex, remoteBytes } = this.#place;
    const remote = this.#workers((worker) =>
      worker === localIndex ? undefined : this.#mesh.sender(exchange, worker, remoteBytes)
    );
    return new Router(route, { local: this.#localOf(exchange), localIndex, remote }, fail);
  }

  incoming(exchange: number): readonly Incoming[] {
    return this.#workers((worker) =>
      worker === this.#place.workerIndex
        ? this.#localOf(exchange)
        : this.#mesh.receiver(exchange, worker)
    );
  }

  #workers<T>(each: (worker: WorkerIndex) => T): T[] {
    return Array.from({ length: this.#place.workerCount }, (_, worker) => each(worker));
  }

  #localOf(exchange: number): Channel {
    let local = this.#local.get(exchange);
    if (local === undefined) this.#local.set(exchange, local = this.#place.newChannel());
    return local;
  }
}
