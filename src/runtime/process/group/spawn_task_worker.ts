/**
 * Starts worker processes of a group.
 *
 * @module
 */
import { messageOf } from "../../../core/errors.ts";
import type { WorkerIndex } from "../../../core/ids.ts";
import type { Log } from "../../../core/log.ts";
import { within } from "../../../core/promises.ts";
import type { ControlLink } from "../control_link.ts";
import { createKey } from "../handshake.ts";
import { ControlListener } from "../listener.ts";
import { makeFolder, removeFolder } from "../socket_folder.ts";
import { type OutputTaps, spawnWorker } from "../spawn.ts";
import { type FromTaskWorker, GROUP_PROTOCOL_VERSION, type ToTaskWorker } from "./messages.ts";
import type { ChildListener, TaskChild } from "./task_seat.ts";

/** How long a worker's last words may take to arrive after its process has ended. */
const LAST_WORDS_MS = 3_000;

/** What a process is started with. */
export interface TaskWorkerOptions {
  readonly worker: WorkerIndex;
  /** What it is told first. */
  readonly load: Extract<ToTaskWorker, { kind: "load" }>;
  /** Returns Deno's flags, for a process that meets us in this folder. */
  readonly flags: (folder: string | null) => readonly string[];
  /** The flow's arguments. */
  readonly args: readonly string[];
  /** The flow, after those that the processes above this one run. */
  readonly running: readonly string[];
  readonly taps: OutputTaps;
  readonly log: Log;
}

/** Starts a process. Each one has a folder of its own to meet us in, and a key of its own. */
export function spawnTaskWorker(
  { worker, load, flags, args, running, taps, log }: TaskWorkerOptions,
  { said, exited }: ChildListener,
): TaskChild {
  const folder = makeFolder(log);
  const keys = Array.from({ length: worker + 1 }, createKey); // those of others let nobody in
  const control = new ControlListener<FromTaskWorker, ToTaskWorker>(
    folder,
    keys,
    GROUP_PROTOCOL_VERSION,
  );
  const { address } = control;
  const child = spawnWorker(
    { index: worker, address, folder, key: keys[worker], coordinatorPid: Deno.pid },
    {
      moduleUrl: load.moduleUrl,
      flags: flags(folder?.path ?? null),
      args,
      running,
      preload: import.meta.resolve("./task_worker_main.ts"),
      taps,
      env: {},
    },
  );
  let link: ControlLink<FromTaskWorker, ToTaskWorker> | null = null;
  let isOver = false;
  const fail = (error: unknown) => {
    if (!isOver) {
      log.error("a worker does not keep to the protocol", { worker, error: messageOf(error) });
    }
    child.kill();
  };
  control.accept((_worker, connected) => {
    link = connected;
    control.close();
    connected.send(load);
    void follow(connected).catch(fail);
  }, fail);

  async function follow(from: ControlLink<FromTaskWorker, ToTaskWorker>): Promise<void> {
    for await (const message of from.messages()) {
      if (!isOver) said(message);
    }
    // One that hangs up and goes on has nobody to hear of lost tasks from.
    if (!await within(child.exited, LAST_WORDS_MS)) child.kill();
  }

  void child.exited.then(async ({ code, signal }) => {
    // What it said last may still be on its way through the socket.
    if (link !== null) await within(link.drained(), LAST_WORDS_MS);
    isOver = true;
    control.close();
    link?.close();
    await removeFolder(folder);
    exited(signal === null ? `with code ${code}` : `by ${signal}`);
  });
  return { send: (message) => link?.send(message), kill: () => child.kill() };
}
