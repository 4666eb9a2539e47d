/**
 * Starts processes of a group, each with a link to it.
 *
 * @module
 */
import { messageOf } from "../../../core/errors.ts";
import type { WorkerIndex } from "../../../core/ids.ts";
import type { Log } from "../../../core/log.ts";
import { within } from "../../../core/promises.ts";
import type { ControlLink } from "../control_link.ts";
import { FAILED } from "../exit_code.ts";
import { createKey } from "../handshake.ts";
import { ControlListener } from "../listener.ts";
import type { ControlMessage } from "../message_size.ts";
import { makeFolder, removeFolder } from "../socket_folder.ts";
import { type OutputTaps, spawnWorker } from "../spawn.ts";
import { GROUP_PROTOCOL_VERSION } from "./messages.ts";

/** How long a process's last words may take to arrive after it has ended. */
const LAST_WORDS_MS = 3_000;

/** A process that is told messages of kind `Out`. */
export interface LinkedProcess<Out> {
  /** What is sent to one that has gone is dropped. */
  send(message: Out): void;
  /** Ends it at once. */
  kill(): void;
}

/** Is told what a process says and does. */
export interface ProcessListener<In> {
  /** Called with each message, in order; never after `exited`. */
  readonly said: (message: In) => void;
  /**
   * The process has gone. Called once.
   *
   * @param how Such as `with code 1` or `by SIGKILL`.
   * @param code What it exited with; 1 if a signal has ended it.
   */
  readonly exited: (how: string, code: number) => void;
}

/** How every process of a group is started. */
export interface GroupProcessOptions {
  /** Returns Deno's flags, for a process that meets us in this folder. */
  readonly flags: (folder: string | null) => readonly string[];
  /** The flow's arguments. */
  readonly args: readonly string[];
  /** The flow, after those that the processes above this one run. */
  readonly running: readonly string[];
  readonly taps: OutputTaps;
  readonly log: Log;
  /** Added to its environment. */
  readonly env?: Readonly<Record<string, string>>;
}

/** What a process is started with. */
export interface LinkedOptions<Out> extends GroupProcessOptions {
  readonly worker: WorkerIndex;
  /** The flow's module. */
  readonly moduleUrl: string;
  /** Our own module, which runs first. */
  readonly preload: string;
  /** What it is told first. */
  readonly first: Out;
}

/** Starts a process. Each one has a folder of its own to meet us in, and a key of its own. */
export function spawnLinked<In extends ControlMessage, Out extends ControlMessage>(
  { worker, moduleUrl, preload, first, flags, args, running, taps, log, env = {} }: LinkedOptions<
    Out
  >,
  { said, exited }: ProcessListener<In>,
): LinkedProcess<Out> {
  const folder = makeFolder(log);
  const leave = () => removeFolder(folder, (text) => log.warn(text));
  using opened = new DisposableStack();
  opened.defer(() => void leave());
  const keys = Array.from({ length: worker + 1 }, createKey); // those of others let nobody in
  const control = new ControlListener<In, Out>(folder, keys, GROUP_PROTOCOL_VERSION);
  opened.defer(() => control.close());
  const { address } = control;
  const child = spawnWorker(
    { index: worker, address, folder, key: keys[worker], coordinatorPid: Deno.pid },
    { moduleUrl, flags: flags(folder?.path ?? null), args, running, preload, taps, env },
  );
  opened.move(); // there is a process that needs both
  let link: ControlLink<In, Out> | null = null;
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
    connected.send(first);
    void follow(connected).catch(fail);
  }, fail);

  async function follow(from: ControlLink<In, Out>): Promise<void> {
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
    await leave();
    if (signal === null) exited(`with code ${code}`, code);
    else exited(`by ${signal}`, FAILED);
  });
  return { send: (message) => link?.send(message), kill: () => child.kill() };
}
