/**
 * Starts worker processes of a group.
 *
 * @module
 */
import type { WorkerIndex } from "../../../core/ids.ts";
import type { FromTaskWorker, ToTaskWorker } from "./messages.ts";
import { type GroupProcessOptions, spawnLinked } from "./spawn_linked.ts";
import type { ChildListener, TaskChild } from "./task_seat.ts";

/** What a process is started with. */
export interface TaskWorkerOptions extends GroupProcessOptions {
  readonly worker: WorkerIndex;
  /** What it is told first. */
  readonly load: Extract<ToTaskWorker, { kind: "load" }>;
}

/** Whether a process of the machine has loaded the flow before: brokers were in reach then. */
export class FirstLoad {
  #isOver = false;

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Returns a listener that hears the processes too, and passes on what they say. */
  watch(listener: ChildListener): ChildListener {
    return {
      ...listener,
      said: (message) => {
        if (message.kind === "loaded") this.#isOver = true;
        listener.said(message);
      },
    };
  }
}

/** Starts a process. */
export function spawnTaskWorker(
  { load, ...options }: TaskWorkerOptions,
  listener: ChildListener,
): TaskChild {
  const preload = import.meta.resolve("./task_worker_main.ts");
  const { moduleUrl } = load;
  return spawnLinked<FromTaskWorker, ToTaskWorker>(
    { ...options, moduleUrl, preload, first: load },
    listener,
  );
}
