/**
 * How frames of bytes get from one worker to another.
 *
 * Between processes that is a mesh of sockets; tests join workers of one process in memory.
 *
 * @module
 */
import type { WorkerIndex } from "../../core/ids.ts";

/** Reaches the other workers. What is sent to one arrives whole and in order. */
export interface Transport {
  /**
   * Accepts a frame for a peer, and owns it from then on. Never waits: the sender bounds how much
   * can be on its way (see `mesh.ts`).
   */
  send(to: WorkerIndex, frame: Uint8Array): void;
  /** Has what was sent go out now. Called at the end of each pass of the worker's loop. */
  flush(): void;
  /** Sets who takes the frames that come. Called once; frames that came before wait for it. */
  receive(take: (from: WorkerIndex, frame: Uint8Array) => void): void;
  /** Frees what is held. What has not gone out is dropped. */
  close(): void;
}
