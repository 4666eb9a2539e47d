/**
 * When messages arrive that stay inside one process.
 *
 * Between processes, each pair of peers has a socket of its own. Messages of one socket keep their
 * order, those of two may arrive in either. In one process, a schedule decides. It gets every
 * message that the conductor and the workers of a run send to one another. It may let it arrive at
 * once or later.
 *
 * @module
 */
import type { WorkerIndex } from "../../core/ids.ts";

/** One side of a run. */
export type Peer = "coordinator" | `worker ${WorkerIndex}`;

/** From whom to whom a message goes. */
export type Route = `${Peer} to ${Peer}`;

/**
 * Decides when a message arrives: calls `arrive`, now or later, once. Messages of one route must
 * arrive in the order in which they were sent.
 */
export type Schedule = (route: Route, arrive: () => void) => void;

/** Lets each message arrive at once. */
export const atOnce: Schedule = (_route, arrive) => arrive();

/** The worker of an index, as a peer. */
export function workerPeer(index: WorkerIndex): Peer {
  return `worker ${index}`;
}
